//! Bytes that a kernel took or sent, and that iproute2 sent.

use std::collections::BTreeSet;
use std::fs;

use nl_core::message::{MessageRef, NLM_F_ACK};
use nl_core::nexthop::Nexthop;
use nl_core::route::{Encap, Route};
use nl_srv6::encap::Seg6;
use nl_srv6::sid::{Flavors, Seg6Local, SidAction};
use nl_testkit::oracle::{Golden, unhex};

use crate::commands::{FILE, Ours, addr, lines};
use crate::encap;

#[test]
fn requests_equal_those_of_iproute2() {
    let golden = Golden::read(&fs::read_to_string(FILE).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for line in lines() {
        let command = format!("ip {}", line.command);
        let mut ours = line.ours.request(&golden.numbers).with_flags(NLM_F_ACK);
        match golden.request(&command) {
            Some(theirs) => wrong.extend(
                line.compare(ours.encoded().unwrap(), theirs).err().map(|e| format!("`{command}`: {e}")),
            ),
            None => {
                wrong.push(format!("`{command}` is not in {FILE}; write it again with NL_TESTKIT_BLESS=1"))
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<_> = lines().iter().map(|line| format!("ip {}", line.command)).collect();
    let kept: BTreeSet<_> = golden.requests.iter().map(|request| request.command.clone()).collect();
    assert_eq!(kept, known, "a command in {FILE} that is tested nowhere");
}

#[test]
fn what_iproute2_sent_is_read_and_printed_in_its_words() {
    let golden = Golden::read(&fs::read_to_string(FILE).unwrap()).unwrap();
    for line in lines() {
        let theirs = golden.request(&format!("ip {}", line.command)).unwrap();
        let message = MessageRef::parse(theirs).unwrap();
        let words = match &line.ours {
            Ours::Seg6(_, ours) => {
                let read = Route::decode(message).unwrap().encap::<Seg6>().unwrap().unwrap();
                assert_eq!(read, *ours, "{}", line.command);
                read.to_string()
            }
            Ours::Sid(..) => {
                let mut read = Route::decode(message).unwrap().encap::<Seg6Local>().unwrap().unwrap();
                if let SidAction::EndDx2 { oif } = &mut read.action {
                    assert_eq!(oif.index(), Some(golden.numbers["d1"]));
                    *oif = "d1".into();
                }
                read.to_string()
            }
            Ours::Nexthop(_, ours) => {
                let read = Nexthop::decode(message).unwrap().encap::<Seg6>().unwrap().unwrap();
                assert_eq!(read, *ours, "{}", line.command);
                read.to_string()
            }
        };
        assert!(line.command.contains(&format!(" encap {words} dev d0")), "{words}: {}", line.command);
    }
}

#[test]
fn encap_of_two_segments_has_the_bytes_that_a_kernel_took() {
    let bytes = unhex(
        "34000100 01000000 00040401 01000000 fcbb0000 000c0000 00000000 00000000 \
         fcbb0000 000b0000 00000000 00000000",
    );
    // The nest begins with the attribute SEG6_IPTUNNEL_SRH: 4 + 4 + 40 bytes.
    let mut bytes = bytes;
    bytes[0] = 0x30;
    let seg6 = Seg6::encap([addr("fcbb:0:b::"), addr("fcbb:0:c::")]);
    assert_eq!(encap(&seg6), bytes);
    assert_eq!(Seg6::decode(nl_core::attr::Attrs::new(&bytes)).unwrap(), seg6);
}

#[test]
fn end_x_with_flavours_and_counters_has_the_bytes_that_a_kernel_took() {
    let bytes = unhex(
        "08000100 02000000 14000500 20010db8 00000000 00000000 00000001 \
         1c000b80 08000100 10000000 05000200 20000000 05000300 10000000 \
         28000a80 0c000200 00000000 00000000 0c000300 00000000 00000000 0c000400 00000000 00000000",
    );
    let local = Seg6Local::new(SidAction::EndX { nh6: addr("2001:db8::1") })
        .flavors(Flavors::next_csid(32, 16))
        .counters();
    assert_eq!(encap(&local), bytes);
    assert_eq!(Seg6Local::decode(nl_core::attr::Attrs::new(&bytes)).unwrap(), local);
}

#[test]
fn inline_reserves_the_slot_of_the_destination() {
    let bytes = encap(&Seg6::inline([addr("fcbb:0:b::"), addr("fcbb:0:c::")]));
    // Behind the attribute's header and the mode: three entries, of which the first on the wire is empty.
    assert_eq!(bytes[8..16], [0, 6, 4, 2, 2, 0, 0, 0]);
    assert_eq!(bytes[16..32], [0; 16]);
    assert_eq!(bytes[32..48], addr("fcbb:0:c::").octets());
}

#[test]
fn segment_in_the_slot_is_reported_as_never_visited() {
    // What a program writes that reserves no slot: two entries, of which the kernel overwrites the last hop.
    let mut bytes = encap(&Seg6::encap([addr("fcbb:0:b::"), addr("fcbb:0:c::")]));
    bytes[4] = 0;
    let seg6 = Seg6::decode(nl_core::attr::Attrs::new(&bytes)).unwrap();
    assert_eq!(seg6.segments(), [addr("fcbb:0:b::")]);
    assert_eq!(seg6.overwritten, Some(addr("fcbb:0:c::")));
    assert_eq!(encap(&seg6), bytes);
}

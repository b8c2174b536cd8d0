//! Entries of the multicast database: golden bytes, round trips.

use std::net::IpAddr;

use nl_bridge::mdb::{MdbEntry, MdbFilter, MdbGroup, MdbMode, MdbState, MdbTable, MdbVerb};
use nl_core::MacAddr;
use nl_core::message::{MessageRef, NLM_F_ACK};
use proptest::option;
use proptest::prelude::*;

use crate::unhex;

/// `bridge mdb add dev br0 port port1 grp 239.1.1.1 permanent vid 10` of iproute2 7.3; br0 is 3, port1 is 5.
const ADD: &str = "380000005400050600000000000000000700000003000000200001000500000001000a00ef01010100000000000000\
                   000000000008000000";
/// `bridge mdb add dev br0 port port1 grp ff0e::1 src 2001:db8::1 temp`
const ADD_SOURCE: &str = "500000005400050600000000000000000700000003000000200001000500000000000000ff0e0000000000000000\
                          00000000000186dd0000180002801400010020010db8000000000000000000000001";
/// `bridge mdb replace dev br0 port port1 grp 239.1.1.1 permanent filter_mode include source_list 192.0.2.1,192.0.2.2
/// proto zebra vid 10`
const REPLACE: &str = "680000005400050500000000000000000700000003000000200001000500000001000a00ef0101010000000000000000\
                       00000000080000003000028005000300010000001c0002800c00018008000100c00002010c00018008000100c0000202\
                       050004000b000000";
/// `bridge mdb get dev br0 grp 239.1.1.1 src 192.0.2.1`
const GET: &str = "440000005600010000000000000000000700000003000000200001000000000000000000ef010101000000000000000000\
                   000000080000000c00028008000100c0000201";
/// `bridge mdb flush dev br0 port port1 vid 10 proto zebra permanent`
const FLUSH: &str = "4c0000005500050200000000000000000700000003000000200001000500000001000a000000000000000000000000000000\
                     00000000000014000280050004000b00000005000a0001000000";
/// `bridge mdb add dev vx0 port vx0 grp 239.1.1.1 permanent dst 192.0.2.1 dst_port 44 vni 5 src_vni 6 via port1`; vx0 is 4.
const ADD_VXLAN: &str = "640000005400050600000000000000000700000004000000200001000400000001000000ef010101000000000000000000\
                         000000080000002c00028008000500c0000201060006002c000000080007000500000008000900060000000800080005000000";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
#[cfg(target_endian = "little")]
fn requests_have_the_bytes_of_iproute2() {
    let bytes =
        |entry: &MdbEntry, verb| entry.request(verb).with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
    let entry = |group: &str| MdbEntry::new(3, 5, ip(group));
    assert_eq!(bytes(&entry("239.1.1.1").permanent().vlan(10), MdbVerb::Add), unhex(ADD));
    assert_eq!(bytes(&entry("ff0e::1").source(ip("2001:db8::1")), MdbVerb::Add), unhex(ADD_SOURCE));
    let sources = [ip("192.0.2.1"), ip("192.0.2.2")];
    let replaced =
        entry("239.1.1.1").permanent().vlan(10).mode(MdbMode::Include).sources(sources).protocol(11);
    assert_eq!(bytes(&replaced, MdbVerb::Replace), unhex(REPLACE));
    let asked = entry("239.1.1.1").source(ip("192.0.2.1"));
    let get = asked.request(MdbVerb::Get).encoded().unwrap().to_vec();
    assert_eq!(get, unhex(GET));
    let mut tunnel =
        MdbEntry::new(4, 4, ip("239.1.1.1")).permanent().dst(ip("192.0.2.1")).dst_port(44).vni(5).src_vni(6);
    tunnel.via = Some(5);
    assert_eq!(bytes(&tunnel, MdbVerb::Add), unhex(ADD_VXLAN));
    let mut filter = MdbFilter::default();
    (filter.dev, filter.port, filter.vlan) = (Some(3), Some(5), Some(10));
    (filter.protocol, filter.permanent) = (Some(11), Some(true));
    let flush = filter.flush_request().with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
    assert_eq!(flush, unhex(FLUSH));
}

prop_compose! {
    fn any_entry()(
        head in (1..1000u32, 1..1000u32, any::<[u8; 16]>(), 0..3u8, option::of(1..4095u16), 0..2u8),
        source in option::of(any::<[u8; 16]>()),
        rest in (option::of(0..3u8), prop::collection::vec(any::<[u8; 16]>(), 0..4), option::of(any::<u8>())),
        tunnel in (option::of(any::<IpAddr>()), option::of(any::<u16>()), option::of(any::<u32>()), option::of(any::<u32>()), option::of(1..9u32)),
    ) -> MdbEntry {
        let [a, b, c, d, e, g, ..] = head.2;
        let short = |bytes: [u8; 16]| IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let addr = |bytes: [u8; 16]| if head.3 == 0 { short(bytes) } else { IpAddr::from(bytes) };
        let group = match head.3 {
            0 => MdbGroup::Ip(IpAddr::from([224 | a & 15, b, c, d])),
            1 => MdbGroup::Ip(IpAddr::from([&[0xff][..], &head.2[1..]].concat().try_into().map(|b: [u8; 16]| b).unwrap())),
            _ => MdbGroup::Mac(MacAddr::new([a | 1, b, c, d, e, g])),
        };
        let mut entry = MdbEntry::new(head.0, head.1, group);
        (entry.vlan, entry.state) = (head.4, MdbState::from(head.5));
        (entry.source, entry.mode) = (source.map(addr), rest.0.map(MdbMode::from));
        entry.sources = rest.1.into_iter().map(|bytes| addr(bytes).into()).collect();
        entry.protocol = rest.2;
        (entry.dst, entry.dst_port, entry.vni, entry.src_vni, entry.via) = tunnel;
        entry
    }
}

proptest! {
    #[test]
    fn what_is_not_refused_is_described_and_sent(entry in any_entry()) {
        for verb in [MdbVerb::Add, MdbVerb::Replace, MdbVerb::Delete] {
            let mut request = entry.request(verb);
            let text = request.describe();
            let start = format!("{verb} mdb dev #{} port #{} grp {}", entry.dev, entry.port, entry.group);
            prop_assert!(text.starts_with(&start), "{} is not {}", text, entry);
            if let Err(error) = request.encoded() {
                prop_assert!(error.is_usage(), "{}", error);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>, nested: Vec<u8>) {
        for kind in [84, 85] {
            let _ = MdbTable::decode(MessageRef::from_parts(kind, 0, &data));
            let mut payload = vec![7, 0, 0, 0, 3, 0, 0, 0];
            for depth in (1..=3_u16).rev() {
                let len = u16::try_from(nested.len() + 4 * usize::from(depth)).unwrap_or(0);
                payload.extend(len.to_ne_bytes());
                payload.extend([1, 0]);
            }
            payload.extend(&nested);
            let _ = MdbTable::decode(MessageRef::from_parts(kind, 0, &payload));
        }
    }
}

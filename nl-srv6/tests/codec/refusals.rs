//! What is refused before the kernel is asked, with the limit in the text.

use std::net::Ipv6Addr;

use nl_core::Dev;
use nl_core::route::{Encap, Route, RouteVerb};
use nl_srv6::encap::{Seg6, Seg6Mode};
use nl_srv6::hmac::{HmacAlgorithm, HmacKey, HmacSecret};
use nl_srv6::sid::{BpfProgram, DecapTable, FlavorOps, Flavors, Seg6Local, SidAction};
use nl_srv6::srh::{Srh, SrhFlags, Tlv};

use crate::commands::{addr, segments};

fn refused<T: Encap>(encap: &T, text: &str) {
    let why = encap.check().unwrap_err().to_string();
    assert!(why.contains(text), "{encap}: {why}");
    let route = Route::new("2001:db8::/48".parse().unwrap()).oif(5).with_encap(encap);
    let error = route.request(RouteVerb::Add).encoded().map(drop).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains(text), "{error}");
}

#[test]
fn segment_lists_out_of_their_limits_are_refused() {
    refused(&Seg6::encap([]), "no segments; a list has at least one");
    refused(&Seg6::encap(segments(128)), "128 segments; 1 to 127 are possible");
    assert_eq!(Seg6::encap(segments(127)).check(), Ok(()));
    refused(&Seg6::inline(segments(127)), "127 segments; 1 to 126 are possible");
    assert_eq!(Seg6::inline(segments(126)).check(), Ok(()));
    refused(&Seg6::encap(segments(300)), "300 segments");
    refused(&Seg6::encap([Ipv6Addr::UNSPECIFIED]), "segment :: cannot be the address of a node");
    refused(&Seg6::encap([addr("ff02::1")]), "segment ff02::1");
    refused(&Seg6::encap([addr("::1")]), "segment ::1");
}

#[test]
fn hmac_with_too_many_segments_is_refused() {
    assert_eq!(Seg6::encap(segments(14)).hmac(1).check(), Ok(()));
    refused(
        &Seg6::encap(segments(15)).hmac(1),
        "15 segments in a header with an HMAC; the kernel drops packets with more than 14",
    );
    // The first one is not in the header.
    assert_eq!(Seg6::encap_red(segments(15)).hmac(1).check(), Ok(()));
    refused(&Seg6::encap_red(segments(16)).hmac(1), "15 segments in a header with an HMAC");
    // The destination is.
    assert_eq!(Seg6::inline(segments(13)).hmac(1).check(), Ok(()));
    refused(&Seg6::inline(segments(14)).hmac(1), "15 segments in a header with an HMAC");
    refused(&Seg6::encap(segments(2)).hmac(0), "HMAC key 0; the first one is 1");
    let mut flag = Seg6::encap(segments(2));
    flag.srh.flags = SrhFlags::HMAC;
    refused(&flag, "go together");
    let mut tlv = Seg6::encap(segments(2)).hmac(1);
    tlv.srh.flags = SrhFlags::empty();
    refused(&tlv, "go together");
    let mut last = Seg6::encap(segments(2)).hmac(1);
    last.srh.tlvs.push(Tlv::Other { kind: 4, value: vec![0; 6] });
    refused(&last, "not the last TLV");
}

#[test]
fn headers_that_the_kernel_reads_otherwise_are_refused() {
    let mut seg6 = Seg6::encap(segments(3));
    seg6.srh.segments_left = 1;
    refused(&seg6, "segments left 1; the kernel sends to the first segment, so it is 2");
    let mut seg6 = Seg6::encap(segments(1));
    seg6.srh.tlvs = vec![Tlv::Pad1];
    refused(&seg6, "Pad1");
    let long = Srh::new(segments(1)).tlv(Tlv::Other { kind: 9, value: vec![0; 256] });
    assert_eq!(long.check().unwrap_err().to_string(), "a TLV of 256 bytes; 0 to 255 are possible");
    let mut full = Srh::new(segments(120));
    full = full.tlv(Tlv::Other { kind: 9, value: vec![0; 200] });
    assert_eq!(full.check().unwrap_err().to_string(), "a header of 2136 bytes; at most 2048 are possible");
    refused(&Seg6::new(Seg6Mode::Other(5), segments(1)), "mode 5; 0 to 4 are possible");
}

#[test]
fn source_that_no_packet_can_have_is_refused() {
    refused(&Seg6::encap(segments(1)).source(Ipv6Addr::UNSPECIFIED), "source address ::");
    refused(&Seg6::encap(segments(1)).source(Ipv6Addr::LOCALHOST), "source address ::1");
    refused(&Seg6::encap(segments(1)).source(addr("ff02::1")), "source address ff02::1");
    refused(&Seg6::inline(segments(1)).source(addr("2001:db8::1")), "inline there is none");
}

#[test]
fn inline_and_local_sids_are_for_ipv6() {
    let v4 = || Route::new("198.51.100.0/24".parse().unwrap()).oif(5);
    for request in [
        v4().with_encap(&Seg6::inline(segments(1))).request(RouteVerb::Add),
        v4().with_encap(&Seg6Local::new(SidAction::End)).request(RouteVerb::Add),
    ] {
        let error = request.clone().encoded().map(drop).unwrap_err();
        assert!(error.to_string().contains("is for IPv6 routes"), "{error}");
    }
}

#[test]
fn flavours_that_no_kernel_performs_are_refused() {
    let end = |ops| Seg6Local::new(SidAction::End).flavors(Flavors::new(ops));
    let end_x = SidAction::EndX { nh6: addr("2001:db8::1") };
    refused(&end(FlavorOps::USP), "flavour usp; no Linux performs it");
    refused(&end(FlavorOps::USD), "flavour usd; no Linux performs it");
    refused(&end(FlavorOps::PSP | FlavorOps::NEXT_CSID), "never performs psp");
    refused(&end(FlavorOps::empty()), "no flavour is given");
    refused(&end(FlavorOps::from_bits_retain(1 << 9)), "flavour 0x200 of End");
    refused(
        &Seg6Local::new(end_x.clone()).flavors(Flavors::psp()),
        "flavour psp of End.X; End.X has next-csid",
    );
    refused(&Seg6Local::new(SidAction::EndT { table: 1 }).flavors(Flavors::psp()), "End.T has none");
    for (block, node, text) in [
        (4, 16, "block of 4 bits"),
        (12, 16, "block of 12 bits; multiples of 8 from 8 to 120 are possible"),
        (32, 0, "node-function of 0 bits"),
        (32, 128, "node-function of 128 bits"),
        (120, 16, "block and node function of 136 bits; together up to 128 are possible"),
    ] {
        refused(&Seg6Local::new(SidAction::End).flavors(Flavors::next_csid(block, node)), text);
    }
    let mut psp = Flavors::psp();
    psp.block_bits = Some(32);
    refused(&Seg6Local::new(SidAction::End).flavors(psp), "without next-csid, which the kernel ignores");
}

#[test]
fn actions_with_impossible_values_are_refused() {
    for (action, text) in [
        (SidAction::EndT { table: 0 }, "table 0; 1 to"),
        (SidAction::EndDt46 { vrf_table: 0 }, "VRF table 0; 1 to"),
        (SidAction::EndDt6 { table: DecapTable::Vrf(0) }, "VRF table 0"),
        (SidAction::EndX { nh6: Ipv6Addr::UNSPECIFIED }, "router :: of End.X"),
        (SidAction::EndDx2 { oif: Dev::Index(0) }, "interface index 0; the first one is 1"),
        (SidAction::EndB6 { srh: Srh::new([]) }, "no segments"),
        (SidAction::EndB6 { srh: Srh::new(segments(127)) }, "127 segments; 1 to 126 are possible"),
        (SidAction::Other(12), "action 12, which the header names and no Linux implements"),
        (SidAction::Other(17), "action 17; 1 to 10, 15 and 16 are possible"),
        (SidAction::EndBpf { program: BpfProgram::new(3, "") }, "a BPF program without a name"),
        (SidAction::EndBpf { program: BpfProgram::new(u32::MAX, "x") }, "descriptor 4294967295"),
    ] {
        refused(&Seg6Local::new(action), text);
    }
    refused(&Seg6Local::new(SidAction::End).oif(5), "an output device beside End; End.X has one");
}

#[test]
fn keys_that_would_lose_the_old_one_are_refused() {
    let secret = |len| HmacSecret::new(vec![7; len]);
    let error = |id, algorithm, len| {
        HmacKey::set_request(30, id, algorithm, &secret(len)).encoded().map(drop).unwrap_err().to_string()
    };
    let sha1 = HmacAlgorithm::Sha1;
    assert_eq!(error(0, sha1, 5), "set hmac key 0 sha1: HMAC key 0; the first one is 1");
    assert_eq!(error(7, sha1, 0), "set hmac key 7 sha1: a secret of 0 bytes; 1 to 64 are possible");
    assert_eq!(error(7, sha1, 65), "set hmac key 7 sha1: a secret of 65 bytes; 1 to 64 are possible");
    assert_eq!(
        error(7, HmacAlgorithm::Other(3), 5),
        "set hmac key 7 3: algorithm 3; 1 (sha1) and 2 (sha256) are possible"
    );
}

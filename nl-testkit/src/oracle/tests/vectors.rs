//! Frames as they are on a wire.

use std::net::Ipv6Addr;

use super::super::traffic::{self, Ip, Srh, Tcp, Udp, VxlanHeader};
use crate::EthFrame;

fn frame(ethertype: u16, payload: &[u8]) -> EthFrame {
    EthFrame::new([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], ethertype, payload)
}

fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x45, 0, high, low, 0, 1, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    bytes.extend(payload);
    bytes
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, high, low, next, 64];
    bytes.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
    bytes.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
    bytes.extend(payload);
    bytes
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0xc0, 1, 0x12, 0xb5, high, low, 0, 0];
    bytes.extend(payload);
    bytes
}

fn vxlan() -> Vec<u8> {
    let mut bytes = vec![0x08, 0, 0, 0, 0x01, 0x02, 0x03, 0];
    bytes.extend(frame(EthFrame::TEST, b"inside").to_bytes());
    bytes
}

fn srh(next: u8) -> Vec<u8> {
    let mut bytes = vec![next, 4, 4, 1, 1, 0, 0, 7];
    bytes.extend("fc00::2".parse::<Ipv6Addr>().unwrap().octets());
    bytes.extend("fc00::1".parse::<Ipv6Addr>().unwrap().octets());
    bytes
}

/// SYN with MSS, two fillers, MP_CAPABLE version 1 and an end.
fn syn() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x90, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 2, 0xff, 0xff, 0, 0, 0, 0];
    bytes.extend([2, 4, 5, 0xb4, 1, 1, 30, 4, 0x01, 0x01, 0, 0]);
    bytes.extend(b"data");
    bytes
}

#[test]
fn a_vni_is_seen_over_ipv4_and_ipv6() {
    for outer in [frame(0x0800, &v4(17, &udp(&vxlan()))), frame(0x86dd, &v6(17, &udp(&vxlan())))] {
        assert_eq!(traffic::vni(&outer), Some(0x01_0203));
        let datagram = traffic::udp(&outer).unwrap();
        assert_eq!((datagram.source, datagram.destination), (0xc001, 4789));
        let inner = EthFrame::parse(traffic::vxlan(&outer).unwrap().inner).unwrap();
        assert_eq!(inner, frame(EthFrame::TEST, b"inside"));
    }
}

#[test]
fn a_frame_of_something_else_has_no_vni() {
    let mut without_flag = vxlan();
    without_flag[0] = 0;
    for other in [
        frame(0x0806, &v4(17, &udp(&vxlan()))),
        frame(0x0800, &v4(6, &udp(&vxlan()))),
        frame(0x0800, &v6(17, &udp(&vxlan()))),
        frame(0x86dd, &v4(17, &udp(&vxlan()))),
        frame(0x0800, &v4(17, &udp(&without_flag))),
    ] {
        assert_eq!(traffic::vni(&other), None, "{other:?}");
    }
}

#[test]
fn addresses_and_the_end_of_an_ipv4_packet_come_from_its_header() {
    let mut bytes = v4(17, &udp(b"x"));
    bytes.extend([0; 10]);
    let packet = Ip::v4(&bytes).unwrap();
    assert_eq!(
        (packet.source.to_string(), packet.destination.to_string()),
        ("192.0.2.1".into(), "192.0.2.2".into())
    );
    assert_eq!(packet.payload, udp(b"x"));
    bytes[6..8].copy_from_slice(&[0x20, 5]);
    let fragment = Ip::v4(&bytes).unwrap();
    assert_eq!((fragment.fragment, fragment.udp()), (40, None));
}

#[test]
fn a_segment_routing_header_is_found_behind_other_extension_headers() {
    let hop_by_hop = |next: u8| vec![next, 0, 1, 4, 0, 0, 0, 0];
    let inner = v4(17, &udp(b"x"));
    let seen = frame(0x86dd, &v6(0, &[hop_by_hop(43), srh(4), inner.clone()].concat()));
    let header = traffic::srh(&seen).unwrap();
    assert_eq!((header.segments_left, header.tag, header.flags, header.tlvs), (1, 7, 0, &[][..]));
    let segments: Vec<_> = header.segments().rev().map(|segment| segment.to_string()).collect();
    assert_eq!(segments, ["fc00::1", "fc00::2"]);
    let packet = traffic::ip(&seen).unwrap();
    assert_eq!(packet.destination.to_string(), "2001:db8::2");
    assert_eq!(packet.inner(), Ip::v4(&inner));
    assert_eq!(traffic::srh(&frame(0x86dd, &v6(0, &[hop_by_hop(17), udp(b"x")].concat()))), None);
}

#[test]
fn an_srh_that_points_behind_its_segments_is_none() {
    let mut bytes = srh(4);
    assert!(Srh::parse(&bytes).is_some());
    bytes[3] = 2;
    assert_eq!(Srh::parse(&bytes), None);
}

#[test]
fn a_later_ipv6_fragment_is_not_taken_for_a_datagram() {
    let fragment = |offset: u8| [&[17, 0, 0, offset, 0, 0, 0, 9][..], &udp(b"x")].concat();
    assert!(traffic::udp(&frame(0x86dd, &v6(44, &fragment(1)))).is_some());
    assert_eq!(traffic::udp(&frame(0x86dd, &v6(44, &fragment(8)))), None);
}

#[test]
fn mptcp_options_are_found_among_others() {
    let seen = frame(0x0800, &v4(6, &syn()));
    assert_eq!(traffic::mptcp(&seen).collect::<Vec<_>>(), [0]);
    let segment = traffic::tcp(&seen).unwrap();
    assert_eq!(
        (segment.source, segment.destination, segment.flags, segment.payload),
        (8080, 80, 2, &b"data"[..])
    );
    assert_eq!(segment.options().map(|(kind, _)| kind).collect::<Vec<_>>(), [2, 30]);
    let mut plain = syn();
    plain[26] = 31;
    assert_eq!(traffic::mptcp(&frame(0x0800, &v4(6, &plain))).count(), 0);
}

#[test]
fn an_option_longer_than_the_header_ends_the_options() {
    let mut bytes = syn();
    bytes[27] = 7;
    let kinds: Vec<_> = Tcp::parse(&bytes).unwrap().options().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [2]);
    bytes[27] = 0;
    assert_eq!(Tcp::parse(&bytes).unwrap().options().count(), 1);
}

#[test]
fn what_is_cut_off_is_none() {
    let whole = v6(0, &[vec![43, 0, 1, 4, 0, 0, 0, 0], srh(17), udp(&vxlan())].concat());
    assert!(Ip::v6(&whole).is_some());
    for length in 0..whole.len() {
        assert_eq!(Ip::v6(&whole[..length]), None, "cut to {length}");
    }
    for length in 0..24 {
        assert_eq!(Ip::v4(&v4(17, b"1234")[..length]), None, "cut to {length}");
    }
    for length in 0..32 {
        assert_eq!(Tcp::parse(&syn()[..length]), None, "cut to {length}");
    }
    for length in 0..9 {
        assert_eq!(Udp::parse(&udp(b"x")[..length]), None, "cut to {length}");
    }
    for length in 0..8 {
        assert_eq!(VxlanHeader::parse(&vxlan()[..length]), None, "cut to {length}");
    }
}

//! Bytes that a 7.2 kernel accepted or sent, little-endian as captured. Interfaces: br0 is 3, its port p0 is 5, the VXLAN device
//! vx0 in metadata mode is 6, vf0 with a VNI filter is 7.

use std::time::Duration;

use nl_bridge::VlanId;
use nl_bridge::tunnel::{TunnelEntry, TunnelVerb};
use nl_bridge::vlan_db::{
    McastRouter, StpState, VlanDbEntry, VlanDbEvent, VlanDbGlobal, VlanDbVerb, VlanInfo, VlanStats,
};
use nl_bridge::vni::{VniEntry, VniEvent, VniVerb};
use nl_core::Request;
use nl_core::message::{MessageRef, NLM_F_ACK};
use nl_testkit::oracle::unhex;

use crate::{vlans, vnis};

pub(crate) const SET_STATE: &str = "3400000070000500010000000000000007000000050000001c0001800800010000001e000600020020000000050003000\
                         2000000";
pub(crate) const SET_GLOBAL: &str = "3400000070000500010000000000000007000000030000001c000280060001000a00000005000300000000000600120\
                          000000000";
pub(crate) const MAP_RANGE: &str = "5c000000130005000100000000000000070000000600000000000000000000003c001a801c000380080001008813000006\
                         0002006400000006000300080000001c000380080001008913000006000200650000000600030010000000";
pub(crate) const DUMP_P0: &str = "ac00000070000200010000000000000007000000050000002c0001800800010006000a000500030003000000050009000000\
                       000005000a0000000000050006000100000034000180080001000000140006000200190000000500030003000000\
                       050009000000000005000a00000000000500060001000000340001800800010000001e00060002002000000005000300\
                       02000000050009000000000005000a00000000000500060001000000";
pub(crate) const DUMP_VX0: &str = "580000007000020001000000000000000700000006000000400001800800010000006400060002006600000005000300\
                        030000000c0004800800010088130000050009000000000005000a00000000000500060001000000";
/// The first entry of `bridge -s vlan show dev p0`, with 1 to 4 put in place of its counters, which are 0.
pub(crate) const DUMP_STATS: &str = "7800000070000200010000000000000007000000050000006000018008000100060\
                          00a000500030003000000050009000000000005000a00000000000500060001000000340005800c0001000100000000\
                          0000000c00020002000000000000000c00030003000000000000000c0004000400000000000000";
/// The first block of `bridge vlan global show dev br0`, as a message of its own.
pub(crate) const DUMP_GLOBAL: &str = "a400000070000200010000000000000007000000030000008c000280060001000a00000005000300000000000500\
                           0400020000000800060002000000080007000200000005000f00000000000c00080064000000000000000c000a00\
                           90650000000000000c000b009c630000000000000c000c00d4300000000000000c000d00e8030000000000000c00\
                           0e00340c0000000000000500050001000000060012000000000\
                           0";
pub(crate) const NEW_VNIS: &str = "4000000078000500010000000000000007000000070000001400018008000100c800000008000200cd000000140001800800\
                        01002c01000008000300c0000209";
pub(crate) const DUMP_VNIS: &str = "4000000078000200010000000000000007000000070000001400018008000100c800000008000200cd00000014000180080\
                         001002c01000008000300c0000209";

/// As captured: acknowledged, with sequence number 1.
fn sent(request: Request) -> Vec<u8> {
    let mut bytes = request.with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
    bytes[8] = 1;
    bytes
}

fn message<T>(
    hex: &str,
    decode: fn(MessageRef<'_>, &mut Vec<T>) -> Result<(), nl_core::attr::DecodeError>,
) -> Vec<T> {
    let (bytes, mut out) = (unhex(hex), Vec::new());
    decode(MessageRef::parse(&bytes).unwrap(), &mut out).unwrap();
    out
}

/// On purpose not the bytes of the capture, which writes the flags too: the options alone are set.
#[test]
fn setting_a_state_says_that_options_alone_are_meant() {
    let ours = sent(VlanDbEntry::new(5, vlans("30-32")).state(StpState::Learning).request(VlanDbVerb::Set));
    let mut captured = unhex(SET_STATE);
    // bridge_vlan_info.flags
    captured[32] = 0x40;
    assert_eq!(ours, captured);
    let entry = VlanDbEntry::new(5, vlans("30-32")).state(StpState::Learning);
    assert_eq!(sent(entry.request(VlanDbVerb::Replace)), unhex(SET_STATE));
}

#[test]
fn global_options_have_the_bytes_the_kernel_took() {
    let global = VlanDbGlobal::new(3, vlans("10")).mcast_snooping(false).msti(0);
    assert_eq!(sent(global.request()), unhex(SET_GLOBAL));
}

#[test]
fn a_range_of_tunnels_has_the_values_the_kernel_took() {
    let entry = TunnelEntry::new(6, vlans("100-101"), vnis("5000-5001"));
    // The capture marks its nests with NLA_F_NESTED; iproute2 and we do not.
    let mut captured = unhex(MAP_RANGE);
    for at in [35, 39, 67] {
        captured[at] = 0;
    }
    assert_eq!(sent(entry.request(TunnelVerb::Add)), captured);
    assert_eq!(message(MAP_RANGE, TunnelEntry::decode_link), [entry]);
}

#[test]
fn the_vlans_of_a_port_are_read() {
    let entries = message(DUMP_P0, VlanDbEntry::decode);
    let texts: Vec<_> = entries.iter().map(ToString::to_string).collect();
    let rest = "mcast_router 1 neigh_suppress off neigh_forward_grat off";
    assert_eq!(
        texts,
        [
            format!("vid 10 dev #5 state forwarding {rest} pvid untagged"),
            format!("vid 20-25 dev #5 state forwarding {rest}"),
            format!("vid 30-32 dev #5 state learning {rest}"),
        ]
    );
    assert_eq!(entries[0].info, VlanInfo::PVID | VlanInfo::UNTAGGED);
}

#[test]
fn counters_of_a_vlan_are_read() {
    let entries = message(DUMP_STATS, VlanDbEntry::decode);
    let mut expected = VlanStats::default();
    (expected.rx_bytes, expected.rx_packets, expected.tx_bytes, expected.tx_packets) = (1, 2, 3, 4);
    assert_eq!(entries[0].stats, Some(expected));
}

#[test]
fn tunnels_in_the_vlan_database_are_read_as_a_row() {
    let entries = message(DUMP_VX0, TunnelEntry::decode);
    assert_eq!(entries, [TunnelEntry::new(6, vlans("100-102"), vnis("5000-5002"))]);
    assert_eq!(entries[0].pairs().collect::<Vec<_>>(), [(100, 5000), (101, 5001), (102, 5002)]);
}

#[test]
fn global_options_are_read_with_their_units() {
    let globals = message(DUMP_GLOBAL, VlanDbGlobal::decode);
    let global = &globals[0];
    assert_eq!(
        global.to_string(),
        "vid 10 dev #3 mcast_snooping 0 mcast_querier 0 mcast_igmp_version 2 mcast_mld_version 1 mcast_last_member_count 2 \
         mcast_startup_query_count 2 mcast_last_member_interval 100 mcast_membership_interval 26000 \
         mcast_querier_interval 25500 mcast_query_interval 12500 mcast_query_response_interval 1000 \
         mcast_startup_query_interval 3124 msti 0"
    );
    assert_eq!(global.mcast_startup_query_interval, Some(Duration::from_millis(31_240)));
    let bytes = unhex(DUMP_GLOBAL);
    let event = VlanDbEvent::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    assert_eq!(event, Some(VlanDbEvent::Global(globals)));
}

/// [`DUMP_GLOBAL`] with the ports of routers behind its last option, as `br_vlan_global_opts_fill` and `br_rports_fill_info` put
/// them: an attribute, in it one for the list, and in that one for each port.
pub(crate) fn with_router_ports(ports: &[(u32, u8, u32)]) -> Vec<u8> {
    let attr = |kind: u16, value: &[u8]| {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let port = |(index, kind, timer): &(u32, u8, u32)| {
        let timers =
            [attr(1, &timer.to_ne_bytes()), attr(2, &[*kind]), attr(3, &timer.to_ne_bytes())].concat();
        let vlan = [attr(4, &0_u32.to_ne_bytes()), attr(5, &10_u16.to_ne_bytes())].concat();
        attr(1, &[&index.to_ne_bytes()[..], &timers, &vlan].concat())
    };
    let list = attr(2, &ports.iter().flat_map(port).collect::<Vec<_>>());
    let more = attr(16 | 0x8000, &list);
    let mut bytes = unhex(DUMP_GLOBAL);
    // The message and the block of options are longer by it.
    for (at, size) in [(0, 4), (24, 2)] {
        let length = u16::from_ne_bytes([bytes[at], bytes[at + 1]]) + u16::try_from(more.len()).unwrap();
        bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        assert!(size == 2 || bytes[at + 2..at + 4] == [0, 0]);
    }
    bytes.extend(more);
    bytes
}

#[test]
fn ports_behind_which_routers_are_are_read_from_their_list_in_the_list() {
    let bytes = with_router_ports(&[(5, 2, 0), (6, 1, 25_412)]);
    let mut globals = Vec::new();
    VlanDbGlobal::decode(MessageRef::parse(&bytes).unwrap(), &mut globals).unwrap();
    let ports: Vec<_> =
        globals[0].router_ports.iter().map(|port| (port.index, port.router, port.timer)).collect();
    let (never, later) = (Duration::ZERO, Duration::from_millis(254_120));
    assert_eq!(
        ports,
        [(5, Some(McastRouter::Permanent), Some(never)), (6, Some(McastRouter::Learn), Some(later))]
    );
    assert_eq!(globals[0].msti, Some(0));
    let none = with_router_ports(&[]);
    globals.clear();
    VlanDbGlobal::decode(MessageRef::parse(&none).unwrap(), &mut globals).unwrap();
    assert_eq!(globals[0].router_ports, []);
}

#[test]
fn vnis_are_read_and_written() {
    let entries = message(DUMP_VNIS, VniEntry::decode);
    let remote = VniEntry::new(7, vnis("300")).group("192.0.2.9".parse().unwrap());
    assert_eq!(entries, [VniEntry::new(7, vnis("200-205")), remote]);
    // The capture has both in one request.
    let ours: Vec<u8> =
        entries.iter().flat_map(|entry| sent(entry.request(VniVerb::Replace))[24..].to_vec()).collect();
    assert_eq!(ours, unhex(NEW_VNIS)[24..]);
    let bytes = unhex(DUMP_VNIS);
    let event = VniEvent::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    assert_eq!(event, Some(VniEvent::New(entries)));
}

#[test]
fn vlans_that_were_removed_are_an_event() {
    let request = VlanDbEntry::new(5, VlanId::MAX).request(VlanDbVerb::Delete);
    let bytes = sent(request);
    let event = VlanDbEvent::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    assert_eq!(event, Some(VlanDbEvent::Deleted(vec![VlanDbEntry::new(5, VlanId::MAX)])));
}

#[test]
fn ranges_of_tunnels_without_an_end_or_a_beginning_are_errors() {
    let begin_and_end = unhex(MAP_RANGE);
    let decode = |bytes: &[u8]| {
        let error = TunnelEntry::decode_link(MessageRef::parse(bytes).unwrap(), &mut Vec::new());
        error.unwrap_err().to_string()
    };
    let with = |at: usize, flags: u8| {
        let mut bytes = begin_and_end.clone();
        bytes[at] = flags;
        bytes
    };
    // Of the first and of the second attribute.
    let (first, second) = (60, 88);
    assert_eq!((begin_and_end[first], begin_and_end[second]), (8, 16));
    assert!(decode(&with(second, 8)).contains("a range that does not end"));
    assert!(decode(&with(second, 0)).contains("a range that does not end"));
    assert!(decode(&with(first, 16)).contains("the end of a range that did not begin"));
    // 100-101 for 5000-5002.
    assert!(decode(&with(72, 0x8a)).contains("as many VNIs as VLANs are needed"));
}

//! Bridges, their ports and VXLAN devices: golden bytes, round trips, refusals.

use std::net::IpAddr;
use std::time::Duration;

use nl_bridge::Vni;
use nl_bridge::settings::{
    Bridge, BridgeFlags, BridgePort, McastRouter, Port, PortChange, PortTarget, StpState,
};
use nl_bridge::vxlan::{Vxlan, VxlanDf};
use nl_core::MacAddr;
use nl_core::attr::{AttrBuf, Attrs};
use nl_core::link::{LinkConfig, LinkKind, LinkVerb, VlanProtocol};
use nl_core::message::{AF_BRIDGE, MessageRef, NLM_F_ACK};
use proptest::option;
use proptest::prelude::*;

use crate::unhex;

/// `bridge link set dev port1 learning off` of iproute2 7.3; port1 is 5.
const LINK_SET: &str =
    "2c000000130005000000000000000000070000000500000000000000000000000c000c800500080000000000";
/// `bridge link set dev port1 hwmode vepa self learning off`
const LINK_SET_SELF: &str = "40000000130005000000000000000000070000000500000000000000000000000c000c8005000800000000\
                             0014001a0006000000020000000600010001000000";
/// `ip link set dev br0 type bridge ageing_time 60000`; br0 is 3.
const AGEING: &str = "3c0000001000050000000000000000000000000003000000000000000000000\
                      01c0012000b00010062726964676500000c0002000800040060ea0000";
/// `ip link set dev br0 type bridge mst_enabled 1`
const MST: &str = "40000000100005000000000000000000000000000300000000000000000000\
                   00200012000b0001006272696467650000100002000c002e000400000004000000";
/// `ip link add vx0 type vxlan id 100 remote 192.0.2.7 dstport 4789 nolearning`
const VXLAN: &str = "5c000000100005060000000000000000000000000000000000000000000000000800030076783000340012000a000100\
                     76786c616e00000024000200080001006400000008000200c0000207050007000000000006000f0012b50000";
/// A port as Linux 7.2 lists it, with the VLANs 100 to 102 and their tunnels.
pub(crate) const LISTED: &str = "f001000010000200010000000000000007000100060000004310010000000000080003007678300008000a000300000008000400dc0500\
                      0005001000000000000a000100fef5afe470ff000058010c80050001000300000006000200200000000800030064000000\
                      050004000000000005000500000000000500060000000000050007000000000005001c000000000005000800010000000500\
                      09000100000005001b000100000005001e000100000005000a000000000005000c00000000000c000d00800092bc1f60ded0\
                      0c000e00800092bc1f60ded006000f00028000000600100000000000060011000280000006001200020000000500130000000000\
                      050014000000000005001d000100000006001f000000000005002000000000000500230000000000050024000000000005002100\
                      00000000050027000000000005002800000000000500\
                      2b000000000005002d00000000000c00150000000000000000000c0016007a050000000000000c00170000000000000000000500\
                      19000100000008002500000200000800260000000000080029000000000008002a00000000004c001a0008000200080064000800\
                      0200100066001c00030008000100881300000600020064000000060003000800\
                      00001c000300080001008a130000060002006600000006000300100000\
                      00";

fn is_little() -> bool {
    cfg!(target_endian = "little")
}

fn link_request(config: &LinkConfig, verb: LinkVerb) -> Vec<u8> {
    config.request(verb).with_flags(NLM_F_ACK).encoded().unwrap().to_vec()
}

#[test]
fn requests_have_the_bytes_of_iproute2() {
    if !is_little() {
        return;
    }
    let off = || BridgePort::new().learning(false);
    let port = |change: PortChange| change.request().with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
    assert_eq!(port(PortChange::new(5, off())), unhex(LINK_SET));
    let mut own = PortChange::new(5, off());
    (own.target, own.hw_mode) = (PortTarget::SELF, Some(nl_bridge::settings::HwMode::Vepa));
    assert_eq!(port(own), unhex(LINK_SET_SELF));
    let bridge = |bridge: Bridge| link_request(&LinkConfig::new(3).kind(bridge), LinkVerb::Change);
    assert_eq!(bridge(Bridge::new().ageing_time(Duration::from_secs(600))), unhex(AGEING));
    assert_eq!(bridge(Bridge::new().mst_enabled(true)), unhex(MST));
    let vxlan = Vxlan::new(Vni::new(100).unwrap())
        .remote("192.0.2.7".parse().unwrap())
        .port(4789_u16)
        .learning(false);
    // iproute2 writes the options in the order they are given in; so do we, in ours.
    assert_eq!(
        link_request(&LinkConfig::new("vx0").kind(vxlan.clone()), LinkVerb::Add).len(),
        unhex(VXLAN).len()
    );
    let theirs = unhex(VXLAN);
    let data = Attrs::new(&theirs[32..]).find(18).unwrap().unwrap().attrs().find(2).unwrap().unwrap();
    assert_eq!(Vxlan::decode(data.attrs()).unwrap(), vxlan);
}

#[test]
fn a_port_that_the_kernel_lists_is_read_whole() {
    if !is_little() {
        return;
    }
    let port = Port::decode(MessageRef::parse(&unhex(LISTED)).unwrap()).unwrap().unwrap();
    assert_eq!((port.index, port.name.as_str(), port.master, port.mtu), (6, "vx0", 3, 1500));
    let options = port.options;
    assert!(options.other.is_empty(), "{:?}", options.other);
    assert_eq!(
        (options.state, options.priority, options.cost),
        (Some(StpState::Forwarding), Some(32), Some(100))
    );
    assert_eq!((options.vlan_tunnel, options.mcast_eht_hosts_limit), (Some(true), Some(512)));
    assert_eq!(options.forward_delay_timer, Some(Duration::from_millis(14_020)));
    assert_eq!(options.root_id.unwrap().to_string(), "8000.92:bc:1f:60:de:d0");
    assert_eq!((options.id, options.neigh_forward_grat), (Some(0x8002), Some(false)));
}

#[test]
fn message_about_something_else_than_a_port_is_recognised() {
    let bytes = PortChange::new(5, BridgePort::new().learning(false)).request().encoded().unwrap().to_vec();
    let mut listed = bytes.clone();
    listed[4..6].copy_from_slice(&16_u16.to_ne_bytes());
    // Without a master, as a driver reports what it keeps itself.
    assert_eq!(Port::decode(MessageRef::parse(&listed).unwrap()), Ok(None));
    assert_eq!(listed[16], AF_BRIDGE);
    listed[16] = 0;
    assert!(Port::decode(MessageRef::parse(&listed).unwrap()).is_err());
    assert!(Port::decode(MessageRef::parse(&bytes).unwrap()).is_err());
}

/// A driver reports a few settings under the port's master too, which are not those of the bridge (`ndo_dflt_bridge_getlink`).
#[test]
fn what_a_driver_reports_of_a_port_is_not_the_port() {
    let row = |of_driver: bool| {
        let mut buf = AttrBuf::new();
        let mut w = buf.writer();
        w.str(3, "port1").u32(10, 3);
        if of_driver {
            w.nested(26).u16(0, PortTarget::SELF.bits()).u16(1, 0);
        }
        w.nested(12).u8(8, 0);
        let header = [&[AF_BRIDGE, 0, 0, 0][..], &5_u32.to_ne_bytes(), &[0; 8]].concat();
        let payload = [&header[..], &buf.finish().unwrap()].concat();
        Port::decode(MessageRef::from_parts(16, 0, &payload)).unwrap()
    };
    let port = row(false).unwrap();
    assert_eq!((port.index, port.master, port.options.learning), (5, 3, Some(false)));
    assert_eq!(row(true), None);
}

fn back<T: LinkKind>(kind: &T) -> T {
    let mut buf = AttrBuf::new();
    kind.encode(&mut buf.writer(), LinkVerb::Add);
    T::decode(Attrs::new(&buf.finish().unwrap())).unwrap()
}

fn ticks() -> impl Strategy<Value = Duration> {
    any::<u32>().prop_map(|ticks| Duration::from_millis(u64::from(ticks) * 10))
}

prop_compose! {
    fn any_bridge()(
        times in prop::collection::vec(option::of(ticks()), 10),
        switches in prop::collection::vec(option::of(any::<bool>()), 11),
        numbers in prop::collection::vec(option::of(any::<u32>()), 6),
        small in prop::collection::vec(option::of(any::<u16>()), 3),
        bytes in prop::collection::vec(option::of(any::<u8>()), 3),
        flags in option::of((any::<u32>(), any::<u32>())),
        address in option::of(any::<[u8; 6]>()),
        protocol in option::of(any::<u16>()),
    ) -> Bridge {
        let mut bridge = Bridge::new();
        (bridge.forward_delay, bridge.hello_time, bridge.max_age, bridge.ageing_time) = (times[0], times[1], times[2], times[3]);
        (bridge.mcast_last_member_interval, bridge.mcast_membership_interval) = (times[4], times[5]);
        (bridge.mcast_querier_interval, bridge.mcast_query_interval) = (times[6], times[7]);
        (bridge.mcast_query_response_interval, bridge.mcast_startup_query_interval) = (times[8], times[9]);
        (bridge.vlan_filtering, bridge.vlan_stats_enabled, bridge.vlan_stats_per_port) = (switches[0], switches[1], switches[2]);
        (bridge.mcast_snooping, bridge.mcast_query_use_ifaddr, bridge.mcast_querier) = (switches[3], switches[4], switches[5]);
        (bridge.mcast_stats_enabled, bridge.nf_call_iptables) = (switches[6], switches[7]);
        (bridge.nf_call_ip6tables, bridge.nf_call_arptables) = (switches[8], switches[9]);
        bridge.stp_state = numbers[0].map(Into::into);
        bridge.stp_mode = numbers[1].map(Into::into);
        (bridge.fdb_max_learned, bridge.mcast_hash_max) = (numbers[2], numbers[3]);
        (bridge.mcast_last_member_count, bridge.mcast_startup_query_count) = (numbers[4], numbers[5]);
        (bridge.priority, bridge.group_fwd_mask, bridge.vlan_default_pvid) = (small[0], small[1], small[2]);
        bridge.mcast_router = bytes[0].map(Into::into);
        (bridge.mcast_igmp_version, bridge.mcast_mld_version) = (bytes[1], bytes[2]);
        bridge.group_address = address.map(MacAddr::new);
        bridge.vlan_protocol = protocol.map(|number| match number {
            0x8100 => VlanProtocol::Dot1q,
            0x88a8 => VlanProtocol::Dot1ad,
            other => VlanProtocol::Other(other),
        });
        if let Some((flags, mask)) = flags {
            bridge = bridge.flag(BridgeFlags::from_bits_retain(mask), false).flag(BridgeFlags::from_bits_retain(flags & mask), true);
        }
        bridge
    }
}

prop_compose! {
    fn any_port()(
        switches in prop::collection::vec(option::of(any::<bool>()), 20),
        numbers in prop::collection::vec(option::of(any::<u32>()), 5),
        small in prop::collection::vec(option::of(any::<u16>()), 2),
        bytes in prop::collection::vec(option::of(any::<u8>()), 2),
        none in any::<bool>(),
    ) -> BridgePort {
        let mut port = BridgePort::new();
        (port.state, port.mcast_router) = (bytes[0].map(Into::into), bytes[1].map(Into::into));
        (port.priority, port.group_fwd_mask) = (small[0], small[1]);
        (port.cost, port.mcast_max_groups, port.mcast_eht_hosts_limit, port.backup_nhid) =
            (numbers[0], numbers[1], numbers[2], numbers[3]);
        port.backup_port = numbers[4].filter(|index| *index != 0).map(Into::into);
        if none {
            port = port.no_backup_port();
        }
        (port.guard, port.hairpin, port.fastleave, port.root_block) = (switches[0], switches[1], switches[2], switches[3]);
        (port.learning, port.learning_sync, port.flood, port.proxy_arp) = (switches[4], switches[5], switches[6], switches[7]);
        (port.proxy_arp_wifi, port.mcast_flood, port.bcast_flood) = (switches[8], switches[9], switches[10]);
        (port.mcast_to_unicast, port.neigh_suppress, port.neigh_vlan_suppress) = (switches[11], switches[12], switches[13]);
        (port.neigh_forward_grat, port.vlan_tunnel, port.isolated) = (switches[14], switches[15], switches[16]);
        (port.locked, port.mab) = (switches[17], switches[18]);
        port
    }
}

prop_compose! {
    fn any_vxlan()(
        switches in prop::collection::vec(option::of(any::<bool>()), 14),
        present in prop::collection::vec(option::of(Just(true)), 4),
        id in option::of(0..=0xff_ffffu32),
        addresses in (option::of(any::<IpAddr>()), option::of(any::<IpAddr>())),
        numbers in (option::of(any::<u8>()), option::of(any::<u8>()), option::of(any::<u8>()), option::of(0..=0xf_ffffu32)),
        rest in (option::of(any::<u16>()), option::of((any::<u16>(), any::<u16>())), option::of(any::<u64>()), option::of(any::<u32>())),
        more in (option::of(any::<u32>()), option::of(any::<u32>()), option::of(1..u32::MAX)),
    ) -> Vxlan {
        let mut vxlan = Vxlan::change();
        vxlan.id = id.map(|id| Vni::new(id).unwrap());
        vxlan = match addresses.0 {
            Some(group) if group.is_multicast() => vxlan.group(group),
            Some(remote) => vxlan.remote(remote),
            None => vxlan,
        };
        vxlan.local = addresses.1;
        (vxlan.ttl, vxlan.tos, vxlan.df, vxlan.flow_label) = (numbers.0, numbers.1, numbers.2.map(VxlanDf::from), numbers.3);
        (vxlan.port, vxlan.port_range, vxlan.reserved_bits) = (rest.0, rest.1.map(Into::into), rest.2);
        vxlan.ageing = rest.3.map(|seconds| Duration::from_secs(seconds.into()));
        (vxlan.limit, vxlan.label_policy, vxlan.link) = (more.0, more.1.map(Into::into), more.2.map(Into::into));
        (vxlan.learning, vxlan.proxy, vxlan.rsc, vxlan.l2miss, vxlan.l3miss) =
            (switches[0], switches[1], switches[2], switches[3], switches[4]);
        (vxlan.udp_csum, vxlan.udp_zero_csum6_tx, vxlan.udp_zero_csum6_rx) = (switches[5], switches[6], switches[7]);
        (vxlan.remcsum_tx, vxlan.remcsum_rx, vxlan.local_bypass) = (switches[8], switches[9], switches[10]);
        (vxlan.collect_metadata, vxlan.vnifilter) = (switches[11], switches[12]);
        (vxlan.gbp, vxlan.gpe, vxlan.remcsum_nopartial, vxlan.ttl_inherit) = (present[0], present[1], present[2], present[3]);
        vxlan
    }
}

proptest! {
    #[test]
    fn options_read_back_as_they_were_written(bridge in any_bridge(), port in any_port(), vxlan in any_vxlan()) {
        prop_assert_eq!(back(&bridge), bridge);
        prop_assert_eq!(back(&port), port);
        prop_assert_eq!(back(&vxlan), vxlan);
    }

    #[test]
    fn options_that_are_refused_are_bad_input(bridge in any_bridge(), port in any_port(), vxlan in any_vxlan()) {
        for request in [
            LinkConfig::new(3).kind(bridge).request(LinkVerb::Change),
            LinkConfig::new(3).port(port.clone()).request(LinkVerb::Change),
            LinkConfig::new("vx0").kind(vxlan.clone()).request(LinkVerb::Add),
            LinkConfig::new(3).kind(vxlan).request(LinkVerb::Change),
            PortChange::new(3, port).request(),
        ] {
            let mut request = request;
            prop_assert!(!request.describe().is_empty());
            if let Err(error) = request.encoded() {
                prop_assert!(error.is_usage(), "{}", error);
            }
        }
    }

    #[test]
    fn arbitrary_options_never_panic(
        attrs in prop::collection::vec((0..60u16, prop::collection::vec(any::<u8>(), 0..20)), 0..20),
    ) {
        let mut buf = AttrBuf::new();
        for (kind, value) in &attrs {
            buf.writer().bytes(*kind, value);
        }
        let bytes = buf.finish().unwrap();
        let _ = Bridge::decode(Attrs::new(&bytes)).map(|kind| kind.to_string());
        let _ = BridgePort::decode(Attrs::new(&bytes)).map(|kind| kind.to_string());
        let _ = Vxlan::decode(Attrs::new(&bytes)).map(|kind| kind.to_string());
        let header = [&[AF_BRIDGE][..], &[0; 15]].concat();
        for data in [[header, bytes.clone()].concat(), bytes] {
            let _ = Port::decode(MessageRef::from_parts(16, 0, &data)).map(|port| port.map(|port| port.to_string()));
        }
    }

    #[test]
    fn unknown_numbers_of_bridges_survive(kind in 60..2000u16, value: Vec<u8>) {
        let mut buf = AttrBuf::new();
        buf.writer().bytes(kind, &value).u16(6, 7);
        let bytes = buf.finish().unwrap();
        let bridge = Bridge::decode(Attrs::new(&bytes)).unwrap();
        let kept = bridge.other.attrs().next().unwrap().unwrap();
        prop_assert_eq!((bridge.priority, kept.kind(), kept.value()), (Some(7), kind, &value[..]));
    }
}

#[test]
fn options_of_a_bridge_that_cannot_be_are_refused_with_the_limit() {
    let s = Duration::from_secs;
    for (bridge, part) in [
        (Bridge::new().hello_time(s(11)), "hello_time 11s; 1s to 10s are possible"),
        (Bridge::new().max_age(s(5)), "max_age 5s; 6s to 40s are possible"),
        (
            Bridge::new().ageing_time(Duration::from_millis(15)),
            "ageing_time 15ms; the kernel has hundredths of a second",
        ),
        (Bridge::new().ageing_time(s(50_000_000)), "ageing_time 50000000s; 0ns to 42949672.95s are possible"),
        (
            Bridge::new().mcast_query_interval(Duration::from_millis(500)),
            "mcast_query_interval 500ms; 1s to 86400s",
        ),
        (Bridge::new().mcast_startup_query_interval(s(86_401)), "1s to 86400s are possible"),
        (Bridge::new().vlan_default_pvid(4095_u16), "vlan_default_pvid 4095; 0 to 4094"),
        (
            Bridge::new().vlan_protocol(VlanProtocol::Other(0x9100)),
            "vlan_protocol 0x9100; 802.1Q and 802.1ad",
        ),
        (Bridge::new().group_fwd_mask(6_u16), "group_fwd_mask 0x6; frames to the groups 0, 1 and 2"),
        (Bridge::new().group_address([1, 0x80, 0xc2, 0, 0, 2]), "01:80:c2:00:00:0X"),
        (Bridge::new().mcast_router(McastRouter::Temporary), "mcast_router 3; 0 to 2"),
        (Bridge::new().mcast_igmp_version(4), "mcast_igmp_version 4; 2 to 3"),
        (Bridge::new().mcast_mld_version(0), "mcast_mld_version 0; 1 to 2"),
    ] {
        let error =
            LinkConfig::new(3).kind(bridge).request(LinkVerb::Change).encoded().unwrap_err().to_string();
        assert!(
            error.starts_with("set link #3 type bridge: ") && error.contains(part),
            "{error} lacks {part}"
        );
    }
}

#[test]
fn options_of_a_port_that_cannot_be_are_refused_with_the_limit() {
    for (port, part) in [
        (BridgePort::new().state(StpState::Other(5)), "state 5; 0 to 4"),
        (BridgePort::new().state(StpState::Disabled), "use Ports"),
        (BridgePort::new().priority(64_u16), "priority 64; 0 to 63"),
        (BridgePort::new().cost(65_536_u32), "cost 65536; 1 to 65535"),
        (BridgePort::new().mcast_eht_hosts_limit(0_u32), "mcast_eht_hosts_limit 0; 1 to"),
        (BridgePort::new().group_fwd_mask(2_u16), "group_fwd_mask 0x2; frames to group 1"),
        (BridgePort::new().backup_port("swp9"), "swp9 is a name; a request takes an index"),
        (BridgePort::new().learning_sync(true), "use Ports with self_()"),
    ] {
        let error =
            LinkConfig::new(5).port(port).request(LinkVerb::Change).encoded().unwrap_err().to_string();
        assert!(error.contains(part), "{error} lacks {part}");
    }
    let error =
        PortChange::new(0, BridgePort::new().learning(true)).request().encoded().unwrap_err().to_string();
    assert_eq!(error, "set port #0 learning on: interface index 0; the first one is 1");
}

#[test]
#[cfg(feature = "serde")]
fn settings_are_serialized_with_their_words() {
    let port = BridgePort::new().state(StpState::Blocking).backup_port(7_u32);
    let value = serde_json::to_value(&port).unwrap();
    assert_eq!((value["state"].as_str(), value["backup_port"].as_u64()), (Some("blocking"), Some(7)));
    let bridge = serde_json::to_value(Bridge::new().mst_enabled(true)).unwrap();
    assert_eq!(bridge["flags"]["mask"], 4);
}

//! What is there is read back as a description.

use std::collections::BTreeSet;

use nl_bridge::leaf::{
    BridgeConfig, InstanceConfig, InterfaceConfig, PortConfig, RouterConfig, SegmentConfig, VlanConfig,
    VrfConfig, VxlanConfig,
};
use nl_bridge::{StpState, VlanRange};
use nl_core::nexthop::Nexthop;
use nl_core::{IpPrefix, MacAddr};
use proptest::prelude::*;

use crate::kernel::Kernel;
use crate::{leaf, lines, small};

const GATEWAY: MacAddr = MacAddr::new([0, 0, 0x5e, 0, 1, 1]);

/// The leaf that a description makes.
fn made(config: &BridgeConfig) -> Kernel {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    kernel.apply(&config.plan(&kernel.snapshot()).unwrap());
    kernel
}

#[test]
fn description_is_read_back_as_it_was_applied() {
    assert_eq!(BridgeConfig::observe(&made(&small()).snapshot(), "br0").unwrap(), small());
}

#[test]
fn options_states_and_instances_are_read_back() {
    let vlans = |first, last| VlanRange::new(first, last).unwrap();
    let states = VlanConfig::new(vlans(10, 12)).state(StpState::Blocking);
    let port = PortConfig::new("swp1").learning(false).isolated(true).vlan(states);
    let config = BridgeConfig::new("br0").port(port);
    assert_eq!(BridgeConfig::observe(&made(&config).snapshot(), "br0").unwrap(), config);

    let mst = BridgeConfig::new("br0")
        .instance(InstanceConfig::new(5, [vlans(10, 12), vlans(14, 14)]))
        .vlans(14)
        .port(PortConfig::new("swp1").trunk(10..=13).instance(5, StpState::Blocking))
        .port(PortConfig::new("swp2").trunk(10..=11));
    assert_eq!(BridgeConfig::observe(&made(&mst).snapshot(), "br0").unwrap(), mst);
}

#[test]
fn observed_leaf_of_somebody_else_differs_in_nothing_once_it_is_adopted() {
    let mut kernel = made(&small());
    for dev in ["br0", "vx0", "swp1", "swp2"] {
        kernel.link(dev).alt_names.clear();
    }
    let config = BridgeConfig::observe(&kernel.snapshot(), "br0").unwrap();
    assert!(config.plan(&kernel.snapshot()).unwrap_err().is_usage());
    let adoption = config.plan_adoption(&kernel.snapshot()).unwrap();
    assert_eq!(adoption.steps().len(), 4, "{adoption}");
    kernel.apply(&adoption);
    assert_eq!(lines(&config.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);
    // Then it is its own, and can be removed.
    kernel.apply(&config.plan_removal(&kernel.snapshot()).unwrap());
    assert!(!kernel.has("br0") && !kernel.has("vx0"));
}

#[test]
fn bridge_that_is_not_there_is_refused() {
    let error = BridgeConfig::observe(&Kernel::new(&["br0"]).snapshot(), "br0").unwrap_err();
    assert_eq!(error.to_string(), "observe leaf br0: there is no bridge br0");
}

#[test]
fn owner_is_read_from_the_stamp_of_the_bridge() {
    let config = small().owner("agent_1").vrf(VrfConfig::new("red", 1001));
    let kernel = made(&config);
    let observed = BridgeConfig::observe(&kernel.snapshot(), "br0").unwrap();
    assert_eq!(observed, config);
    assert_eq!(lines(&observed.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);
    // What is no stamp of this bridge names no owner.
    let mut kernel = made(&small());
    kernel.link("br0").alt_names =
        ["leaf.a.b.br0.br0", "leaf..br0.br0", "leaf.x.br1.br1"].map(Into::into).into();
    assert_eq!(BridgeConfig::observe(&kernel.snapshot(), "br0").unwrap().owner, "nl");
}

fn segment(id: u32, leaves: &BTreeSet<u8>) -> SegmentConfig {
    leaves.iter().fold(SegmentConfig::new(id), |segment, number| segment.leaf(leaf(*number)))
}

/// A leaf with segments and peers.
fn multihomed() -> BridgeConfig {
    let port = PortConfig::new("swp1").access(10).peers(segment(5003, &[2, 3].into()));
    BridgeConfig::new("br0")
        .own_nexthops(5001..=5006)
        .port(port)
        .port(PortConfig::new("swp2").access(10))
        .segment(segment(5001, &[2].into()))
        .segment(segment(5002, &[2, 4].into()))
        .vxlan(VxlanConfig::new("vx0").local(leaf(1)).map(10, 10010))
}

#[test]
fn segments_and_peers_are_read_back() {
    let mut observed = BridgeConfig::observe(&made(&multihomed()).snapshot(), "br0").unwrap();
    // The members of a group are in the order of their numbers.
    for segment in &mut observed.segments {
        segment.leaves.sort_unstable();
    }
    if let Some(peers) = &mut observed.ports[0].peers {
        peers.leaves.sort_unstable();
    }
    assert_eq!(observed, multihomed());
}

/// A nexthop that is in no group would be removed by a description, so none is read.
#[test]
fn nexthops_that_fit_into_no_description_are_left_out() {
    let mut kernel = made(&multihomed());
    kernel.add_nexthop(Nexthop::new(7000).via(leaf(9)).fdb());
    let observed = BridgeConfig::observe(&kernel.snapshot(), "br0").unwrap();
    assert_eq!((&observed.own_nexthops, observed.segments.len()), (&None, 0));
    assert!(observed.ports.iter().all(|port| port.peers.is_none()));
    assert_eq!(lines(&observed.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);
}

fn ip(text: &str) -> IpPrefix {
    text.parse().unwrap()
}

/// An interface of a VLAN, with one of the ways to have a gateway.
fn any_interface(vlan: u16) -> impl Strategy<Value = InterfaceConfig> {
    (0..4_u8, any::<bool>()).prop_map(move |(way, has_vrf)| {
        let interface = InterfaceConfig::new(format!("vlan{vlan}"), vlan);
        let interface = if has_vrf { interface.vrf("red") } else { interface };
        let net = |host: u8| IpPrefix::new([10, 0, u8::try_from(vlan).unwrap(), host].into(), 24).unwrap();
        match way {
            0 => interface,
            1 => interface.ip(net(1)),
            2 => interface.address(GATEWAY).ip(net(1)).ip(ip("2001:db8:10::1/64")),
            _ => interface.ip(net(2)).gateway(format!("gw{vlan}"), GATEWAY, [net(1)]),
        }
    })
}

/// The interface of an L3 VNI with its routers.
fn any_transit() -> impl Strategy<Value = InterfaceConfig> {
    let routers = prop::collection::btree_map(2..5_u8, prop::collection::btree_set(50..54_u8, 0..3), 0..3);
    (routers, any::<bool>()).prop_map(|(routers, has_vrf)| {
        let transit = InterfaceConfig::new("l3", 4000);
        let transit = if has_vrf { transit.vrf("red") } else { transit };
        routers.into_iter().fold(transit, |transit, (number, nets)| {
            let router = RouterConfig::new(leaf(number), MacAddr::new([2, 0, 0, 0, 2, number]));
            let nets = nets.into_iter().map(|net| IpPrefix::new([10, net, 0, 0].into(), 16).unwrap());
            transit.router(nets.fold(router, RouterConfig::route))
        })
    })
}

/// A leaf with everything that a description can have.
fn any_leaf() -> impl Strategy<Value = BridgeConfig> {
    let leaves = || prop::collection::btree_set(2..6_u8, 1..4);
    let segments = prop::collection::btree_map(5001..5006_u32, leaves(), 0..4);
    let routed = (any_interface(10), any_interface(20), any_transit());
    let kept = any::<[bool; 5]>();
    (segments, prop::option::of(leaves()), routed, kept).prop_map(
        |(
            segments,
            peers,
            (ten, twenty, transit),
            [has_ten, has_twenty, has_transit, has_mac, is_suppressing],
        )| {
            let mut port = PortConfig::new("swp1").access(10).neigh_suppress(is_suppressing);
            let mut config = BridgeConfig::new("br0").own_nexthops(5001..=5099);
            if let Some(peers) = peers {
                port = port.peers(segment(5010, &peers));
            }
            if has_mac {
                config = config.address(MacAddr::new([2, 0, 0, 0, 0, 1]));
            }
            config = config.vrf(VrfConfig::new("red", 1001));
            let interfaces = [(has_ten, ten), (has_twenty, twenty), (has_transit, transit)];
            let interfaces = interfaces.into_iter().filter(|(is, _)| *is).map(|(_, interface)| interface);
            config = interfaces.fold(config, BridgeConfig::interface);
            config =
                segments.iter().fold(config, |config, (id, leaves)| config.segment(segment(*id, leaves)));
            let vxlan = VxlanConfig::new("vx0").local(leaf(1)).map(10, 10010).map(20, 10020);
            config
                .port(port)
                .port(PortConfig::new("swp2").trunk(20))
                .vxlan(vxlan.flood(leaf(2)).map(4000, 4000))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// What is observed describes what is there: nothing differs, also after it was written to a file and read again.
    #[test]
    fn any_leaf_with_tenants_and_segments_is_observed_as_it_is(config in any_leaf()) {
        let kernel = made(&config);
        let snapshot = kernel.snapshot();
        let observed = BridgeConfig::observe(&snapshot, "br0").unwrap();
        prop_assert!(observed.check().is_ok(), "{:?}", observed.check());
        let plan = observed.plan(&snapshot).unwrap();
        prop_assert!(plan.is_empty(), "{plan}of {observed:?}");
        prop_assert_eq!(observed.segments.len(), config.segments.len());
        prop_assert_eq!(observed.ports[0].peers.is_some(), config.ports[0].peers.is_some());
        prop_assert_eq!(observed.interfaces.len(), config.interfaces.len());
        #[cfg(feature = "serde")]
        {
            let text = toml::to_string(&observed).unwrap();
            let read: BridgeConfig = toml::from_str(&text).unwrap();
            prop_assert_eq!(&read, &observed, "{}", text);
        }
    }
}

//! Whatever a leaf is, it becomes what is described, and nothing that stays is interrupted on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use nl_bridge::leaf::{BridgeConfig, InstanceConfig, PortConfig, VlanConfig, VniMap, VxlanConfig};
use nl_bridge::vlan::VlanFlags;
use nl_bridge::{StpState, VlanRange, VniRange};
use proptest::prelude::*;

use crate::kernel::Kernel;
use crate::leaf;

const PORTS: [&str; 3] = ["swp1", "swp2", "swp3"];
/// Few, so that descriptions have much in common.
const VLANS: std::ops::Range<u16> = 1..8;

fn one(vlan: u16) -> VlanRange {
    vlan.try_into().unwrap()
}

fn any_port(name: &'static str, mst: bool) -> impl Strategy<Value = PortConfig> {
    let vlans = prop::collection::btree_map(VLANS, (any::<bool>(), prop::option::of(any::<bool>())), 0..5);
    let options = (prop::option::of(VLANS), prop::option::of(any::<bool>()), prop::option::of(any::<bool>()));
    (vlans, options).prop_map(move |(vlans, (pvid, isolated, blocked))| {
        let mut port = PortConfig::new(name);
        port.isolated = isolated;
        for (vlan, (untagged, state)) in vlans {
            let mut config = VlanConfig::new(one(vlan));
            (config.pvid, config.untagged) = (pvid == Some(vlan), untagged);
            let state = state.filter(|_| !mst);
            config.state = state.map(|on| if on { StpState::Forwarding } else { StpState::Blocking });
            port.vlans.push(config);
        }
        match blocked.filter(|_| mst) {
            Some(true) => port.instance(1, StpState::Blocking),
            Some(false) => port.instance(1, StpState::Forwarding),
            None => port,
        }
    })
}

fn any_vxlan() -> impl Strategy<Value = VxlanConfig> {
    let map = (101..108_u32, prop::collection::btree_set(2..5_u8, 0..3));
    let maps = prop::collection::btree_map(VLANS, map, 0..6);
    (maps, prop::bool::weighted(0.9), prop::bool::weighted(0.9)).prop_map(|(maps, iana, filter)| {
        let mut vxlan = VxlanConfig::new("vx0").local(leaf(1)).vni_filter(filter);
        vxlan.port = if iana { 4789 } else { 8472 };
        let mut taken = BTreeSet::new();
        for (vlan, (vni, leaves)) in maps {
            if taken.insert(vni) {
                let map = VniMap::new(one(vlan), VniRange::new(vni, vni).unwrap());
                vxlan.maps.push(leaves.into_iter().fold(map, |map, number| map.flood(leaf(number))));
            }
        }
        vxlan
    })
}

fn any_config(mst: bool) -> impl Strategy<Value = BridgeConfig> {
    let ports = PORTS.map(|name| prop::option::of(any_port(name, mst)));
    let instances = prop::collection::btree_map(VLANS, 1..3_u16, 0..6);
    let own = prop::collection::btree_set(VLANS, 0..3);
    (ports, prop::option::weighted(0.8, any_vxlan()), instances, own, any::<bool>()).prop_map(
        move |(ports, vxlan, instances, own, exact)| {
            let mut config = BridgeConfig::new("br0");
            (config.is_exact, config.vxlan) = (exact, vxlan);
            config.vlans = own.into_iter().map(|vlan| VlanConfig::new(one(vlan))).collect();
            config.ports = ports.into_iter().flatten().collect();
            for msti in [1, 2].into_iter().filter(|_| mst) {
                let vlans = instances.iter().filter(|(_, of)| **of == msti).map(|(vlan, _)| one(*vlan));
                config.instances.push(InstanceConfig::new(msti, vlans.collect::<Vec<_>>()));
            }
            config
        },
    )
}

fn any_pair() -> impl Strategy<Value = (BridgeConfig, BridgeConfig)> {
    any::<bool>().prop_flat_map(|mst| (any_config(mst), any_config(mst)))
}

/// What frames depend on.
#[derive(Debug, PartialEq)]
struct Paths {
    members: BTreeSet<(String, u16, VlanFlags)>,
    maps: BTreeSet<(u16, u32)>,
    vnis: BTreeSet<u32>,
    flood: BTreeSet<(u32, IpAddr)>,
}

fn paths(kernel: &Kernel) -> Paths {
    let devs = PORTS.into_iter().chain(["br0", "vx0"]);
    let members = devs.flat_map(|dev| {
        kernel.members(dev).into_iter().map(move |(vlan, member)| (dev.to_owned(), vlan, member.flags))
    });
    let maps = kernel.members("vx0").into_iter().filter_map(|(vlan, member)| Some((vlan, member.vni?)));
    Paths {
        members: members.collect(),
        maps: maps.collect(),
        vnis: kernel.vnis("vx0"),
        flood: kernel.flooded(),
    }
}

/// What is in both.
fn common(one: &Paths, other: &Paths) -> Paths {
    Paths {
        members: one.members.intersection(&other.members).cloned().collect(),
        maps: one.maps.intersection(&other.maps).copied().collect(),
        vnis: one.vnis.intersection(&other.vnis).copied().collect(),
        flood: one.flood.intersection(&other.flood).copied().collect(),
    }
}

/// The states that a description names are there.
fn has_states(kernel: &Kernel, config: &BridgeConfig) -> bool {
    config.ports.iter().all(|port| {
        let members = kernel.members(&port.name);
        let own = port.vlans.iter().all(|vlans| {
            let is = members.get(&vlans.vid.first().get()).map(|member| member.state);
            vlans.state.is_none_or(|state| is == Some(state))
        });
        let of: BTreeMap<u16, u16> = config
            .instances
            .iter()
            .flat_map(|instance| instance.vlans.iter().map(move |row| (row.first().get(), instance.msti)))
            .collect();
        let in_instances = members.iter().all(|(vlan, member)| {
            let named = |msti: &u16| port.instances.iter().find(|named| named.msti == *msti);
            let Some(msti) = of.get(vlan) else {
                return of.is_empty() || member.state == StpState::Forwarding;
            };
            member.state == named(msti).map_or(StpState::Forwarding, |named| named.state)
        });
        own && in_instances
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_description_becomes_any_other(pair in any_pair()) {
        let (before, after) = pair;
        let mut kernel = Kernel::new(&PORTS);
        kernel.apply(&before.plan(&kernel.snapshot()).unwrap());
        prop_assert!(before.plan(&kernel.snapshot()).unwrap().is_empty());
        prop_assert!(has_states(&kernel, &before));

        let plan = after.plan(&kernel.snapshot()).unwrap();
        let start = paths(&kernel);
        let mut end = kernel.clone();
        end.apply(&plan);
        let second = after.plan(&end.snapshot()).unwrap();
        prop_assert!(second.is_empty(), "{second}");
        prop_assert!(has_states(&end, &after));

        // Nothing that stays is interrupted, unless the VXLAN device is recreated.
        let is_anew = plan.steps().iter().any(|step| step.to_string() == "delete link vx0");
        let stays = common(&start, &paths(&end));
        // Killed behind each step, it goes on from there.
        for (number, step) in plan.steps().iter().enumerate() {
            if !is_anew {
                let now = paths(&kernel);
                prop_assert_eq!(&common(&stays, &now), &stays, "before {}\n{}", step, plan);
            }
            let rest = after.plan(&kernel.snapshot()).unwrap();
            let mut killed = kernel.clone();
            killed.apply(&rest);
            prop_assert_eq!(paths(&killed), paths(&end), "after {} steps", number);
            prop_assert!(has_states(&killed, &after), "after {} steps", number);
            prop_assert!(after.plan(&killed.snapshot()).unwrap().is_empty());
            kernel.step(step);
        }
        prop_assert_eq!(&kernel, &end);

        let removal = after.plan_removal(&kernel.snapshot()).unwrap();
        kernel.apply(&removal);
        prop_assert_eq!(kernel.snapshot(), Kernel::new(&PORTS).snapshot());
    }

    #[test]
    fn any_leaf_is_observed_as_it_is(config in any::<bool>().prop_flat_map(any_config)) {
        let mut kernel = Kernel::new(&PORTS);
        kernel.apply(&config.plan(&kernel.snapshot()).unwrap());
        let observed = BridgeConfig::observe(&kernel.snapshot(), "br0").unwrap();
        prop_assert!(observed.check().is_ok(), "{:?}", observed.check());
        let plan = observed.plan(&kernel.snapshot()).unwrap();
        prop_assert!(plan.is_empty(), "{plan}");
    }
}

//! Random pairs of descriptions on a real kernel.

use std::collections::BTreeSet;

use nl_bridge::leaf::{
    BridgeConfig, InterfaceConfig, Leaf, PortConfig, RouterConfig, SegmentConfig, VlanConfig, VniMap,
    VrfConfig, VxlanConfig,
};
use nl_bridge::{StpState, VlanRange, VniRange};
use nl_core::{IpPrefix, MacAddr};
use nl_testkit::race::Dice;
use nl_testkit::{Lab, Node, Result, scaled};

use super::support::*;

/// How many pairs.
fn pairs() -> u32 {
    scaled(1_000, 50)
}

/// Descriptions that look random and are the same each time.
pub(super) struct Numbers(Dice);

impl Numbers {
    pub(super) const fn new(seed: u32) -> Self {
        Self(Dice::new(seed))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0.roll(limit)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn vlans(&mut self) -> BTreeSet<u16> {
        (1..8).filter(|_| self.one_in(2)).collect()
    }

    pub(super) fn config(&mut self) -> BridgeConfig {
        let mut config = BridgeConfig::new("br0");
        config.vlans = self.vlans().into_iter().map(|vlan| VlanConfig::new(one(vlan))).collect();
        for name in ["p1", "p2"] {
            if self.one_in(4) {
                continue;
            }
            let mut port = PortConfig::new(name);
            port.isolated = Some(self.one_in(2));
            let pvid = u16::try_from(self.below(12)).unwrap();
            for vlan in self.vlans() {
                let mut vlans = VlanConfig::new(one(vlan));
                (vlans.pvid, vlans.untagged) = (vlan == pvid, self.one_in(3));
                vlans.state = Some(if self.one_in(4) { StpState::Blocking } else { StpState::Forwarding });
                port.vlans.push(vlans);
            }
            config.ports.push(port);
        }
        if self.one_in(10) {
            return config;
        }
        let mut vxlan = VxlanConfig::new("vx0").local(other(1));
        vxlan.port = if self.one_in(20) { 8472 } else { 4789 };
        let mut taken = BTreeSet::new();
        for vlan in self.vlans() {
            let vni = 101 + u32::try_from(self.below(8)).unwrap();
            if !taken.insert(vni) {
                continue;
            }
            let mut map = VniMap::new(one(vlan), VniRange::new(vni, vni).unwrap());
            map.flood = (2..5).filter(|_| self.one_in(2)).map(other).collect();
            vxlan.maps.push(map);
        }
        config.vxlan = Some(vxlan);
        config
    }
}

/// Tenants with routers behind their L3 VNIs, and segments.
pub(super) fn tenants(numbers: &mut Numbers) -> BridgeConfig {
    let mut vxlan = VxlanConfig::new("vx0").local(other(1));
    let mut config = BridgeConfig::new("br0").address(MacAddr::new([2, 0, 0, 0, 1, 1]));
    for tenant in 0..2_u16 {
        if numbers.one_in(5) {
            continue;
        }
        let vlan = 100 * (tenant + 1) + u16::try_from(numbers.below(3)).unwrap();
        vxlan = vxlan.map(vlan, 4000 + u32::from(tenant));
        config = config.vrf(VrfConfig::new(format!("vrf{tenant}"), 1000 + u32::from(tenant)));
        let mut transit = InterfaceConfig::new(format!("l3{tenant}"), vlan);
        if tenant == 1 || numbers.one_in(2) {
            transit = transit.vrf(format!("vrf{tenant}"));
        }
        for leaf in 2..5_u8 {
            if numbers.one_in(2) {
                continue;
            }
            let mut router = RouterConfig::new(other(leaf), MacAddr::new([2, 0, 0, 0, 2, leaf]));
            for net in 50..54_u8 {
                if numbers.one_in(2) {
                    router = router.route(IpPrefix::new([10, net, 0, 0].into(), 16).unwrap());
                }
            }
            transit = transit.router(router);
        }
        config = config.interface(transit);
    }
    config = config.own_nexthops(5000..=5049);
    for id in 5001..5004 {
        if numbers.one_in(2) {
            continue;
        }
        let more = (3..6).filter(|_| numbers.one_in(2)).collect::<Vec<_>>();
        let segment = SegmentConfig::new(id).leaf(other(2));
        config = config.segment(more.into_iter().map(other).fold(segment, SegmentConfig::leaf));
    }
    config.vxlan(vxlan)
}

fn one(vlan: u16) -> VlanRange {
    vlan.try_into().unwrap()
}

/// What a step changes: each object is in a plan once.
pub(super) fn object(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        // A remote of a VNI.
        [_, "fdb", ..] => line.split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap_or_default(),
        // VLANs of a device come in one step and go in another one.
        [verb, "vlan", "dev", dev, ..] => format!("{verb} vlan {dev}"),
        _ => line.to_owned(),
    }
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 300
)]
async fn random_pairs_of_descriptions_converge(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let mut numbers = Numbers::new(1);
    let mut steps = 0;
    for pair in 0..pairs() {
        let config = numbers.config();
        let plan = leaf
            .apply(&config)
            .await
            .unwrap_or_else(|error| unreachable!("pair {pair}: {error}\n{config:?}"));
        steps += plan.steps().len();
        let objects: BTreeSet<_> = lines(&plan).iter().map(|line| object(line)).collect();
        assert_eq!(objects.len(), plan.steps().len(), "pair {pair}:\n{plan}");
        let second = leaf.apply(&config).await?;
        assert!(second.is_empty(), "pair {pair}:\n{second}\nbehind\n{plan}");
    }
    assert!(steps > 5 * usize::try_from(pairs())?, "{steps}");
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", link = "vrf", tool = "bridge"),
    timeout = 300
)]
async fn random_pairs_of_tenants_converge(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let mut numbers = Numbers::new(2);
    for pair in 0..pairs() / 5 {
        let config = tenants(&mut numbers);
        let plan = leaf
            .apply(&config)
            .await
            .unwrap_or_else(|error| unreachable!("pair {pair}: {error}\n{config:?}"));
        let objects: BTreeSet<_> = lines(&plan).iter().map(|line| object(line)).collect();
        assert_eq!(objects.len(), plan.steps().len(), "pair {pair}:\n{plan}");
        let second = leaf.apply(&config).await?;
        assert!(second.is_empty(), "pair {pair}:\n{second}\nbehind\n{plan}");
        // A device that is replaced has the last index.
        let mut interfaces = leaf.observe("br0").await?.interfaces;
        interfaces.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(interfaces, config.interfaces, "pair {pair}, behind\n{plan}");
    }
    Ok(())
}

/// The leaf as it is read back, and the VLANs and VNIs of its ports as iproute2 shows them.
async fn state(node: &Node, leaf: &Leaf) -> Result<(BridgeConfig, Vec<String>)> {
    let mut observed = leaf.observe("br0").await?;
    // A device that is replaced has the last index.
    observed.interfaces.sort_by(|one, other| one.name.cmp(&other.name));
    // Which number the nexthop of a leaf has depends on those that were free.
    observed.own_nexthops = None;
    observed.segments.iter_mut().for_each(|segment| segment.leaves.sort_unstable());
    Ok((observed, shown_all(node).await))
}

/// Carries out one step more each time before the process is as if killed, until all of them are; then applies.
async fn killed_behind_each_step(
    node: &Node,
    leaf: &Leaf,
    before: &BridgeConfig,
    after: &BridgeConfig,
) -> Result<usize> {
    leaf.apply(before).await?;
    leaf.apply(after).await?;
    let expected = state(node, leaf).await?;
    let mut killed = 0;
    loop {
        leaf.apply(before).await?;
        let plan = leaf.plan(after).await?;
        if killed >= plan.steps().len() {
            return Ok(killed);
        }
        for step in plan.steps().iter().take(killed) {
            take(leaf.connection(), step).await;
        }
        let of = || format!("killed behind {killed} steps of\n{plan}{before:?}\n{after:?}");
        let rest = leaf.apply(after).await.unwrap_or_else(|error| unreachable!("{error}, {}", of()));
        assert!(rest.steps().len() <= plan.steps().len(), "{rest}{}", of());
        assert_eq!(state(node, leaf).await?, expected, "{}", of());
        assert_eq!(lines(&leaf.apply(after).await?), [] as [&str; 0], "{}", of());
        killed += 1;
    }
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", link = "vrf", tool = "bridge"),
    timeout = 300
)]
async fn random_pairs_that_are_killed_behind_each_step_converge(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let mut numbers = Numbers::new(3);
    let (pairs, mut kills) = (scaled(30, 3), 0);
    for pair in 0..pairs {
        let next = |numbers: &mut Numbers| if pair % 3 == 2 { tenants(numbers) } else { numbers.config() };
        let (before, after) = (next(&mut numbers), next(&mut numbers));
        kills += killed_behind_each_step(&node, &leaf, &before, &after).await?;
    }
    assert!(kills > 5 * usize::try_from(pairs)?, "{kills} of {pairs}");
    Ok(())
}

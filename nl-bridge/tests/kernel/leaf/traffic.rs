//! What frames really do.

use std::time::Duration;

use nl_bridge::leaf::{BridgeConfig, Leaf, PortConfig, VxlanConfig};
use nl_testkit::{Capture, EthFrame, Lab, Node, Result};

use super::support::*;

const SOON: Duration = Duration::from_secs(10);

/// A frame to everybody in a VLAN, with a number to know it by.
fn frame(vlan: u16, number: u16) -> EthFrame {
    let [high, low] = number.to_be_bytes();
    let payload: Vec<u8> = [high, low].into_iter().chain([0; 44]).collect();
    EthFrame::new([2, 0, 0, 0, 9, 9], [0xff; 6], EthFrame::TEST, &payload).vlan(vlan)
}

/// VLAN and number, if it is one of ours.
fn read(frame: &EthFrame) -> Option<(u16, u16)> {
    let (high, low) = (frame.payload.first()?, frame.payload.get(1)?);
    let number = u16::from_be_bytes([*high, *low]);
    (frame.ethertype == EthFrame::TEST).then_some((frame.vlan.unwrap_or(0), number))
}

/// The frames up to the one with this number.
async fn until(capture: &mut Capture, last: u16) -> Vec<(u16, u16)> {
    let mut seen = Vec::new();
    loop {
        let frame =
            capture.next(SOON).await.unwrap().unwrap_or_else(|| unreachable!("no {last} behind {seen:?}"));
        let Some(found) = read(&frame) else { continue };
        seen.push(found);
        if found.1 == last {
            return seen;
        }
    }
}

/// The description of a leaf whose port `p1` carries all VLANs with a tag.
fn trunk(node: &Node, others: &[&Node], maps: &[(u16, u32)]) -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(node.ipv4().into());
    let vxlan = maps.iter().fold(vxlan, |vxlan, (vlan, vni)| vxlan.map(*vlan, *vni));
    let vxlan = others.iter().fold(vxlan, |vxlan, other| vxlan.flood(other.ipv4().into()));
    BridgeConfig::new("br0").port(PortConfig::new("p1").trunk(1..=100)).vxlan(vxlan)
}

async fn two_leaves(lab: &Lab, maps: &[(u16, u32)]) -> Result<([Node; 2], [Leaf; 2])> {
    lab.quiet();
    let [a, b] = lab.wire("a", "b").await?;
    let mut leaves = Vec::new();
    for (node, other) in [(&a, &b), (&b, &a)] {
        add_ports(node).await?;
        let leaf = leaf_of(node).await;
        leaf.apply(&trunk(node, &[other], maps)).await?;
        leaves.push(leaf);
    }
    let [first, second] = leaves.try_into().unwrap();
    Ok(([a, b], [first, second]))
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 90
)]
async fn frames_arrive_in_their_vlan_and_in_no_other(lab: Lab) -> Result {
    let ([a, b], _) = two_leaves(&lab, &[(10, 10010), (20, 10020)]).await?;
    let mut host = b.capture("h1").await?;
    for (vlan, number) in [(10, 1), (11, 2), (20, 3)] {
        a.send_frame("h1", &frame(vlan, number).to_bytes()).await?;
    }
    assert_eq!(until(&mut host, 3).await, [(10, 1), (20, 3)]);
    Ok(())
}

/// The VLANs of two leaves need not be the same: the VNI counts.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 90
)]
async fn vni_joins_vlans_of_different_numbers(lab: Lab) -> Result {
    let ([a, b], [_, second]) = two_leaves(&lab, &[(10, 10010), (20, 10020)]).await?;
    second.apply(&trunk(&b, &[&a], &[(20, 10010), (10, 10020)])).await?;
    let mut host = b.capture("h1").await?;
    for (vlan, number) in [(10, 1), (20, 2)] {
        a.send_frame("h1", &frame(vlan, number).to_bytes()).await?;
    }
    assert_eq!(until(&mut host, 2).await, [(20, 1), (10, 2)]);
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 120
)]
async fn frames_of_what_stays_arrive_after_every_step(lab: Lab) -> Result {
    let ([a, b], [first, _]) = two_leaves(&lab, &[(10, 10010), (20, 10020)]).await?;
    let mut host = b.capture("h1").await?;
    let with = |maps: &[(u16, u32)]| trunk(&a, &[&b], maps);
    let mut isolated = with(&[(10, 10010), (30, 10020)]);
    isolated.ports.push(PortConfig::new("p2").trunk(1..=50).isolated(true));
    let mut flooded = with(&[(10, 10010), (20, 10030), (30, 10020)]);
    flooded.vxlan = flooded.vxlan.map(|vxlan| vxlan.flood(other(77)));
    let descriptions = [
        with(&[(10, 10010)]),
        with(&[(5, 10005), (10, 10010), (20, 10020)]),
        with(&[(5, 10020), (10, 10010), (20, 10005)]),
        isolated,
        flooded,
        with(&[(10, 10010), (20, 10020)]).mtu(1400),
    ];
    let mut number = 0;
    for config in descriptions.iter().cycle().take(3 * descriptions.len()) {
        let plan = first.plan(config).await?;
        assert!(!plan.is_empty(), "{config:?}");
        for step in plan.steps() {
            take(first.connection(), step).await;
            number += 1;
            a.send_frame("h1", &frame(10, number).to_bytes()).await?;
            assert_eq!(until(&mut host, number).await, [(10, number)], "{step} of\n{plan}");
        }
        assert!(first.plan(config).await?.is_empty());
    }
    assert!(number > 60, "{number}");
    Ok(())
}

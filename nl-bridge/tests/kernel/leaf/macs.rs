//! MAC addresses behind other leaves, beside a description.

use std::collections::BTreeSet;

use nl_bridge::fdb::Fdb;
use nl_bridge::leaf::{BridgeConfig, VxlanConfig};
use nl_core::MacAddr;
use nl_testkit::{Lab, Node, Result};

use super::support::*;

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 7]);

fn with(maps: &[(u16, u32)]) -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(other(1));
    BridgeConfig::new("br0").vxlan(maps.iter().fold(vxlan, |vxlan, (vlan, vni)| vxlan.map(*vlan, *vni)))
}

/// The VLANs in which the bridge has the address, and the VNIs in which the VXLAN device has it, as iproute2 shows them.
async fn shown(node: &Node, mac: MacAddr) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let shown = node.json("bridge -j fdb show dev vx0").await;
    let of_mac = || shown.as_array().unwrap().iter().filter(|entry| entry["mac"] == mac.to_string());
    let vlans =
        of_mac().filter(|entry| entry.get("dst").is_none()).filter_map(|entry| entry["vlan"].as_u64());
    (vlans.collect(), of_mac().filter_map(|entry| entry["src_vni"].as_u64()).collect())
}

/// Addresses of a control plane outlive their VLAN on the port, and would be there for the next VNI of that VLAN.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn addresses_in_a_vlan_that_loses_its_vni_are_flushed(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let fdb = Fdb::new(leaf.connection().clone());
    let put = async |vlan: u16, vni: u32| {
        fdb.remote_mac(MAC, "vx0").vlan(vlan).src_vni(vni).dst(other(2)).replace().await.unwrap();
    };
    leaf.apply(&with(&[(10, 10010), (20, 10020)])).await?;
    put(10, 10010).await;
    put(20, 10020).await;
    assert_eq!(shown(&node, MAC).await, ([10, 20].into(), [10010, 10020].into()));

    // The VNI moves to another VLAN. What the VXLAN device knows belongs to the VNI, and stays with it.
    let steps = lines(&leaf.apply(&with(&[(11, 10010), (20, 10020)])).await?);
    let flush = "flush fdb dev br0 brport vx0 vlan 10 extern_learn".to_owned();
    assert!(steps.contains(&flush), "{steps:#?}");
    assert_eq!(shown(&node, MAC).await, ([20].into(), [10010, 10020].into()));
    put(11, 10010).await;
    assert_eq!(lines(&leaf.apply(&with(&[(11, 10010), (20, 10020)])).await?), [] as [&str; 0]);

    // Somebody takes the VLAN from the port.
    node.bridge("vlan del dev vx0 vid 11").await;
    let left = shown(&node, MAC).await.0;
    assert_eq!(left, [11, 20].into(), "the kernel keeps what a control plane put there");
    leaf.apply(&with(&[(20, 10020)])).await?;
    assert_eq!(shown(&node, MAC).await.0, [20].into());
    Ok(())
}

/// On one VXLAN device an address is in two VNIs, behind different leaves.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn same_address_in_two_vnis_is_two_entries(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let fdb = Fdb::new(leaf.connection().clone());
    let config = with(&[(10, 10010), (20, 10020)]);
    leaf.apply(&config).await?;
    for (vlan, vni, number) in [(10, 10010, 2), (20, 10020, 3)] {
        fdb.remote_mac(MAC, "vx0").vlan(vlan).src_vni(vni).dst(other(number)).replace().await?;
    }
    let shown_leaves = async || {
        let shown = node.json("bridge -j fdb show dev vx0").await;
        let entries = shown.as_array().unwrap().iter().filter(|entry| entry["mac"] == MAC.to_string());
        let leaves: BTreeSet<(u64, String)> = entries
            .filter_map(|entry| Some((entry["src_vni"].as_u64()?, entry["dst"].as_str()?.to_owned())))
            .collect();
        leaves
    };
    let both = [(10010, "192.0.2.2".to_owned()), (10020, "192.0.2.3".to_owned())];
    assert_eq!(shown_leaves().await, both.clone().into());
    // Neither a plan nor the removal from the other VNI touches it.
    assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);
    fdb.remote_mac(MAC, "vx0").vlan(20).src_vni(10020).dst(other(3)).delete().await?;
    assert_eq!(shown_leaves().await, [both[0].clone()].into());
    assert_eq!(shown(&node, MAC).await, ([10].into(), [10010].into()));
    Ok(())
}

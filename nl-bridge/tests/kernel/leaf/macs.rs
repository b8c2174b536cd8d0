//! MAC addresses behind other leaves, beside a description.

use std::collections::BTreeSet;

use nl_bridge::fdb::Fdb;
use nl_bridge::leaf::{
    BridgeConfig, Leaf, LeafMac, MacChange, PortConfig, SegmentConfig, VniDevice, VxlanConfig,
};
use nl_core::MacAddr;
use nl_testkit::{EthFrame, Lab, Node, Result, eventually, scaled};

use super::support::*;
use crate::support::SOON;

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 7]);

fn with(maps: &[(u16, u32)]) -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(other(1));
    BridgeConfig::new("br0").vxlan(maps.iter().fold(vxlan, |vxlan, (vlan, vni)| vxlan.map(*vlan, *vni)))
}

/// The VLANs in which the bridge has the address, and the VNIs in which the VXLAN device has it, as iproute2 shows them.
async fn shown(node: &Node, mac: MacAddr) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let shown = node.json("bridge -j fdb show dev vx0").await;
    let of_mac = || shown.as_array().unwrap().iter().filter(|entry| entry["mac"] == mac.to_string());
    // The bridge's entry is in one VLAN: one without a VLAN would be in all of them.
    let bridge = of_mac().filter(|entry| entry.get("dst").is_none() && entry.get("nhid").is_none());
    let vlans = bridge.map(|entry| entry["vlan"].as_u64().unwrap_or(0));
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
    // With its VLAN the VNI goes, and what the VXLAN device knows of it.
    leaf.apply(&with(&[(20, 10020)])).await?;
    assert_eq!(shown(&node, MAC).await, ([20].into(), [10020].into()));
    assert_eq!(lines(&leaf.apply(&with(&[(20, 10020)])).await?), [] as [&str; 0]);
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

/// Numbered addresses behind three leaves, spread over the VNIs of 64 VLANs.
fn numbered(count: u32) -> impl Iterator<Item = LeafMac> {
    (0..count).map(|number| {
        let [_, a, b, c] = number.to_be_bytes();
        let leaf = other(u8::try_from(2 + number % 3).unwrap());
        LeafMac::new(MacAddr::new([2, 1, 0, a, b, c]), 10_001 + number % 64, leaf)
    })
}

async fn leaf_of_64(node: &Node) -> Result<(Leaf, BridgeConfig)> {
    let leaf = leaf_of(node).await;
    let config =
        BridgeConfig::new("br0").vxlan(VxlanConfig::new("vx0").local(other(1)).map(1..=64, 10_001..=10_064));
    leaf.apply(&config).await?;
    Ok((leaf, config))
}

/// How many entries the VXLAN device has for addresses, and how many the bridge has.
async fn counted(node: &Node) -> (usize, usize) {
    let shown = node.json("bridge -j fdb show dev vx0").await;
    let learned =
        shown.as_array().unwrap().iter().filter(|entry| entry["mac"].as_str().unwrap().starts_with("02:01"));
    let (device, bridge): (Vec<_>, Vec<_>) = learned.partition(|entry| entry.get("src_vni").is_some());
    (device.len(), bridge.len())
}

/// At the start, 1,000 changes, and what an earlier run left behind.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 120
)]
async fn addresses_are_synchronised_changed_and_taken_over(lab: Lab) -> Result {
    let count = scaled(10_000, 1_250);
    let all = usize::try_from(count)?;
    let node = host(&lab, "a").await?;
    let (leaf, config) = leaf_of_64(&node).await?;
    let macs = leaf.macs(&config)?;
    let summary = macs.sync(numbered(count)).await?;
    assert_eq!((summary.written, summary.deleted), (all, 0));
    assert_eq!(counted(&node).await, (all, all));
    let mut listed = macs.list().await?;
    listed.sort_unstable();
    let mut expected: Vec<_> = numbered(count).collect();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    // Twice is silent, and the description does not touch them.
    let summary = macs.sync(numbered(count)).await?;
    assert_eq!((summary.written, summary.deleted), (0, 0));
    assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);

    // Half of 1,000 move to another leaf, half of them go; one that is gone already is no error.
    let moved = |it: LeafMac| MacChange::Replace(LeafMac::new(it.mac, it.vni, other(9)));
    let gone = |it: LeafMac| MacChange::Delete { mac: it.mac, vni: it.vni };
    let changes: Vec<MacChange> =
        numbered(500).map(moved).chain(numbered(1000).skip(500).map(gone)).collect();
    let summary = macs.change(changes.clone()).await?;
    assert_eq!((summary.written, summary.deleted), (500, 500));
    macs.change(changes).await?;
    assert_eq!(counted(&node).await, (all - 500, all - 500));

    // A later run wants others: it takes over what is there.
    node.bridge("fdb del 02:01:00:00:03:e8 dev vx0 master vlan 41").await;
    let macs = leaf_of(&node).await.macs(&config)?;
    let summary = macs.sync(numbered(count).skip(250)).await?;
    // 250 are behind another leaf, 500 are missing, and of one the bridge's entry.
    assert_eq!((summary.written, summary.deleted), (751, 250));
    assert_eq!(counted(&node).await, (all - 250, all - 250));
    let summary = macs.sync([]).await?;
    assert_eq!((summary.written, summary.deleted), (0, all - 250));
    assert_eq!(counted(&node).await, (0, 0));
    Ok(())
}

/// From public reports: a host comes from behind another leaf to a port of this one, and then the other leaf withdraws its address.
/// The entry of the port stays.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn host_that_came_to_a_port_is_left_when_the_other_leaf_withdraws_it(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let config = with(&[(10, 10010)]).port(PortConfig::new("p1").access(10));
    leaf.apply(&config).await?;
    let macs = leaf.macs(&config)?;
    macs.change([MacChange::Replace(LeafMac::new(MAC, 10010, other(2)))]).await?;
    assert_eq!(shown(&node, MAC).await, ([10].into(), [10010].into()));

    node.send_frame("h1", &EthFrame::new(MAC.octets(), [0xff; 6], EthFrame::TEST, &[0; 46]).to_bytes())
        .await?;
    let at_port = async || {
        let shown = node.json("bridge -j fdb show dev p1").await;
        let is_it = |entry: &&serde_json::Value| entry["mac"] == MAC.to_string() && entry["vlan"] == 10;
        shown.as_array().unwrap().iter().find(is_it).map(|_| ())
    };
    eventually(SOON, async || at_port().await, "the host to be learned on the port").await;
    assert_eq!(shown(&node, MAC).await, ([].into(), [10010].into()));
    // By a change, and at the next start by what the control plane still knows.
    macs.change([MacChange::Delete { mac: MAC, vni: 10010 }]).await?;
    assert_eq!(shown(&node, MAC).await, ([].into(), [].into()));
    at_port().await.ok_or("the entry of the port is gone")?;
    let summary = macs.sync([]).await?;
    assert_eq!((summary.written, summary.deleted), (0, 0));
    at_port().await.ok_or("the entry of the port is gone")?;
    Ok(())
}

/// An operator's own entries under addresses that a control plane wants, or wants no longer, stay as they are.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn entries_of_others_are_left_when_addresses_are_synchronised(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let config = with(&[(10, 10010), (20, 10020)]);
    leaf.apply(&config).await?;
    let [first, second] = [8, 9].map(|number| MacAddr::new([2, 0, 0, 0, 0, number]));
    // Of the first address the bridge's entry is the operator's, of the second one that of the VXLAN device.
    node.bridge(&format!("fdb add {first} dev vx0 master static vlan 10")).await;
    node.bridge(&format!("fdb add {second} dev vx0 self static dst 192.0.2.50 src_vni 10010")).await;
    let by_hand = async || {
        let shown = node.json("bridge -j -d fdb show dev vx0").await;
        let rows = shown.as_array().unwrap().iter().filter(|row| {
            let is_one = row["mac"] == first.to_string() || row["mac"] == second.to_string();
            is_one && !row["flags"].as_array().is_some_and(|flags| flags.contains(&"extern_learn".into()))
        });
        let rows: Vec<_> =
            rows.map(|row| (row["mac"].clone(), row["vlan"].clone(), row["dst"].clone())).collect();
        rows
    };
    let before = by_hand().await;
    assert_eq!(before.len(), 2, "{before:?}");
    let macs = leaf.macs(&config)?;
    let wanted = [first, second].map(|mac| LeafMac::new(mac, 10010, other(2)));
    for written in [2, 0] {
        let summary = macs.sync(wanted).await?;
        assert_eq!((summary.written, summary.deleted, summary.foreign), (written, 0, 2));
        assert_eq!(by_hand().await, before);
        for mac in [first, second] {
            assert_eq!(shown(&node, mac).await, ([10].into(), [10010].into()));
        }
    }
    // They are not wanted any more: the control plane's own entries go, and nothing else.
    for deleted in [2, 0] {
        let summary = macs.sync([]).await?;
        assert_eq!((summary.written, summary.deleted, summary.foreign), (0, deleted, 0));
        assert_eq!(by_hand().await, before);
        assert_eq!(shown(&node, first).await, ([10].into(), [].into()));
        assert_eq!(shown(&node, second).await, ([].into(), [10010].into()));
    }
    Ok(())
}

/// The kernel changes no entry between a leaf and a segment.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn address_moves_between_a_leaf_and_a_segment(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let (leaf, config) = leaf_of_64(&node).await?;
    let config =
        config.own_nexthops(5000..=5009).segment(SegmentConfig::new(5001).leaf(other(2)).leaf(other(3)));
    leaf.apply(&config).await?;
    let macs = leaf.macs(&config)?;
    let behind = async || {
        let shown = node.json("bridge -j fdb show dev vx0").await;
        let of_mac = shown.as_array().unwrap().iter().filter(|entry| entry["mac"] == MAC.to_string());
        let device: Vec<_> = of_mac.filter(|entry| entry.get("src_vni").is_some()).collect();
        assert_eq!(device.len(), 1, "{shown:#}");
        device[0].get("nhid").unwrap_or(&device[0]["dst"]).to_string()
    };
    for (it, expected) in [
        (LeafMac::new(MAC, 10_001, other(2)), "\"192.0.2.2\""),
        (LeafMac::on_segment(MAC, 10_001, 5001), "5001"),
        (LeafMac::new(MAC, 10_001, other(3)), "\"192.0.2.3\""),
    ] {
        macs.change([MacChange::Replace(it)]).await?;
        assert_eq!(behind().await, expected);
        assert_eq!(macs.list().await?, [it]);
        let summary = macs.sync([it]).await?;
        assert_eq!((summary.written, summary.deleted), (0, 0));
    }
    Ok(())
}

/// The VLANs in which the bridge has an address behind a device, 0 for none, and where the device has it, as iproute2 shows them.
async fn shown_on(node: &Node, dev: &str, mac: MacAddr) -> (BTreeSet<u64>, BTreeSet<String>) {
    let shown = node.json(&format!("bridge -j fdb show dev {dev}")).await;
    let of_mac = shown.as_array().unwrap().iter().filter(|entry| entry["mac"] == mac.to_string());
    let (device, bridge): (Vec<_>, Vec<_>) = of_mac.partition(|entry| entry.get("dst").is_some());
    let vlans = bridge.iter().map(|entry| entry["vlan"].as_u64().unwrap_or(0));
    (vlans.collect(), device.iter().map(|entry| entry["dst"].as_str().unwrap().to_owned()).collect())
}

/// A bridge and a VXLAN device for each VNI, made by others: without VLANs, and with the VLAN that a bridge gives its ports.
#[nl_testkit::test(needs(link = "vxlan", link = "bridge", tool = "bridge", tool = "ip"), timeout = 60)]
async fn addresses_on_a_device_for_each_vni_are_synchronised_changed_and_taken_over(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    for (number, options) in [(10, " vlan_default_pvid 0"), (20, "")] {
        for line in [
            format!("link add br{number} up type bridge{options}"),
            format!("link add vx{number} type vxlan id 100{number} nolearning dstport 4789"),
            format!("link set vx{number} master br{number}"),
            format!("link set vx{number} up"),
        ] {
            node.ip(&line).await;
        }
    }
    let devices = || [VniDevice::new("vx10", 10010), VniDevice::new("vx20", 10020)];
    let macs = leaf_of(&node).await.macs_on(devices())?;
    let all = [(10010, 2), (10020, 3)].map(|(vni, behind)| LeafMac::new(MAC, vni, other(behind)));
    for written in [2, 0] {
        let summary = macs.sync(all).await?;
        assert_eq!((summary.written, summary.deleted, summary.foreign), (written, 0, 0));
        for (dev, behind) in [("vx10", "192.0.2.2"), ("vx20", "192.0.2.3")] {
            let (vlans, leaves) = shown_on(&node, dev, MAC).await;
            // Beside it the default VLAN, where the kernel has VLANs.
            assert!(vlans.contains(&0) && vlans.iter().all(|vlan| *vlan <= 1), "{vlans:?}");
            assert_eq!(leaves, [behind.to_owned()].into());
        }
    }
    let mut listed = macs.list().await?;
    listed.sort_unstable();
    assert_eq!(listed, all);

    // One moves, the other one goes; that is no error when it is gone already.
    let changes =
        [MacChange::Replace(LeafMac::new(MAC, 10010, other(9))), MacChange::Delete { mac: MAC, vni: 10020 }];
    for _ in 0..2 {
        let summary = macs.change(changes).await?;
        assert_eq!((summary.written, summary.deleted), (1, 1));
        assert_eq!(shown_on(&node, "vx10", MAC).await.1, ["192.0.2.9".to_owned()].into());
        assert_eq!(shown_on(&node, "vx20", MAC).await, ([].into(), [].into()));
    }
    // A later run wants none of them.
    let summary = leaf_of(&node).await.macs_on(devices())?.sync([]).await?;
    assert_eq!((summary.written, summary.deleted), (0, 1));
    assert_eq!(shown_on(&node, "vx10", MAC).await, ([].into(), [].into()));
    // A device with another VNI is not touched.
    let wrong = leaf_of(&node).await.macs_on([VniDevice::new("vx10", 10020)])?;
    let error = wrong.sync([LeafMac::new(MAC, 10020, other(2))]).await.unwrap_err().to_string();
    assert_eq!(error, "macs on vx10: vx10 has vni 10010, not 10020");
    Ok(())
}

use std::collections::BTreeMap;

use nl_bridge::mst::MstEntry;
use nl_bridge::tunnel::{TunnelEntry, Tunnels};
use nl_bridge::vlan_db::{VlanDb, VlanDbEntry, VlanDbGlobal};
use nl_bridge::vni::VniEntry;
use nl_core::{Connection, Protocol};
use nl_testkit::{EthFrame, Lab, Node, Result};
use serde_json::Value;

pub(super) async fn route(node: &Node) -> Connection {
    node.open(|| Connection::open(Protocol::Route)).await.unwrap()
}

/// A node with the bridge `br0`, which filters VLANs and puts nothing into one by itself, and its ports `p1` and `p2`, whose other
/// ends are `h1` and `h2` in the same node.
pub(super) async fn switch(lab: &Lab, name: &str) -> Result<Node> {
    let node = lab.node(name).await?;
    add_switch(&node).await?;
    Ok(node)
}

pub(super) async fn add_switch(node: &Node) -> Result {
    node.ip("link add br0 up type bridge vlan_filtering 1 vlan_default_pvid 0").await;
    for number in [1, 2] {
        node.ip(&format!("link add p{number} type veth peer name h{number}")).await;
        node.ip(&format!("link set h{number} up")).await;
        node.ip(&format!("link set p{number} master br0 up")).await;
    }
    for name in ["p1", "p2", "h1", "h2"] {
        node.wait_carrier(name).await?;
    }
    Ok(())
}

/// [`switch`] with the VXLAN device `vx0` in metadata mode as a port, in the VLANs 10 to 39, and `vf0` with a VNI filter beside it.
pub(super) async fn tunnels(lab: &Lab) -> Result<Node> {
    let node = switch(lab, "a").await?;
    for line in [
        "link add vx0 type vxlan external dstport 4789",
        "link set vx0 master br0 up",
        "link add vf0 type vxlan external vnifilter dstport 4790",
        "link set vf0 up",
    ] {
        node.ip(line).await;
    }
    node.bridge("link set dev vx0 vlan_tunnel on").await;
    node.bridge("vlan add dev vx0 vid 10-39").await;
    Ok(node)
}

/// Each VLAN of the port with its VNI.
pub(super) async fn mapped(conn: &Connection, port: &str) -> Vec<(u16, u32)> {
    let list = Tunnels::new(conn.clone()).entries().dev(port).list().await.unwrap();
    list.collect_all().await.unwrap().iter().flat_map(TunnelEntry::pairs).collect()
}

/// The same as iproute2 shows it.
pub(super) async fn tunnelshow(node: &Node, port: &str) -> Vec<(u16, u32)> {
    let shown = node.json(&format!("bridge -j vlan tunnelshow dev {port}")).await;
    let mut pairs = Vec::new();
    for device in shown.as_array().unwrap() {
        for entry in device["tunnels"].as_array().unwrap() {
            let number = |key: &str, or: u64| entry[key].as_u64().unwrap_or(or);
            let (vlan, vni) = (number("vlan", 0), number("tunid", 0));
            let (last, last_vni) = (number("vlanEnd", vlan), number("tunidEnd", vni));
            assert_eq!(last - vlan, last_vni - vni, "{entry}");
            pairs.extend(
                (vlan..=last)
                    .zip(vni..)
                    .map(|(vlan, vni)| (u16::try_from(vlan).unwrap(), u32::try_from(vni).unwrap())),
            );
        }
    }
    pairs
}

/// What is listed of a device, without what changes by itself.
pub(super) async fn vlans(conn: &Connection, dev: &str) -> BTreeMap<u16, VlanDbEntry> {
    let entries = VlanDb::new(conn.clone()).entries().dev(dev).list().await.unwrap();
    let entries = entries.collect_all().await.unwrap();
    let mut out = BTreeMap::new();
    for mut entry in entries {
        assert!(entry.vlans.is_single(), "{entry}");
        (entry.stats, entry.mcast_n_groups) = (None, None);
        assert!(out.insert(entry.vlans.first().get(), entry).is_none());
    }
    out
}

pub(super) async fn globals(conn: &Connection) -> Vec<VlanDbGlobal> {
    let list = VlanDb::new(conn.clone()).globals().bridge("br0").list().await.unwrap();
    let mut globals = list.collect_all().await.unwrap();
    for global in &mut globals {
        global.querier_state = None;
        global.router_ports.clear();
    }
    globals
}

pub(super) async fn vnis(conn: &Connection, dev: &str) -> Vec<VniEntry> {
    let list = nl_bridge::vni::Vnis::new(conn.clone()).entries().dev(dev).list().await.unwrap();
    list.collect_all().await.unwrap()
}

pub(super) async fn mst(conn: &Connection, dev: &str) -> Vec<MstEntry> {
    let list = nl_bridge::mst::Mst::new(conn.clone()).entries().dev(dev).list().await.unwrap();
    list.collect_all().await.unwrap()
}

/// The flags of a VLAN as iproute2 shows them.
pub(super) async fn flags(node: &Node, dev: &str, vlan: u16) -> Value {
    let shown = node.json(&format!("bridge -j -d vlan show dev {dev}")).await;
    let devices = shown.as_array().unwrap();
    let mut of = devices.iter().flat_map(|device| device["vlans"].as_array().unwrap());
    let vlan = u64::from(vlan);
    let found = of.find(|entry| {
        let first = entry["vlan"].as_u64().unwrap();
        (first..=entry["vlanEnd"].as_u64().unwrap_or(first)).contains(&vlan)
    });
    found.map_or(Value::Null, |entry| entry.get("flags").cloned().unwrap_or_else(|| Value::Array(Vec::new())))
}

/// A frame to everybody in a VLAN, with a number to know it by.
pub(super) fn frame(vlan: u16, number: u8) -> EthFrame {
    EthFrame::new([2, 0, 0, 0, 9, 9], [0xff; 6], EthFrame::TEST, &[number; 46]).vlan(vlan)
}

/// Whether it is one of [`frame`]'s, and its number.
pub(super) fn number(frame: &EthFrame) -> Option<u8> {
    if frame.ethertype == EthFrame::TEST { frame.payload.first().copied() } else { None }
}

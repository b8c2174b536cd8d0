use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use nl_bridge::leaf::{BridgeConfig, Leaf, Plan, PortConfig, Step, VxlanConfig};
use nl_core::{Connection, Protocol};
use nl_testkit::{Lab, Node, Result};

pub(super) async fn route(node: &Node) -> Connection {
    node.open(|| Connection::open(Protocol::Route)).await.unwrap()
}

pub(super) async fn leaf_of(node: &Node) -> Leaf {
    Leaf::new(route(node).await)
}

/// A node with the devices `p1` and `p2`, which are up and ports of nothing; their other ends are `h1` and `h2` in the same node.
pub(super) async fn host(lab: &Lab, name: &str) -> Result<Node> {
    lab.quiet();
    let node = lab.node(name).await?;
    add_ports(&node).await?;
    Ok(node)
}

pub(super) async fn add_ports(node: &Node) -> Result {
    for number in [1, 2] {
        node.ip(&format!("link add p{number} type veth peer name h{number}")).await;
        node.ip(&format!("link set h{number} up")).await;
        node.ip(&format!("link set p{number} up")).await;
    }
    for name in ["p1", "p2", "h1", "h2"] {
        node.wait_carrier(name).await?;
    }
    Ok(())
}

/// The address of another leaf.
pub(super) fn other(number: u8) -> IpAddr {
    std::net::Ipv4Addr::new(192, 0, 2, number).into()
}

/// Two ports, three VLANs with VNIs, two other leaves.
pub(super) fn small() -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(other(1)).map(10, 10010).map(20..=21, 10020..=10021);
    BridgeConfig::new("br0")
        .vlans(10)
        .port(PortConfig::new("p1").access(10))
        .port(PortConfig::new("p2").trunk(10).trunk(20..=21))
        .vxlan(vxlan.flood(other(2)).flood(other(3)))
}

pub(super) fn lines(plan: &Plan) -> Vec<String> {
    plan.steps().iter().map(ToString::to_string).collect()
}

/// Carries one step out.
pub(super) async fn take(conn: &Connection, step: &Step) {
    let names = conn.link_names().await.unwrap();
    let indexes: HashMap<String, u32> = names.into_iter().map(|(index, name)| (name, index)).collect();
    let requests = step.requests(&|name| indexes.get(name).copied().unwrap_or(0));
    conn.batch(requests).summarize(1).await.unwrap().into_result().unwrap();
}

/// The VLANs of a device with their flags, as iproute2 shows them.
pub(super) async fn shown_vlans(node: &Node, dev: &str) -> Vec<(u64, Vec<String>)> {
    let shown = node.json(&format!("bridge -j vlan show dev {dev}")).await;
    let devices = shown.as_array().unwrap().iter().filter(|device| device["ifname"] == dev);
    let mut vlans = Vec::new();
    for entry in devices.flat_map(|device| device["vlans"].as_array().unwrap()) {
        let first = entry["vlan"].as_u64().unwrap();
        let flags = entry.get("flags").and_then(|flags| flags.as_array()).cloned().unwrap_or_default();
        let flags: Vec<String> = flags.iter().map(|flag| flag.as_str().unwrap().to_owned()).collect();
        vlans.extend((first..=entry["vlanEnd"].as_u64().unwrap_or(first)).map(|vlan| (vlan, flags.clone())));
    }
    vlans
}

/// The VNIs of `vx0` and the leaves that they are flooded to, as iproute2 shows them.
pub(super) async fn shown_flood(node: &Node) -> BTreeSet<(u64, String)> {
    let shown = node.json("bridge -j fdb show dev vx0").await;
    let entries = shown.as_array().unwrap().iter().filter(|entry| entry["mac"] == "00:00:00:00:00:00");
    entries
        .filter_map(|entry| Some((entry["src_vni"].as_u64()?, entry["dst"].as_str()?.to_owned())))
        .collect()
}

/// The names of the devices, sorted.
pub(super) async fn devices(node: &Node) -> Vec<String> {
    let mut devices = node.links().await.unwrap();
    devices.sort();
    devices
}

/// The VLANs of all devices, with their states and VNIs.
pub(super) async fn shown_all(node: &Node) -> Vec<String> {
    let mut all = Vec::new();
    for line in ["bridge -j -d vlan show", "bridge -j vlan tunnelshow"] {
        all.push(node.json(line).await.to_string());
    }
    all
}

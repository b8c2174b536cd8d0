//! A node with two networks and a bridge.

use nl_core::nexthop::{Nexthop, NexthopEntries, Nexthops};
use nl_core::{Connection, Protocol};
use nl_testkit::{Lab, Node, Result};
use serde_json::Value;

/// A node with `d0` (192.0.2.254/24, 2001:db8::fe/64), `d1` (192.0.3.254/24) and the bridge `br0`.
pub(super) async fn world(lab: &Lab) -> Result<(Node, Nexthops)> {
    let node = lab.node("a").await?;
    for line in [
        "link set lo up",
        "link add d0 type veth peer name p0",
        "link add d1 type veth peer name p1",
        "link add br0 type bridge",
        "link set d0 up",
        "link set p0 up",
        "link set d1 up",
        "link set p1 up",
        "link set br0 up",
        "address add 192.0.2.254/24 dev d0",
        "address add 192.0.3.254/24 dev d1",
        "address add 2001:db8::fe/64 dev d0 nodad",
    ] {
        node.ip(line).await;
    }
    let nexthops = Nexthops::new(node.open(|| Connection::open(Protocol::Route)).await?);
    Ok((node, nexthops))
}

/// The nexthops that `ip -j -d nexthop WORDS` prints.
pub(super) async fn shown(node: &Node, words: &str) -> Vec<Value> {
    node.json(&format!("ip -j -d nexthop {words}")).await.as_array().unwrap().clone()
}

pub(super) async fn collect(entries: NexthopEntries) -> Vec<Nexthop> {
    let list = entries.list().await.unwrap().collect_all().await.unwrap();
    list.into_iter().map(Nexthop::without_ages).collect()
}

pub(super) async fn ids(entries: NexthopEntries) -> Vec<u32> {
    collect(entries).await.iter().map(|hop| hop.id).collect()
}

//! A node with two networks, and routes as iproute2 prints them.

use nl_core::route::{Route, RouteEntries, Routes};
use nl_core::{Connection, Protocol};
use nl_testkit::{Lab, Node, Result};
use serde_json::Value;

/// A node with `d0` (192.0.2.254/24, 2001:db8::fe/64) and `d1` (192.0.3.254/24, 2001:db8:f::fe/64).
pub(super) async fn world(lab: &Lab) -> Result<(Node, Routes)> {
    let node = lab.node("a").await?;
    for line in [
        "link set lo up",
        "link add d0 type veth peer name p0",
        "link add d1 type veth peer name p1",
        "link set d0 up",
        "link set d1 up",
        "link set p0 up",
        "link set p1 up",
        "address add 192.0.2.254/24 dev d0",
        "address add 192.0.3.254/24 dev d1",
        "address add 2001:db8::fe/64 dev d0 nodad",
        "address add 2001:db8:f::fe/64 dev d1 nodad",
    ] {
        node.ip(line).await;
    }
    let routes = open(&node).await?;
    Ok((node, routes))
}

pub(super) async fn open(node: &Node) -> Result<Routes> {
    Ok(Routes::new(node.open(|| Connection::open(Protocol::Route)).await?))
}

/// The routes that `ip -j -d route show WORDS` prints.
pub(super) async fn shown(node: &Node, words: &str) -> Vec<Value> {
    node.json(&format!("ip -j -d {words}")).await.as_array().unwrap().clone()
}

/// The one route that iproute2 shows.
pub(super) async fn shown_the(node: &Node, words: &str) -> Value {
    let mut list = shown(node, words).await;
    assert_eq!(list.len(), 1, "{words}: {list:#?}");
    list.remove(0)
}

pub(super) async fn collect(entries: RouteEntries) -> Vec<Route> {
    entries.list().await.unwrap().collect_all().await.unwrap()
}

/// The one route of a list, without its ages.
pub(super) async fn the(entries: RouteEntries) -> Route {
    let mut list = collect(entries).await;
    assert_eq!(list.len(), 1, "{list:#?}");
    list.remove(0).without_ages()
}

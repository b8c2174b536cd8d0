use std::collections::BTreeSet;

use nl_core::nexthop::{Nexthop, NexthopWatch};
use nl_core::watch::Change;
use nl_testkit::{Lab, Node, Result};

use super::support::{compared, converge, field, shown, synced, texts, until};
use crate::support::route;

/// Until the watch has what a list has, and what iproute2 shows.
pub(super) async fn exact(watch: &mut NexthopWatch, node: &Node) {
    converge(watch, async |watch| difference(watch, node).await).await;
}

async fn difference(watch: &NexthopWatch, node: &Node) -> Option<String> {
    let mut fresh = NexthopWatch::open(&route(node).await).await.unwrap();
    synced(&mut fresh).await;
    let listed = compared(&texts(watch.entries()), &texts(fresh.entries()), "listed");
    let ours: BTreeSet<_> = watch.entries().map(|hop| format!("{} {}", hop.id, hop.group.len())).collect();
    let theirs = shown(node, "ip -j nexthop show").await;
    let theirs = theirs
        .iter()
        .map(|hop| format!("{} {}", field(hop, "id"), hop["group"].as_array().map_or(0, Vec::len)));
    listed.or(compared(&ours, &theirs.collect(), "iproute2 shows"))
}

/// The kernel removes nexthops of a device without an event.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn watch_of_nexthops_follows_them_until_their_device_is_down_or_gone(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    for device in ["0", "1"] {
        node.ip(&format!("link add d{device} type veth peer name p{device}")).await;
        node.ip(&format!("link set p{device} up")).await;
        node.ip(&format!("link set d{device} up")).await;
    }
    let mut watch = NexthopWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    let added = |id| move |change: &Change<Nexthop>| matches!(change, Change::Added(hop) if hop.id == id);
    let deleted = |id| move |change: &Change<Nexthop>| matches!(change, Change::Deleted(hop) if hop.id == id);
    for (id, words) in [(1, "dev d0"), (2, "dev d1"), (3, "blackhole"), (10, "group 1/2")] {
        node.ip(&format!("nexthop add id {id} {words}")).await;
        until(&mut watch, words, added(id)).await;
    }
    node.ip("nexthop replace id 10 group 1,3/2").await;
    until(&mut watch, "a weight", |change| matches!(change, Change::Changed { after, .. } if after.id == 10))
        .await;
    exact(&mut watch, &node).await;

    node.ip("link set d0 down").await;
    until(&mut watch, "1 to vanish", deleted(1)).await;
    synced(&mut watch).await;
    exact(&mut watch, &node).await;
    node.ip("link del d1").await;
    until(&mut watch, "2 to vanish", |change| matches!(change, Change::Deleted(_))).await;
    synced(&mut watch).await;
    exact(&mut watch, &node).await;
    node.ip("nexthop del id 3").await;
    until(&mut watch, "a deletion", deleted(3)).await;
    assert!(watch.is_empty());
    Ok(())
}

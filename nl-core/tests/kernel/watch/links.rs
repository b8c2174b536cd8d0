use std::collections::BTreeSet;

use nl_core::link::{Link, LinkWatch};
use nl_core::watch::Change;
use nl_testkit::{Lab, Node, Result};

use super::support::{compared, converge, field, shown, synced, texts, until};
use crate::support::route;

/// Until the watch has what a list has, and what iproute2 shows.
pub(super) async fn exact(watch: &mut LinkWatch, node: &Node) {
    converge(watch, async |watch| difference(watch, node).await).await;
}

async fn difference(watch: &LinkWatch, node: &Node) -> Option<String> {
    let mut fresh = LinkWatch::open(&route(node).await).await.unwrap();
    synced(&mut fresh).await;
    let listed = compared(&texts(watch.entries()), &texts(fresh.entries()), "listed");
    let ours: BTreeSet<_> = watch
        .entries()
        .map(|link| {
            let address = link.address.map(|address| address.to_string()).unwrap_or_default();
            format!("{} {} {} {} {address}", link.index, link.name, link.mtu, link.is_up())
        })
        .collect();
    let theirs = shown(node, "ip -j link show").await;
    let theirs = theirs.iter().map(|link| {
        let is_up = link["flags"].as_array().unwrap().iter().any(|flag| flag == "UP");
        let [index, name, mtu, address] = ["ifindex", "ifname", "mtu", "address"].map(|key| field(link, key));
        format!("{index} {name} {mtu} {is_up} {address}")
    });
    listed.or(compared(&ours, &theirs.collect(), "iproute2 shows"))
}

async fn changed(watch: &mut LinkWatch, what: &str, wanted: impl Fn(&Link) -> bool) {
    until(watch, what, |change| matches!(change, Change::Changed { after, .. } if wanted(after))).await;
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"))]
async fn watch_of_links_follows_devices_until_they_are_deleted(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add br0 type bridge").await;
    let mut watch = LinkWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    exact(&mut watch, &node).await;

    node.ip("link add d0 type veth peer name p0").await;
    // The first of them is reported later: its event does not have its peer yet.
    let mut names = Vec::new();
    while names.len() < 2 {
        let added = until(&mut watch, "a device", |change| matches!(change, Change::Added(_))).await;
        let Change::Added(link) = added else { unreachable!() };
        assert!(link.link.is_some(), "{link:?}");
        names.push(link.name.to_string());
    }
    names.sort();
    assert_eq!(names, ["d0", "p0"]);
    node.ip("link set d0 mtu 1400").await;
    changed(&mut watch, "the MTU", |link| link.name == *"d0" && link.mtu == 1400).await;
    node.ip("link set d0 name d1").await;
    changed(&mut watch, "the name", |link| link.name == *"d1").await;
    node.ip("link set d1 master br0").await;
    changed(&mut watch, "the port", |link| link.name == *"d1" && link.is_port_of("bridge")).await;
    node.ip("link set d1 up").await;
    node.ip("link set d1 nomaster").await;
    // About the port; the device is still there.
    changed(&mut watch, "no port", |link| link.name == *"d1" && link.master.is_none() && link.is_up()).await;
    exact(&mut watch, &node).await;

    node.ip("link del d1").await;
    for name in ["p0", "d1"] {
        until(&mut watch, name, |change| matches!(change, Change::Deleted(_))).await;
    }
    exact(&mut watch, &node).await;
    Ok(())
}

/// The kernel reports it only as a message of the family `AF_BRIDGE`.
#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip", tool = "bridge"))]
async fn watch_of_links_follows_the_state_of_a_port(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add br0 type bridge").await;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set d0 master br0").await;
    let mut watch = LinkWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    node.bridge("link set dev d0 cost 77").await;
    changed(&mut watch, "the cost", |link| link.name == *"d0").await;
    exact(&mut watch, &node).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn device_that_moves_to_another_namespace_is_deleted_here_and_added_there(lab: Lab) -> Result {
    let (node, other) = (lab.node("a").await?, lab.node("b").await?);
    node.ip("link add d0 type veth peer name p0").await;
    let mut here = LinkWatch::open(&route(&node).await).await?;
    let mut there = LinkWatch::open(&route(&other).await).await?;
    synced(&mut here).await;
    synced(&mut there).await;
    node.ip(&format!("link set p0 netns {}", other.tid())).await;
    until(&mut here, "p0 to leave", |change| matches!(change, Change::Deleted(link) if link.name == *"p0"))
        .await;
    until(&mut there, "p0 to come", |change| matches!(change, Change::Added(link) if link.name == *"p0"))
        .await;
    // Its peer is in another namespace now.
    node.ip("link set d0 up").await;
    changed(&mut here, "d0 up", |link| link.name == *"d0" && link.is_up()).await;
    exact(&mut here, &node).await;
    exact(&mut there, &other).await;
    Ok(())
}

use std::collections::BTreeSet;

use nl_core::neighbour::{Neighbour, NeighbourState, NeighbourWatch};
use nl_core::watch::Change;
use nl_testkit::{Lab, Node, Result};

use super::support::{compared, converge, field, shown, synced, texts, until};
use crate::support::route;

/// Until the watch has what a list has, and what iproute2 shows.
pub(super) async fn exact(watch: &mut NeighbourWatch, node: &Node) {
    converge(watch, async |watch| difference(watch, node).await).await;
}

async fn difference(watch: &NeighbourWatch, node: &Node) -> Option<String> {
    let conn = route(node).await;
    let mut fresh = NeighbourWatch::open(&conn).await.unwrap();
    synced(&mut fresh).await;
    let listed = compared(&texts(watch.entries()), &texts(fresh.entries()), "listed");
    let names = conn.link_names().await.unwrap();
    let ours: BTreeSet<_> = watch
        .entries()
        .map(|neighbour| {
            let lladdr = neighbour.lladdr.map(|lladdr| lladdr.to_string()).unwrap_or_default();
            let dev = names.get(&neighbour.index).cloned().unwrap_or_default();
            format!("{} {dev} {lladdr} {}", neighbour.dst, neighbour.state).to_uppercase()
        })
        .collect();
    let mut theirs = BTreeSet::new();
    for neighbour in shown(node, "ip -j neigh show").await {
        let states = neighbour["state"].as_array().cloned().unwrap_or_default();
        let states: Vec<_> = states.iter().filter_map(|state| state.as_str()).collect();
        let [dst, dev, lladdr] = ["dst", "dev", "lladdr"].map(|key| field(&neighbour, key));
        theirs.insert(format!("{dst} {dev} {lladdr} {}", states.join(",")).to_uppercase());
    }
    listed.or(compared(&ours, &theirs, "iproute2 shows"))
}

fn in_state(ip: &str, state: NeighbourState) -> impl Fn(&Change<Neighbour>) -> bool {
    move |change| match change {
        Change::Added(now) | Change::Changed { after: now, .. } => {
            now.dst.to_string() == ip && now.state == state
        }
        _ => false,
    }
}

fn deleted(ip: &str) -> impl Fn(&Change<Neighbour>) -> bool {
    move |change| matches!(change, Change::Deleted(neighbour) if neighbour.dst.to_string() == ip)
}

async fn world(lab: &Lab) -> Result<(Node, NeighbourWatch)> {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set p0 up").await;
    node.ip("link set d0 up").await;
    let mut watch = NeighbourWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    Ok((node, watch))
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn watch_of_neighbours_follows_them_until_the_device_is_deleted(lab: Lab) -> Result {
    let (node, mut watch) = world(&lab).await?;
    for ip in ["192.0.2.7", "2001:db8::7"] {
        node.ip(&format!("neigh add {ip} lladdr 02:00:00:00:00:01 dev d0 nud permanent")).await;
        until(&mut watch, ip, in_state(ip, NeighbourState::PERMANENT)).await;
        node.ip(&format!("neigh replace {ip} lladdr 02:00:00:00:00:02 dev d0 nud stale")).await;
        let stale = until(&mut watch, ip, in_state(ip, NeighbourState::STALE)).await;
        let Change::Changed { before, after } = stale else { panic!("not changed: {stale:?}") };
        assert_ne!(before.lladdr, after.lladdr);
    }
    exact(&mut watch, &node).await;
    // It belongs to the kernel then, and has no events.
    node.ip("neigh replace 192.0.2.7 lladdr 02:00:00:00:00:02 dev d0 nud noarp").await;
    until(&mut watch, "noarp", deleted("192.0.2.7")).await;
    node.ip("neigh add proxy 192.0.2.8 dev d0").await;
    exact(&mut watch, &node).await;
    node.ip("neigh replace 192.0.2.7 lladdr 02:00:00:00:00:02 dev d0 nud permanent protocol 186").await;
    until(&mut watch, "permanent again", in_state("192.0.2.7", NeighbourState::PERMANENT)).await;
    assert!(watch.entries().any(|neighbour| neighbour.protocol == Some(186)));
    node.ip("link set d0 down").await;
    until(&mut watch, "the end of IPv6", deleted("2001:db8::7")).await;
    exact(&mut watch, &node).await;
    node.ip("link del d0").await;
    synced_by(&mut watch).await;
    exact(&mut watch, &node).await;
    assert!(watch.is_empty(), "{watch:?}");
    Ok(())
}

/// Lists the table on demand.
async fn synced_by(watch: &mut NeighbourWatch) {
    watch.resync();
    synced(watch).await;
}

/// A neighbour that does not answer fails by itself, and that is a change.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn state_that_the_kernel_changes_by_itself_is_a_change(lab: Lab) -> Result {
    let (node, mut watch) = world(&lab).await?;
    node.ip("address add 192.0.2.1/24 dev d0").await;
    // Nobody answers: it is resolved, and then checked, in vain.
    node.ip("neigh replace 192.0.2.9 dev d0 nud none use").await;
    until(&mut watch, "the failure", in_state("192.0.2.9", NeighbourState::FAILED)).await;
    node.ip("neigh replace 192.0.2.9 lladdr 02:00:00:00:00:02 dev d0 nud probe").await;
    until(&mut watch, "the check", in_state("192.0.2.9", NeighbourState::PROBE)).await;
    until(&mut watch, "the failure", in_state("192.0.2.9", NeighbourState::FAILED)).await;
    exact(&mut watch, &node).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn neighbours_of_a_device_that_moves_to_another_namespace_are_deleted(lab: Lab) -> Result {
    let (node, mut watch) = world(&lab).await?;
    let other = lab.node("b").await?;
    node.ip("neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 dev d0 nud permanent").await;
    until(&mut watch, "the neighbour", in_state("192.0.2.7", NeighbourState::PERMANENT)).await;
    node.ip(&format!("link set d0 netns {}", other.tid())).await;
    until(&mut watch, "the end of it", deleted("192.0.2.7")).await;
    exact(&mut watch, &node).await;
    Ok(())
}

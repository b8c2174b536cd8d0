use std::collections::BTreeSet;

use nl_bridge::vni::{VniEntry, VniWatch, Vnis};
use nl_core::watch::Change;
use nl_testkit::{Lab, Node, Result};

use super::support::*;

/// Until the watch has what a list has, and what iproute2 shows.
pub(super) async fn exact(watch: &mut VniWatch, node: &Node) {
    converge(watch, async |watch| difference(watch, node).await).await;
}

async fn difference(watch: &VniWatch, node: &Node) -> Option<String> {
    let conn = route(node).await;
    let listed = Vnis::new(conn.clone()).entries().list().await.unwrap().collect_all().await.unwrap();
    let names = conn.link_names().await.unwrap();
    let line = |index: u32, vni: u32, group: &str| {
        format!("{} {vni} {group}", names.get(&index).cloned().unwrap_or_default())
    };
    let ours: BTreeSet<_> =
        watch.entries().map(|entry| line(entry.index, entry.vnis.first(), &text(entry.group))).collect();
    assert_eq!(ours.len(), watch.len(), "an entry is there twice");
    let each = |entry: &VniEntry| {
        let (index, group) = (entry.index, text(entry.group));
        entry.vnis.iter().map(|vni| line(index, vni, &group)).collect::<Vec<_>>()
    };
    let mut theirs = BTreeSet::new();
    for device in shown(node, "bridge -j vni show").await {
        for entry in device["vnis"].as_array().unwrap() {
            let number = |key: &str| entry[key].as_u64();
            let first = number("vni").unwrap();
            let group = ["group", "remote"].map(|key| field(entry, key)).concat();
            let all = first..=number("vniEnd").unwrap_or(first);
            theirs.extend(all.map(|vni| format!("{} {vni} {group}", field(&device, "ifname"))));
        }
    }
    compared(&ours, &listed.iter().flat_map(each).collect(), "listed").or(compared(
        &ours,
        &theirs,
        "iproute2 shows",
    ))
}

/// `vf0`, whose VNIs are filtered, with a device below it.
pub(super) async fn world(lab: &Lab) -> Result<Node> {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name d1").await;
    node.ip("link set d0 up").await;
    node.ip("link add vf0 type vxlan external vnifilter dstport 4790 dev d0").await;
    node.ip("link set vf0 up").await;
    Ok(node)
}

async fn open(node: &Node) -> VniWatch {
    let mut watch = VniWatch::open(&route(node).await).await.unwrap();
    synced(&mut watch).await;
    watch
}

#[nl_testkit::test(needs(link = "vxlan", link = "veth", tool = "bridge", iproute2 = "7"))]
async fn watch_of_vnis_follows_ranges_groups_and_deletions(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.bridge("vni add vni 50 dev vf0").await;
    let mut watch = open(&node).await;
    exact(&mut watch, &node).await;
    assert_eq!(watch.len(), 1);
    node.bridge("vni add vni 100-119 dev vf0").await;
    until(&mut watch, "the last VNI", |change| matches!(change, Change::Added(e) if e.vnis.contains(119)))
        .await;
    assert_eq!(watch.len(), 21);
    exact(&mut watch, &node).await;
    node.bridge("vni add vni 105 group 239.1.1.1 dev vf0").await;
    let has_group =
        |change: &Change<VniEntry>| matches!(change, Change::Changed { after, .. } if after.group.is_some());
    until(&mut watch, "the group", has_group).await;
    exact(&mut watch, &node).await;
    node.bridge("vni add vni 106 remote 192.0.2.9 dev vf0").await;
    until(&mut watch, "the remote", has_group).await;
    exact(&mut watch, &node).await;
    node.bridge("vni del vni 100-110 dev vf0").await;
    until(&mut watch, "no VNI 110", |change| matches!(change, Change::Deleted(e) if e.vnis.contains(110)))
        .await;
    assert_eq!(watch.len(), 10);
    exact(&mut watch, &node).await;
    node.ip("link del vf0").await;
    until(&mut watch, "no VNI 50", |change| matches!(change, Change::Deleted(e) if e.vnis.contains(50)))
        .await;
    exact(&mut watch, &node).await;
    assert!(watch.is_empty(), "{watch:?}");
    Ok(())
}

/// A device takes its filter along, without an event.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge", iproute2 = "7"))]
async fn watch_of_vnis_follows_a_device_to_another_namespace(lab: Lab) -> Result {
    lab.quiet();
    let (node, other) = (lab.node("a").await?, lab.node("b").await?);
    node.ip("link add vf0 type vxlan external vnifilter dstport 4790").await;
    node.bridge("vni add vni 100-101 dev vf0").await;
    let (mut here, mut there) = (open(&node).await, open(&other).await);
    assert_eq!((here.len(), there.len()), (2, 0));
    node.ip(&format!("link set vf0 netns {}", other.tid())).await;
    exact(&mut here, &node).await;
    exact(&mut there, &other).await;
    assert_eq!((here.len(), there.len()), (0, 2));
    other.bridge("vni del vni 100 dev vf0").await;
    until(&mut there, "no VNI 100", |change| matches!(change, Change::Deleted(_))).await;
    there.resync();
    synced(&mut there).await;
    exact(&mut there, &other).await;
    Ok(())
}

//! What the kernel changes without an event, and watches whose device goes.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use nl_core::{Connection, Protocol};
use nl_events::fdb::{FdbChange, FdbWatch};
use nl_testkit::{Lab, Node, Result, Vxlan, within};

use crate::watch::{DEADLINE, mac, next_about, synced};

async fn route(node: &Node) -> Result<Connection> {
    Ok(node.open(|| Connection::open(Protocol::Route)).await?)
}

/// Reads to the end, which must be that of the device.
async fn ends_with_the_device(watch: &mut FdbWatch) {
    let end = async {
        loop {
            match watch.try_next().await.unwrap().expect("the watch ended without saying so") {
                FdbChange::DeviceGone => break,
                FdbChange::Added(entry) => panic!("added: {entry}"),
                _ => {}
            }
        }
        assert_eq!(watch.try_next().await.unwrap(), None);
    };
    within(DEADLINE, end, "the watch to end").await;
    assert!(watch.is_empty());
    assert_eq!(watch.device(), None);
}

/// The entries behind nexthops and remotes as iproute2 shows them.
async fn shown(node: &Node, words: &str) -> BTreeSet<String> {
    let list = node.json(&format!("bridge -j fdb show {words}")).await;
    let tunnels = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry.get("dst").is_some() || entry.get("nhid").is_some());
    tunnels.map(|entry| entry["mac"].as_str().unwrap().to_owned()).collect()
}

fn watched(watch: &FdbWatch) -> BTreeSet<String> {
    watch.entries().filter(|entry| entry.is_tunnel()).map(|entry| entry.mac.to_string()).collect()
}

async fn vtep(lab: &Lab) -> Result<Node> {
    let node = lab.node("vtep").await?;
    node.add_vxlan("vx0", Vxlan::vni(100)).await?;
    for line in [
        "nexthop add id 1 via 192.0.2.1 fdb",
        "nexthop add id 2 via 192.0.2.2 fdb",
        "nexthop add id 10 group 1/2 fdb",
        "nexthop add id 11 group 2 fdb",
    ] {
        node.ip(line).await;
    }
    for (last, to) in [(1, "nhid 10"), (2, "nhid 11"), (3, "dst 192.0.2.3")] {
        node.bridge(&format!("fdb add {} dev vx0 {to}", mac(last))).await;
    }
    Ok(node)
}

#[nl_testkit::test(needs(tool = "bridge", tool = "ip", link = "vxlan"))]
async fn entries_of_a_deleted_nexthop_group_are_reported_as_deleted(lab: Lab) -> Result {
    let node = vtep(&lab).await?;
    let conn = route(&node).await?;
    let mut all = FdbWatch::open(&conn).await?;
    let mut one = FdbWatch::builder(&conn).dev("vx0").open().await?;
    synced(&mut all).await;
    synced(&mut one).await;
    node.ip("nexthop del id 10").await;
    for watch in [&mut all, &mut one] {
        let FdbChange::Deleted(entry) = next_about(watch, mac(1)).await else { panic!("not deleted") };
        assert_eq!(entry.nexthop, Some(10));
        synced(watch).await;
    }
    // Its only member takes a group along.
    node.ip("nexthop del id 2").await;
    for watch in [&mut all, &mut one] {
        assert!(matches!(next_about(watch, mac(2)).await, FdbChange::Deleted(_)));
        synced(watch).await;
        assert_eq!(watched(watch), shown(&node, "").await);
        assert_eq!(watched(watch), BTreeSet::from([mac(3).to_string()]));
    }
    Ok(())
}

/// A VXLAN device takes its entries along and brings them.
#[nl_testkit::test(needs(tool = "bridge", tool = "ip", link = "vxlan"))]
async fn entries_of_a_vxlan_device_move_with_it_to_another_namespace(lab: Lab) -> Result {
    let [node, other] = [lab.node("here").await?, lab.node("there").await?];
    node.add_vxlan("vx0", Vxlan::vni(100)).await?;
    node.bridge("fdb add 02:00:00:00:aa:01 dev vx0 dst 192.0.2.1").await;
    let conn = route(&node).await?;
    let mut here = FdbWatch::open(&conn).await?;
    let mut one = FdbWatch::builder(&conn).dev("vx0").open().await?;
    let mut there = FdbWatch::open(&route(&other).await?).await?;
    for watch in [&mut here, &mut one, &mut there] {
        synced(watch).await;
    }
    node.ip(&format!("link set vx0 netns {}", other.tid())).await;
    assert!(matches!(next_about(&mut here, mac(1)).await, FdbChange::Deleted(_)));
    assert!(matches!(next_about(&mut there, mac(1)).await, FdbChange::Added(_)));
    ends_with_the_device(&mut one).await;
    synced(&mut here).await;
    synced(&mut there).await;
    assert_eq!((watched(&here), watched(&there)), (shown(&node, "").await, shown(&other, "").await));
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge", tool = "ip", link = "vxlan"))]
async fn deleted_vxlan_device_empties_the_watch(lab: Lab) -> Result {
    let node = vtep(&lab).await?;
    let conn = route(&node).await?;
    let mut all = FdbWatch::open(&conn).await?;
    let mut one = FdbWatch::builder(&conn).dev("vx0").open().await?;
    synced(&mut all).await;
    synced(&mut one).await;
    assert_eq!(watched(&all).len(), 3);
    node.ip("link del vx0").await;
    ends_with_the_device(&mut one).await;
    for last in [1, 2, 3] {
        while all.entries().any(|entry| entry.mac == mac(last)) {
            next_about(&mut all, mac(last)).await;
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge", tool = "ip"))]
async fn watch_of_a_bridge_ends_when_the_bridge_is_deleted_and_made_again(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    let conn = route(node).await?;
    let mut watch = FdbWatch::builder(&conn).bridge("br0").open().await?;
    synced(&mut watch).await;
    assert_eq!(watch.device(), Some(node.index_of("br0").await?));
    node.ip("link del br0").await;
    node.ip("link add br0 type bridge vlan_default_pvid 0").await;
    node.ip("link set port1 master br0").await;
    ends_with_the_device(&mut watch).await;
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge", tool = "ip"))]
async fn watch_that_follows_a_name_goes_on_with_the_new_bridge(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    let conn = route(node).await?;
    let mut watch = FdbWatch::builder(&conn).bridge("br0").follow_name().open().await?;
    synced(&mut watch).await;
    let added = async |watch: &mut FdbWatch, last: u8, bridge: &str| -> Result {
        node.bridge(&format!("fdb replace {} dev {bridge} self", mac(last))).await;
        let FdbChange::Added(entry) = next_about(watch, mac(last)).await else { panic!("not added") };
        assert_eq!(entry.master, Some(node.index_of(bridge).await?));
        assert_eq!(watch.device(), entry.master);
        Ok(())
    };
    added(&mut watch, 1, "br0").await?;
    // Made again.
    node.ip("link del br0").await;
    let change = next_about(&mut watch, mac(1)).await;
    assert!(matches!(change, FdbChange::Deleted(_)), "{change:?}");
    node.ip("link add br0 type bridge vlan_default_pvid 0").await;
    added(&mut watch, 2, "br0").await?;
    // Another bridge gets the name.
    node.ip("link set br0 name br7").await;
    let change = next_about(&mut watch, mac(2)).await;
    assert!(matches!(change, FdbChange::Deleted(_)), "{change:?}");
    node.ip("link add br8 type bridge vlan_default_pvid 0").await;
    node.bridge(&format!("fdb add {} dev br8 self", mac(3))).await;
    node.ip("link set br8 name br0").await;
    let change = next_about(&mut watch, mac(3)).await;
    assert!(matches!(change, FdbChange::Added(_)), "{change:?}");
    // A device of this name that is no bridge.
    node.ip("link del br0").await;
    let change = next_about(&mut watch, mac(3)).await;
    assert!(matches!(change, FdbChange::Deleted(_)), "{change:?}");
    node.ip("link add br0 type veth peer name p0").await;
    node.ip("link del br0").await;
    node.ip("link set br7 name br0").await;
    let change = next_about(&mut watch, mac(2)).await;
    assert!(matches!(change, FdbChange::Added(_)), "{change:?}");
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge", tool = "ip"))]
async fn watch_that_follows_a_name_waits_for_its_first_device(lab: Lab) -> Result {
    let node = lab.node("switch").await?;
    let conn = route(&node).await?;
    let mut watch = FdbWatch::builder(&conn).bridge("br0").follow_name().open().await?;
    synced(&mut watch).await;
    assert!(watch.is_empty() && watch.device().is_none());
    node.ip("link add br0 type bridge vlan_default_pvid 0").await;
    node.bridge("fdb add 02:00:00:00:aa:01 dev br0 self").await;
    let change = next_about(&mut watch, mac(1)).await;
    assert!(matches!(change, FdbChange::Added(_)), "{change:?}");
    let error = FdbWatch::builder(&conn).follow_name().open().await.unwrap_err();
    assert_eq!(error.to_string(), "watch fdb: follow_name() needs a bridge or a device");
    let error = FdbWatch::builder(&conn).bridge(4711).follow_name().open().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    Ok(())
}

/// The bridge is deleted and made again while all events are lost.
#[nl_testkit::test(needs(tool = "bridge", tool = "ip"))]
async fn watch_whose_events_are_lost_knows_what_became_of_its_bridge(lab: Lab) -> Result {
    let node = lab.node("switch").await?;
    node.ip("link add br0 type bridge vlan_default_pvid 0").await;
    let conn = route(&node).await?;
    let open = |follow: bool| {
        let watch = FdbWatch::builder(&conn).bridge("br0").receive_buffer(0);
        if follow { watch.follow_name() } else { watch }.open()
    };
    let (mut ending, mut following) = (open(false).await?, open(true).await?);
    synced(&mut ending).await;
    synced(&mut following).await;
    for number in 0..200_u8 {
        node.bridge(&format!("fdb add 02:00:00:00:bb:{number:02x} dev br0 self")).await;
    }
    node.ip("link del br0").await;
    node.ip("link add br0 type bridge vlan_default_pvid 0").await;
    node.bridge("fdb add 02:00:00:00:aa:01 dev br0 self").await;
    let index = node.index_of("br0").await?;
    let found = async {
        while !following.entries().any(|entry| entry.mac == mac(1) && entry.master == Some(index)) {
            following.try_next().await.unwrap().expect("the watch ended");
        }
    };
    within(DEADLINE, found, "the entry of the new bridge").await;
    let end = async { while ending.try_next().await.unwrap() != Some(FdbChange::DeviceGone) {} };
    within(DEADLINE, end, "the end of the watch").await;
    assert!(ending.overruns() > 0 && following.overruns() > 0);
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge"))]
async fn watch_that_is_resynchronised_lists_the_table_and_reports_no_change(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 1).await?;
    let conn = route(bridge.node()).await?;
    bridge.node().bridge("fdb add 02:00:00:00:aa:01 dev port1 master static").await;
    let mut watch = FdbWatch::builder(&conn).bridge("br0").open().await?;
    synced(&mut watch).await;
    let table = |watch: &FdbWatch| {
        let rows = watch.entries().map(|entry| (entry.mac, entry.index, entry.vlan));
        rows.collect::<BTreeSet<_>>()
    };
    let before = table(&watch);
    assert!(before.iter().any(|(of, ..)| *of == mac(1)), "{before:?}");
    for _ in 0..2 {
        watch.resync();
        let change = within(DEADLINE, watch.try_next(), "the next list").await?;
        assert_eq!(change, Some(FdbChange::Synced));
        assert_eq!(table(&watch), before);
    }
    Ok(())
}

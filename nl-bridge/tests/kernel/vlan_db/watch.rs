//! The watch follows what changes, also where the kernel has no event.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use nl_bridge::mst::{Mst, StpState};
use nl_bridge::tunnel::Tunnels;
use nl_bridge::vlan_db::{RTNLGRP_BRVLAN, VlanDb, VlanDbEvent, VlanWatch};
use nl_bridge::vni::{RTNLGRP_TUNNEL, VniEvent, Vnis};
use nl_core::Connection;
use nl_core::watch::{Change, Entry};
use nl_testkit::{Lab, Node, Result, within};

use super::support::*;

const SOON: Duration = Duration::from_secs(30);

async fn open(node: &Node) -> VlanWatch {
    let mut watch = VlanWatch::open(&route(node).await).await.unwrap();
    until(&mut watch, "the watch to be synced", |_, change| matches!(change, Change::Synced)).await;
    watch
}

/// Reads changes until the watch is as wanted.
async fn until(
    watch: &mut VlanWatch,
    what: &str,
    wanted: impl Fn(&VlanWatch, &Change<nl_bridge::vlan_db::VlanDbEntry>) -> bool,
) {
    let found = async {
        loop {
            let change = watch.next().await.unwrap().unwrap();
            if wanted(watch, &change) {
                return;
            }
        }
    };
    within(SOON, found, what).await;
}

fn maps(watch: &VlanWatch) -> usize {
    watch.entries().filter(|entry| entry.tunnel.is_some()).count()
}

fn texts<'a>(entries: impl Iterator<Item = &'a nl_bridge::vlan_db::VlanDbEntry>) -> BTreeSet<String> {
    entries.map(|entry| format!("{:?}", entry.normalized())).collect()
}

/// Until the watch has what a list has.
async fn exact(watch: &mut VlanWatch, conn: &Connection) {
    let end = Instant::now() + SOON;
    loop {
        while let Ok(change) = tokio::time::timeout(SOON / 100, watch.next()).await {
            change.unwrap().unwrap();
        }
        let db = VlanDb::new(conn.clone());
        let listed = db.entries().list().await.unwrap().collect_all().await.unwrap();
        let (ours, theirs) = (texts(watch.entries()), texts(listed.iter()));
        if ours == theirs {
            return;
        }
        let few = |a: &BTreeSet<String>, b| a.difference(b).take(3).cloned().collect::<Vec<_>>();
        let (ours, theirs) = (few(&ours, &theirs), few(&theirs, &ours));
        assert!(Instant::now() < end, "not as listed: {ours:#?} is {theirs:#?}");
    }
}

/// From public reports: the device joins before there is a mapping, and mappings come and go.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 120)]
async fn watch_follows_a_vxlan_port_before_with_and_without_mappings(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    let mut watch = open(&node).await;
    assert!(watch.is_empty(), "{watch:?}");
    node.ip("link add vx0 type vxlan external dstport 4789").await;
    node.ip("link set vx0 master br0 up").await;
    node.bridge("vlan add dev vx0 vid 10").await;
    until(&mut watch, "the VLAN", |watch, _| !watch.is_empty()).await;
    assert_eq!(maps(&watch), 0);
    node.bridge("link set dev vx0 vlan_tunnel on").await;
    for _ in 0..3 {
        node.bridge("vlan add dev vx0 vid 10 tunnel_info id 10010").await;
        until(&mut watch, "a mapping", |watch, _| maps(watch) == 1).await;
        node.bridge("vlan del dev vx0 vid 10 tunnel_info id 10010").await;
        until(&mut watch, "no mapping", |watch, _| maps(watch) == 0).await;
    }
    exact(&mut watch, &conn).await;
    node.ip("link del vx0").await;
    until(&mut watch, "no VLAN", |watch, _| watch.is_empty()).await;
    exact(&mut watch, &conn).await;
    Ok(())
}

/// The kernel sends a link event of the bridge family and nothing else.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 120)]
async fn watch_follows_vlan_tunnel_off_which_drops_all_mappings(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let conn = route(&node).await;
    Tunnels::new(conn.clone()).entry("vx0", 10..=19, 10010..=10019).add().await?;
    let mut watch = open(&node).await;
    assert_eq!(maps(&watch), 10);
    let events = conn.clone();
    let mut events =
        node.open(move || events.monitor().group(RTNLGRP_BRVLAN).open(VlanDbEvent::decode)).await?;
    node.bridge("link set dev vx0 vlan_tunnel off").await;
    until(&mut watch, "no mapping", |watch, _| maps(watch) == 0).await;
    assert_eq!(tunnelshow(&node, "vx0").await, []);
    // The next event is the one after.
    node.bridge("vlan add dev p1 vid 7").await;
    let next = within(SOON, events.try_next(), "an event").await?.unwrap();
    let VlanDbEvent::New(entries) = next else { panic!("{next:?}") };
    assert_eq!(entries[0].vlans, "7".parse()?);
    exact(&mut watch, &conn).await;
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 120)]
async fn watch_follows_a_pvid_that_moves_and_ranges(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    let mut watch = open(&node).await;
    node.bridge("vlan add dev p1 vid 10 pvid untagged").await;
    node.bridge("vlan add dev p1 vid 11-200").await;
    node.bridge("vlan add dev p1 vid 12 pvid").await;
    exact(&mut watch, &conn).await;
    node.bridge("vlan set dev p1 vid 20-29 state blocking").await;
    exact(&mut watch, &conn).await;
    node.bridge("vlan del dev p1 vid 100-190").await;
    exact(&mut watch, &conn).await;
    node.ip("link set p1 nomaster").await;
    exact(&mut watch, &conn).await;
    assert!(watch.is_empty(), "{watch:?}");
    Ok(())
}

/// What the documentation says is not followed, and with what it is noticed.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 120)]
async fn a_state_of_an_msti_has_no_event(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    node.ip("link set br0 type bridge mst_enabled 1").await;
    node.bridge("vlan add dev p1 vid 10-11").await;
    let mst = Mst::new(conn.clone());
    let mut watch = open(&node).await;
    // The MSTI itself has an event, and with it the states of the VLANs are noticed.
    mst.vlans("br0", 10).msti(1).set().await?;
    let disabled = |watch: &VlanWatch| watch.entries().any(|entry| entry.state == Some(StpState::Disabled));
    until(&mut watch, "the state of a new MSTI", |watch, _| disabled(watch)).await;
    exact(&mut watch, &conn).await;
    mst.entry("p1", 1).state(StpState::Blocking).set().await?;
    node.bridge("vlan add dev p1 vid 99").await;
    until(&mut watch, "the event after", |watch, _| watch.len() == 3).await;
    assert!(disabled(&watch), "{:?}", texts(watch.entries()));
    node.bridge("link set dev p1 cost 7").await;
    exact(&mut watch, &conn).await;
    assert!(!disabled(&watch));
    Ok(())
}

/// From public reports.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 120)]
async fn the_last_port_that_leaves_a_vlan_takes_its_msti_along(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    node.ip("link set br0 type bridge mst_enabled 1").await;
    node.bridge("vlan add dev p1 vid 10").await;
    let mst = Mst::new(conn.clone());
    mst.vlans("br0", 10).msti(5).set().await?;
    mst.entry("p1", 5).state(StpState::Blocking).set().await?;
    let mut watch = open(&node).await;
    let db = VlanDb::new(conn.clone());
    let msti = async || {
        let globals = db.globals().bridge("br0").list().await.unwrap().collect_all().await.unwrap();
        globals.first().and_then(|global| global.msti)
    };
    assert_eq!(msti().await, Some(5));
    node.bridge("vlan del dev p1 vid 10").await;
    until(&mut watch, "no VLAN", |watch, _| watch.is_empty()).await;
    assert_eq!((msti().await, super::support::mst(&conn, "p1").await), (None, vec![]));
    // It comes back in the common tree.
    node.bridge("vlan add dev p1 vid 10").await;
    assert_eq!(msti().await, Some(0));
    exact(&mut watch, &conn).await;
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn events_of_vnis_are_one_for_each(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let conn = route(&node).await;
    let of = conn.clone();
    let mut events = node.open(move || of.monitor().group(RTNLGRP_TUNNEL).open(VniEvent::decode)).await?;
    let index = node.index_of("vf0").await?;
    Vnis::new(conn).entry("vf0", 100..=101).add().await?;
    node.ip("link del vf0").await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let (sign, entries) = match within(SOON, events.try_next(), "an event").await?.unwrap() {
            VniEvent::New(entries) => ('+', entries),
            VniEvent::Deleted(entries) => ('-', entries),
            other => panic!("{other:?}"),
        };
        seen.extend(entries.iter().map(|entry| format!("{sign} {entry}")));
    }
    seen[2..].sort();
    let expected = ["+ vni 100", "+ vni 101", "- vni 100", "- vni 101"];
    assert_eq!(seen, expected.map(|text| format!("{text} dev #{index}")));
    Ok(())
}

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::{StreamExt, TryStreamExt};
use nl_bridge::mdb::{Mdb, MdbEntry, MdbEvent, MdbFlags, MdbState, MdbWatch, RTNLGRP_MDB};
use nl_core::watch::Change;
use nl_testkit::{EthFrame, Lab, Node, Result, within};

use super::support::*;

/// Until the watch has what a list has, and what iproute2 shows.
pub(super) async fn exact(watch: &mut MdbWatch, node: &Node) {
    converge(watch, async |watch| difference(watch, node).await).await;
}

async fn difference(watch: &MdbWatch, node: &Node) -> Option<String> {
    let conn = route(node).await;
    let list = Mdb::new(conn.clone()).entries().list().await.unwrap();
    let listed: Vec<_> = list.try_collect().await.unwrap();
    // A list can have an entry twice if another one is new.
    let listed: BTreeSet<_> = listed
        .iter()
        .flat_map(|table| &table.entries)
        .map(|entry| format!("{:?}", nl_core::watch::Entry::normalized(entry)))
        .collect();
    let names = conn.link_names().await.unwrap();
    let ours = watch.entries().map(|entry| {
        let state = if entry.state == MdbState::Permanent { "permanent" } else { "temp" };
        let [dev, port] = [entry.dev, entry.port].map(|index| names.get(&index).cloned().unwrap_or_default());
        let [source, dst] = [entry.source, entry.dst].map(text);
        let (vlan, vni) = (text(entry.vlan), text(entry.src_vni));
        format!("{dev} {port} {} {source} {state} {vlan} {dst} {vni}", entry.group)
    });
    let tables = shown(node, "bridge -j -d mdb show").await;
    let entries = tables.iter().filter_map(|table| table["mdb"].as_array()).flatten();
    let theirs = entries.map(|entry| {
        let keys = ["dev", "port", "grp", "src", "state", "vid", "dst", "src_vni"];
        keys.map(|key| field(entry, key)).join(" ")
    });
    compared(&texts(watch.entries()), &listed, "listed").or(compared(
        &ours.collect(),
        &theirs.collect(),
        "iproute2 shows",
    ))
}

/// `br0` with `p1` and `p2`, whose other ends are `h1` and `h2`, where only the tests talk.
pub(super) async fn world(lab: &Lab) -> Result<Node> {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add br0 up type bridge mcast_snooping 1 mcast_igmp_version 3 mcast_mld_version 2").await;
    for number in [1, 2] {
        node.ip(&format!("link add p{number} type veth peer name h{number}")).await;
        node.ip(&format!("link set h{number} up")).await;
        node.ip(&format!("link set p{number} master br0 up")).await;
    }
    for name in ["p1", "p2", "h1", "h2"] {
        node.wait_carrier(name).await?;
    }
    Ok(node)
}

async fn open(node: &Node) -> MdbWatch {
    let mut watch = MdbWatch::open(&route(node).await).await.unwrap();
    synced(&mut watch).await;
    watch
}

async fn added(watch: &mut MdbWatch, what: &str, wanted: impl Fn(&MdbEntry) -> bool) {
    until(watch, what, |change| matches!(change, Change::Added(entry) if wanted(entry))).await;
}

async fn deleted(watch: &mut MdbWatch, what: &str, wanted: impl Fn(&MdbEntry) -> bool) {
    until(watch, what, |change| matches!(change, Change::Deleted(entry) if wanted(entry))).await;
}

fn is(entry: &MdbEntry, group: &str) -> bool {
    entry.group.to_string() == group
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge"))]
async fn watch_of_the_mdb_follows_entries_until_they_are_deleted(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.bridge("mdb add dev br0 port p1 grp 239.1.1.1 permanent").await;
    let mut watch = open(&node).await;
    exact(&mut watch, &node).await;
    assert_eq!(watch.len(), 1);
    for (line, group) in [
        ("port p2 grp 239.1.1.1 permanent vid 10", "239.1.1.1"),
        ("port p1 grp 239.1.1.2 temp", "239.1.1.2"),
        ("port p1 grp ff0e::1 permanent", "ff0e::1"),
        ("port br0 grp 239.1.1.3", "239.1.1.3"),
        ("port p2 grp 239.1.1.4 src 192.0.2.1 permanent", "239.1.1.4"),
        ("port p2 grp 239.1.1.5 src 192.0.2.1 temp", "239.1.1.5"),
        ("port p2 grp 01:02:03:04:05:06 permanent", "01:02:03:04:05:06"),
    ] {
        node.bridge(&format!("mdb add dev br0 {line}")).await;
        added(&mut watch, line, |entry| is(entry, group)).await;
        exact(&mut watch, &node).await;
        if group != "239.1.1.1" {
            node.bridge(&format!("mdb del dev br0 {line}")).await;
            deleted(&mut watch, line, |entry| is(entry, group)).await;
            exact(&mut watch, &node).await;
        }
    }
    // Its event is one of the group, and about no entry.
    node.bridge("link set dev p1 mcast_router 2").await;
    exact(&mut watch, &node).await;
    assert_eq!(watch.len(), 2);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge", kernel = "6.2"))]
async fn watch_of_the_mdb_follows_an_entry_that_is_replaced(lab: Lab) -> Result {
    let node = world(&lab).await?;
    let mdb = Mdb::new(route(&node).await);
    let entry = || mdb.entry("br0", "p1", IpAddr::from(Ipv4Addr::new(239, 1, 1, 1))).permanent();
    entry().add().await?;
    let mut watch = open(&node).await;
    let sources = |last: u8| (1..=last).map(|last| IpAddr::from(Ipv4Addr::new(192, 0, 2, last)));
    for last in [2, 1, 3] {
        entry().mode(nl_bridge::mdb::MdbMode::Include).sources(sources(last)).protocol(11).replace().await?;
        let wanted = |entry: &MdbEntry| entry.source.is_none() && entry.sources.len() == usize::from(last);
        until(
            &mut watch,
            "the sources",
            |change| matches!(change, Change::Changed { after, .. } if wanted(after)),
        )
        .await;
        exact(&mut watch, &node).await;
        assert_eq!(watch.len(), 1 + usize::from(last));
    }
    // It says itself what its list of sources is while the bridge speaks IGMPv3.
    node.ip("link set br0 type bridge mcast_igmp_version 2").await;
    until(
        &mut watch,
        "no sources",
        |change| matches!(change, Change::Changed { after, .. } if after.mode.is_none()),
    )
    .await;
    exact(&mut watch, &node).await;
    Ok(())
}

/// The kernel marks the entry after it has reported it.
#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge"))]
async fn watch_of_the_mdb_has_the_marks_that_no_event_has(lab: Lab) -> Result {
    let node = world(&lab).await?;
    let of = route(&node).await;
    let mut events = node.open(move || of.monitor().group(RTNLGRP_MDB).open(MdbEvent::decode)).await?;
    let mut watch = open(&node).await;
    node.bridge("mdb add dev br0 port p1 grp 239.1.1.1 permanent").await;
    node.bridge("mdb add dev br0 port p2 grp 239.1.1.1 src 192.0.2.1 permanent").await;
    let marked = |entry: &MdbEntry| entry.flags.contains(MdbFlags::STAR_EXCL);
    until(&mut watch, "the marked entry", |change| match change {
        Change::Added(entry) | Change::Changed { after: entry, .. } => marked(entry),
        _ => false,
    })
    .await;
    exact(&mut watch, &node).await;
    let (mut seen, mut found) = (0, false);
    while seen < 3 {
        let Some(MdbEvent::New(table)) = within(SOON, events.try_next(), "an event").await? else { continue };
        seen += table.entries.len();
        found |= table.entries.iter().any(marked);
    }
    assert!(!found, "the kernel reports the mark: the watch needs not list for it");
    node.bridge("mdb del dev br0 port p2 grp 239.1.1.1 src 192.0.2.1").await;
    deleted(&mut watch, "the marked entry", |entry| entry.port != entry.dev && entry.source.is_some()).await;
    exact(&mut watch, &node).await;
    assert_eq!(watch.len(), 1);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge"))]
async fn watch_of_the_mdb_follows_timers_ports_and_bridges(lab: Lab) -> Result {
    let node = world(&lab).await?;
    let mut watch = open(&node).await;
    node.ip("link set br0 type bridge mcast_membership_interval 100").await;
    node.bridge("mdb add dev br0 port p1 grp 239.1.1.1 temp").await;
    added(&mut watch, "an entry that ages", |entry| is(entry, "239.1.1.1")).await;
    deleted(&mut watch, "the end of its time", |entry| is(entry, "239.1.1.1")).await;
    exact(&mut watch, &node).await;

    node.ip("link set br0 type bridge mcast_membership_interval 26000").await;
    for line in
        ["port p1 grp 239.1.1.1 permanent", "port p1 grp 239.1.1.2 temp", "port p2 grp 239.1.1.1 temp"]
    {
        node.bridge(&format!("mdb add dev br0 {line}")).await;
    }
    node.bridge("mdb add dev br0 port br0 grp 239.1.1.9 temp").await;
    added(&mut watch, "the host's own", |entry| is(entry, "239.1.1.9")).await;
    assert_eq!(watch.len(), 4);
    node.ip("link set p1 down").await;
    deleted(&mut watch, "what ages", |entry| is(entry, "239.1.1.2")).await;
    exact(&mut watch, &node).await;
    node.ip("link set p1 nomaster").await;
    deleted(&mut watch, "what does not age", |entry| is(entry, "239.1.1.1")).await;
    exact(&mut watch, &node).await;
    node.ip("link set br0 type bridge mcast_snooping 0").await;
    exact(&mut watch, &node).await;
    node.ip("link set br0 type bridge mcast_snooping 1").await;
    exact(&mut watch, &node).await;
    // The kernel has no event for the host's own entries of a bridge that is deleted.
    assert!(watch.entries().any(|entry| is(entry, "239.1.1.9")));
    node.ip("link del br0").await;
    deleted(&mut watch, "the host's own", |entry| is(entry, "239.1.1.9")).await;
    assert!(watch.is_empty(), "{watch:?}");
    exact(&mut watch, &node).await;
    Ok(())
}

/// A message of IGMPv2, which says that a host wants a group or no longer wants it.
fn igmp(host: u8, kind: u8, destination: Ipv4Addr, group: Ipv4Addr) -> EthFrame {
    let sum = |bytes: &mut [u8], at: usize| {
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
        bytes[at..at + 2].copy_from_slice(&(!folded).to_be_bytes());
    };
    let mut ip = vec![0x46, 0xc0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0, 192, 0, 2, host];
    ip.extend(destination.octets());
    // Router alert.
    ip.extend([0x94, 4, 0, 0]);
    sum(&mut ip, 10);
    let mut message = vec![kind, 0, 0, 0];
    message.extend(group.octets());
    sum(&mut message, 2);
    ip.extend(message);
    let [_, a, b, c] = destination.octets();
    EthFrame::new([2, 0, 0, 0, 0, host], [1, 0, 0x5e, a & 0x7f, b, c], 0x0800, &ip)
}

/// On a port with `mcast_to_unicast` the kernel has an entry for each listener, and does not say for which.
#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge"))]
async fn watch_of_the_mdb_keeps_a_group_until_its_last_listener_leaves(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.ip("link set br0 type bridge mcast_igmp_version 2").await;
    node.bridge("link set dev p1 mcast_to_unicast on fastleave on").await;
    let of = route(&node).await;
    let mut events = node.open(move || of.monitor().group(RTNLGRP_MDB).open(MdbEvent::decode)).await?;
    let mut watch = open(&node).await;
    let group = Ipv4Addr::new(239, 1, 1, 1);
    let said = async |events: &mut nl_core::monitor::Monitor<MdbEvent>, wanted: fn(&MdbEvent) -> bool| {
        let event = async { while !wanted(&events.try_next().await.unwrap().unwrap()) {} };
        within(SOON, event, "an event of the kernel").await;
    };
    let is_new = |event: &MdbEvent| matches!(event, MdbEvent::New(table) if !table.entries.is_empty());
    let is_deleted =
        |event: &MdbEvent| matches!(event, MdbEvent::Deleted(table) if !table.entries.is_empty());
    for host in [1, 2] {
        node.send_frame("h1", &igmp(host, 0x16, group, group).to_bytes()).await?;
        said(&mut events, is_new).await;
    }
    added(&mut watch, "the group", |entry| is(entry, "239.1.1.1")).await;
    exact(&mut watch, &node).await;
    let routers = Ipv4Addr::new(224, 0, 0, 2);
    node.send_frame("h1", &igmp(1, 0x17, routers, group).to_bytes()).await?;
    said(&mut events, is_deleted).await;
    node.bridge("mdb add dev br0 port p2 grp 239.1.1.2 permanent").await;
    until(&mut watch, "the event after", |change| match change {
        Change::Added(entry) => is(entry, "239.1.1.2"),
        Change::Deleted(entry) => panic!("there is another listener: {entry}"),
        _ => false,
    })
    .await;
    exact(&mut watch, &node).await;
    assert_eq!(watch.len(), 2);
    node.send_frame("h1", &igmp(2, 0x17, routers, group).to_bytes()).await?;
    deleted(&mut watch, "the group", |entry| is(entry, "239.1.1.1")).await;
    exact(&mut watch, &node).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "bridge", iproute2 = "7", kernel = "6.4"))]
async fn watch_of_the_mdb_follows_vxlan_devices_and_where_they_go(lab: Lab) -> Result {
    let node = world(&lab).await?;
    let other = lab.node("b").await?;
    node.ip("link add vx type vxlan external vnifilter dstport 4789").await;
    node.ip("link set vx up").await;
    let (mut here, mut there) = (open(&node).await, open(&other).await);
    let entry = "dev vx port vx grp 239.1.1.1 permanent src_vni 100 dst";
    for last in [7, 8] {
        node.bridge(&format!("mdb add {entry} 192.0.2.{last}")).await;
        added(&mut here, "an endpoint", |entry| entry.dst == Some(Ipv4Addr::new(192, 0, 2, last).into()))
            .await;
    }
    node.bridge(&format!("mdb replace {entry} 192.0.2.7 vni 200")).await;
    until(
        &mut here,
        "the VNI",
        |change| matches!(change, Change::Changed { after, .. } if after.vni == Some(200)),
    )
    .await;
    exact(&mut here, &node).await;
    assert_eq!(here.len(), 2);
    node.bridge(&format!("mdb del {entry} 192.0.2.8")).await;
    deleted(&mut here, "an endpoint", |entry| entry.vni.is_none()).await;
    exact(&mut here, &node).await;
    node.ip(&format!("link set vx netns {}", other.tid())).await;
    exact(&mut here, &node).await;
    exact(&mut there, &other).await;
    assert_eq!((here.len(), there.len()), (0, 1));
    other.ip("link del vx").await;
    exact(&mut there, &other).await;
    assert!(there.is_empty());
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge"))]
async fn watch_of_the_mdb_that_is_resynchronised_reports_no_change(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.bridge("mdb add dev br0 port p1 grp 239.1.1.1 temp").await;
    let mut watch = open(&node).await;
    for _ in 0..2 {
        watch.resync();
        let change = within(SOON, watch.next(), "a change").await.unwrap()?;
        assert_eq!(change, Change::Synced);
    }
    // What the documentation says is not followed: a bridge that is down.
    node.ip("link set br0 down").await;
    exact(&mut watch, &node).await;
    node.ip("link set br0 type bridge mcast_igmp_version 2").await;
    watch.resync();
    exact(&mut watch, &node).await;
    Ok(())
}

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use nl_core::{Connection, MacAddr, Protocol};
use nl_events::fdb::{FdbChange, FdbEvent, FdbWatch};
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::{EthFrame, Lab, Result, within};

pub(super) const DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn mac(last: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 0xaa, last])
}

/// The next change about this address.
pub(super) async fn next_about(watch: &mut FdbWatch, mac: MacAddr) -> FdbChange {
    let wanted = async {
        loop {
            let change = watch.try_next().await.unwrap().expect("the watch ended");
            let entry = match &change {
                FdbChange::Added(entry) | FdbChange::Deleted(entry) => entry,
                FdbChange::Moved { to, .. } => to,
                FdbChange::Updated { after, .. } => after,
                _ => continue,
            };
            if entry.mac == mac {
                return change;
            }
        }
    };
    within(DEADLINE, wanted, "a change about the address").await
}

pub(super) async fn synced(watch: &mut FdbWatch) {
    let synced =
        async { while watch.try_next().await.unwrap().expect("the watch ended") != FdbChange::Synced {} };
    within(DEADLINE, synced, "the watch to be synced").await;
}

#[nl_testkit::test(needs(tool = "bridge"))]
async fn watch_reports_iproute2_changes_in_order(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    let [port1, port2] = [node.index_of("port1").await?, node.index_of("port2").await?];
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let mut watch = FdbWatch::builder(&conn).bridge("br0").open().await?;
    synced(&mut watch).await;

    node.bridge("fdb add 02:00:00:00:aa:01 dev port1 master static").await;
    let FdbChange::Added(entry) = next_about(&mut watch, mac(1)).await else { panic!("not added") };
    assert_eq!((entry.index, entry.is_static()), (port1, true));

    node.bridge("fdb replace 02:00:00:00:aa:01 dev port2 master static").await;
    let FdbChange::Moved { from, to } = next_about(&mut watch, mac(1)).await else { panic!("not moved") };
    assert_eq!((from.index, to.index), (port1, port2));

    node.bridge("fdb replace 02:00:00:00:aa:01 dev port2 master static sticky").await;
    let FdbChange::Updated { before, after } = next_about(&mut watch, mac(1)).await else {
        panic!("not updated")
    };
    assert_ne!(before.flags, after.flags);

    node.bridge("fdb del 02:00:00:00:aa:01 dev port2 master").await;
    let FdbChange::Deleted(entry) = next_about(&mut watch, mac(1)).await else { panic!("not deleted") };
    assert_eq!(entry.index, port2);
    assert!(watch.entries().all(|entry| entry.mac != mac(1)));
    Ok(())
}

#[nl_testkit::test]
async fn learned_address_moves_with_its_frames(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    let [port1, port2] = [node.index_of("port1").await?, node.index_of("port2").await?];
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let mut watch = FdbWatch::builder(&conn).bridge("br0").open().await?;
    synced(&mut watch).await;

    let frame = EthFrame::new([2, 0, 0, 0, 0xaa, 2], [0xff; 6], EthFrame::TEST, b"here I am").to_bytes();
    bridge.hosts()[0].send_frame("eth0", &frame).await?;
    let FdbChange::Added(entry) = next_about(&mut watch, mac(2)).await else { panic!("not learned") };
    assert_eq!((entry.index, entry.is_dynamic()), (port1, true));

    bridge.hosts()[1].send_frame("eth0", &frame).await?;
    let FdbChange::Moved { from, to } = next_about(&mut watch, mac(2)).await else { panic!("not moved") };
    assert_eq!((from.index, to.index), (port1, port2));
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge", link = "vxlan"))]
async fn vxlan_entry_moves_and_default_entry_has_many_remotes(lab: Lab) -> Result {
    let node = lab.node("vtep").await?;
    node.add_vxlan("vx0", nl_testkit::Vxlan::vni(100)).await?;
    node.up("vx0").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let mut watch = FdbWatch::builder(&conn).dev("vx0").open().await?;
    synced(&mut watch).await;

    node.bridge("fdb add 02:00:00:00:aa:03 dev vx0 dst 192.0.2.1").await;
    assert!(matches!(next_about(&mut watch, mac(3)).await, FdbChange::Added(_)));
    node.bridge("fdb replace 02:00:00:00:aa:03 dev vx0 dst 192.0.2.2").await;
    let FdbChange::Moved { from, to } = next_about(&mut watch, mac(3)).await else { panic!("not moved") };
    assert_eq!((from.dst, to.dst), (Some("192.0.2.1".parse()?), Some("192.0.2.2".parse()?)));

    for remote in ["192.0.2.3", "192.0.2.4"] {
        node.bridge(&format!("fdb append 00:00:00:00:00:00 dev vx0 dst {remote}")).await;
        let FdbChange::Added(entry) = next_about(&mut watch, MacAddr::ZERO).await else {
            panic!("not added")
        };
        assert_eq!(entry.dst, Some(remote.parse()?));
    }
    node.bridge("fdb del 00:00:00:00:00:00 dev vx0 dst 192.0.2.3").await;
    let FdbChange::Deleted(entry) = next_about(&mut watch, MacAddr::ZERO).await else {
        panic!("not deleted")
    };
    assert_eq!(entry.dst, Some("192.0.2.3".parse()?));
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge"))]
async fn watched_port_reports_moved_address_as_deleted(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    node.bridge("fdb add 02:00:00:00:aa:04 dev port1 master static").await;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let mut watch = FdbWatch::builder(&conn).dev("port1").open().await?;
    assert!(matches!(next_about(&mut watch, mac(4)).await, FdbChange::Added(_)));
    synced(&mut watch).await;
    node.bridge("fdb replace 02:00:00:00:aa:04 dev port2 master static").await;
    assert!(matches!(next_about(&mut watch, mac(4)).await, FdbChange::Deleted(_)));
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge"))]
async fn watch_of_another_namespace_follows_one_bridge_or_all(lab: Lab) -> Result {
    let node = lab.node("switches").await?;
    for bridge in ["br0", "br1"] {
        node.add_bridge(bridge).await?;
        node.up(bridge).await?;
    }
    // The connection is opened from here, in the namespace of the node.
    let netns = nl_core::netns::Netns::fd(node.netns_fd())?;
    let conn = Connection::builder(Protocol::Route).netns(&netns).open()?;
    let mut one = FdbWatch::builder(&conn).bridge("br0").open().await?;
    let mut all = FdbWatch::open(&conn).await?;
    synced(&mut one).await;
    synced(&mut all).await;
    node.bridge("fdb add 02:00:00:00:aa:05 dev br1 self").await;
    node.bridge("fdb add 02:00:00:00:aa:05 dev br0 self").await;
    let br0 = node.index_of("br0").await?;
    let FdbChange::Added(entry) = next_about(&mut one, mac(5)).await else { panic!("not added") };
    assert_eq!(entry.master, Some(br0));
    let first = next_about(&mut all, mac(5)).await;
    let second = next_about(&mut all, mac(5)).await;
    assert!(matches!((&first, &second), (FdbChange::Added(_), FdbChange::Added(_))), "{first:?} {second:?}");
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge"))]
async fn deleting_the_bridge_empties_the_watch(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let mut watch = FdbWatch::builder(&conn).bridge("br0").open().await?;
    synced(&mut watch).await;
    assert!(!watch.is_empty());
    node.delete_link("br0").await?;
    let emptied = async {
        while !watch.is_empty() {
            watch.try_next().await.unwrap().expect("the watch ended");
        }
    };
    within(DEADLINE, emptied, "every entry to be deleted").await;
    Ok(())
}

#[nl_testkit::test]
async fn watch_of_a_device_that_is_no_bridge_is_refused(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 1).await?;
    let conn = bridge.node().open(|| Connection::open(Protocol::Route)).await?;
    let error = FdbWatch::builder(&conn).bridge("port1").open().await.unwrap_err();
    assert_eq!(error.to_string(), "watch fdb: port1 is not a bridge");
    let error = FdbWatch::builder(&conn).bridge("nothing").open().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge"))]
async fn raw_stream_yields_only_fdb_events(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let mut events = node.open(|| Events::builder().source(Source::FDB).open()).await?;
    // An IPv4 neighbour event is in the same group.
    node.ip("neigh add 192.0.2.9 lladdr 02:00:00:00:aa:06 dev br0 nud permanent").await;
    node.bridge("fdb add 02:00:00:00:aa:06 dev port1 master static").await;
    node.bridge("fdb del 02:00:00:00:aa:06 dev port1 master").await;
    let mut reported = Vec::new();
    let both = async {
        while reported.len() < 2 {
            let NetworkEvent::Fdb(event) = events.next().await.expect("the stream ended").unwrap() else {
                panic!("an event of another source")
            };
            if event.entry().mac == mac(6) {
                reported.push(event);
            }
        }
    };
    within(DEADLINE, both, "both events").await;
    assert!(matches!(&reported[..], [FdbEvent::New(_), FdbEvent::Deleted(_)]), "{reported:?}");
    assert!(
        reported.iter().all(|event| event.entry().is_bridge()),
        "a neighbour was taken for an entry: {reported:?}"
    );
    Ok(())
}

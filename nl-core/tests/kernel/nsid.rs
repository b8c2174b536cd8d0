//! Ids of namespaces, against `ip netns`.

use futures_util::TryStreamExt;
use nl_core::link::{LinkEvent, RTNLGRP_LINK};
use nl_core::monitor::Monitor;
use nl_core::netns::Netns;
use nl_core::nsid::{Nsid, NsidEvent, Nsids, RTNLGRP_NSID};
use nl_core::{Connection, Protocol};
use nl_testkit::{Lab, Node, Result, within};

use crate::support::SOON;

async fn nsids(node: &Node) -> Result<Nsids> {
    Ok(Nsids::new(node.open(|| Connection::open(Protocol::Route)).await?))
}

/// The ids that `ip` lists in a namespace.
async fn by_ip(node: &Node) -> Vec<u64> {
    let list = node.json("ip -j netns list-id").await;
    list.as_array().unwrap().iter().filter_map(|entry| entry["nsid"].as_u64()).collect()
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn id_that_is_assigned_is_listed_by_ip(lab: Lab) -> Result {
    let (here, there) = (lab.node("a").await?, lab.node("b").await?);
    let (nsids, netns) = (nsids(&here).await?, Netns::fd(there.netns_fd())?);
    assert_eq!(nsids.of(&netns).await?, None);
    nsids.assign(&netns, Some(7)).await?;
    assert_eq!(nsids.of(&netns).await?, Some(7));
    assert_eq!(by_ip(&here).await, [7]);
    let error = nsids.assign(&netns, Some(8)).await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    assert!(error.to_string().starts_with("assign nsid 8: "), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn id_that_the_kernel_chooses_is_the_one_of_ip(lab: Lab) -> Result {
    let (here, there) = (lab.node("a").await?, lab.node("b").await?);
    let (nsids, netns) = (nsids(&here).await?, Netns::fd(there.netns_fd())?);
    nsids.assign(&netns, None).await?;
    let chosen = nsids.of(&netns).await?.map(u64::from);
    assert_eq!(Some(by_ip(&here).await), chosen.map(|id| vec![id]));
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn id_that_ip_assigns_is_read_and_has_an_event(lab: Lab) -> Result {
    let (here, _there) = (lab.node("a").await?, lab.node("b").await?);
    let nsids = nsids(&here).await?;
    let mut events =
        here.open(|| Monitor::builder(Protocol::Route).group(RTNLGRP_NSID).open(NsidEvent::decode)).await?;
    here.ip("netns set b 5").await;
    assert_eq!(nsids.list().await?.collect_all().await?, [Nsid::new(5)]);
    let event = within(SOON, events.try_next(), "the event").await?;
    assert_eq!(event, Some(NsidEvent::New(Nsid::new(5))));
    Ok(())
}

/// The kernel reports it when the last use of the namespace ends.
#[nl_testkit::test(needs(tool = "ip"))]
async fn namespace_that_is_deleted_has_an_event(lab: Lab) -> Result {
    let here = lab.node("a").await?;
    let mut events =
        here.open(|| Monitor::builder(Protocol::Route).group(RTNLGRP_NSID).open(NsidEvent::decode)).await?;
    here.ip("netns add gone").await;
    here.ip("netns set gone 9").await;
    here.ip("netns del gone").await;
    for expected in [NsidEvent::New(Nsid::new(9)), NsidEvent::Deleted(Nsid::new(9))] {
        assert_eq!(within(SOON, events.try_next(), "an event").await?, Some(expected));
    }
    Ok(())
}

#[cfg(feature = "watch")]
async fn next(watch: &mut nl_core::nsid::NsidWatch) -> nl_core::Result<Option<nl_core::watch::Change<Nsid>>> {
    within(SOON, watch.try_next(), "a change").await
}

#[cfg(feature = "watch")]
#[nl_testkit::test(needs(tool = "ip"))]
async fn watch_follows_namespaces(lab: Lab) -> Result {
    use nl_core::nsid::NsidWatch;
    use nl_core::watch::Change;

    let here = lab.node("a").await?;
    here.ip("netns add first").await;
    here.ip("netns set first 1").await;
    let conn = here.open(|| Connection::open(Protocol::Route)).await?;
    let mut watch = NsidWatch::open(&conn).await?;
    assert_eq!(next(&mut watch).await?, Some(Change::Added(Nsid::new(1))));
    assert_eq!(next(&mut watch).await?, Some(Change::Synced));
    here.ip("netns add second").await;
    here.ip("netns set second 2").await;
    assert_eq!(next(&mut watch).await?, Some(Change::Added(Nsid::new(2))));
    here.ip("netns del second").await;
    assert_eq!(next(&mut watch).await?, Some(Change::Deleted(Nsid::new(2))));
    here.ip("netns del first").await;
    assert_eq!(next(&mut watch).await?, Some(Change::Deleted(Nsid::new(1))));
    Ok(())
}

/// Namespaces come and go while the watch is not read, so that the smallest receive buffer loses most of it.
#[cfg(feature = "watch")]
#[nl_testkit::test(needs(tool = "ip"), serial, timeout = 120)]
async fn watch_of_namespaces_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    use std::collections::BTreeMap;

    use nl_core::nsid::NsidWatch;
    use nl_testkit::eventually;

    const NAMES: u32 = 12;
    const CHANGES: u32 = 8;
    let here = lab.node("a").await?;
    let nsids = nsids(&here).await?;
    let conn = here.open(|| Connection::open(Protocol::Route)).await?;
    let mut watch = NsidWatch::builder(&conn).receive_buffer(0).open().await?;
    // By their names. An id is used once, because the kernel frees those of the deleted ones later.
    let (mut existing, mut last_id, mut dice) = (BTreeMap::new(), 0, 0x9e37_79b9_u32);
    for _ in 0..nl_testkit::scaled(100, 4) {
        for _ in 0..CHANGES {
            for (left, by) in [(true, 13), (false, 17), (true, 5)] {
                dice ^= if left { dice << by } else { dice >> by };
            }
            let name = format!("storm{}", dice % NAMES);
            if existing.remove(&name).is_some() {
                here.ip(&format!("netns del {name}")).await;
                continue;
            }
            here.ip(&format!("netns add {name}")).await;
            last_id += 1;
            nsids.assign(&Netns::named(&name)?, Some(last_id)).await?;
            existing.insert(name, last_id);
        }
        let mut expected: Vec<u64> = existing.values().copied().map(u64::from).collect();
        expected.sort_unstable();
        // The kernel frees the ids of deleted namespaces later than `ip netns del` returns.
        let settled = || async {
            let listed = nsids.list().await.unwrap().collect_all().await.unwrap();
            let mut listed: Vec<u64> = listed.iter().map(|nsid| nsid.id.into()).collect();
            listed.sort_unstable();
            (listed == expected).then_some(())
        };
        eventually(SOON, settled, "a list without the deleted namespaces").await;
        let mut shown = by_ip(&here).await;
        shown.sort_unstable();
        assert_eq!(shown, expected);
        loop {
            let mut watched: Vec<u64> = watch.entries().map(|nsid| nsid.id.into()).collect();
            watched.sort_unstable();
            if watched == expected {
                break;
            }
            assert!(next(&mut watch).await?.is_some(), "the watch ended");
        }
    }
    assert!(watch.overruns() > 0, "nothing was lost, so nothing was shown");
    for name in existing.into_keys() {
        here.ip(&format!("netns del {name}")).await;
    }
    Ok(())
}

/// The id and the name in each event about a new device.
type Named = (Option<u32>, String);

async fn everywhere(node: &Node) -> nl_core::Result<Monitor<Named>> {
    node.open(|| {
        Monitor::builder(Protocol::Route).group(RTNLGRP_LINK).all_namespaces().open(|message| {
            let nsid = message.nsid();
            Ok(match LinkEvent::decode(message)? {
                Some(LinkEvent::New(link)) => Some((nsid, link.name.to_string())),
                _ => None,
            })
        })
    })
    .await
}

async fn named(monitor: &mut Monitor<Named>, name: &str) -> Option<u32> {
    let found = async {
        loop {
            let (nsid, found) = monitor.try_next().await.unwrap().unwrap();
            assert!(!found.starts_with("wrong"), "{found} is in a namespace without an id");
            if found == name {
                return nsid;
            }
        }
    };
    within(SOON, found, name).await
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn event_of_another_namespace_has_its_id_and_one_of_ours_none(lab: Lab) -> Result {
    let (here, there, nowhere) = (lab.node("a").await?, lab.node("b").await?, lab.node("c").await?);
    // Not our own.
    here.ip("netns set b 0").await;
    let mut monitor = everywhere(&here).await?;
    nowhere.ip("link add wrong0 type bridge").await;
    there.ip("link add d0 type bridge").await;
    assert_eq!(named(&mut monitor, "d0").await, Some(0));
    here.ip("link add d1 type bridge").await;
    assert_eq!(named(&mut monitor, "d1").await, None);
    Ok(())
}

/// The namespace of the monitor can have an id in its own table, and `ip monitor all-nsid` says `[nsid current]` all the same.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn event_of_our_own_namespace_has_no_id_also_if_it_has_one_in_its_own_table(lab: Lab) -> Result {
    let here = lab.node("a").await?;
    let mut monitor = everywhere(&here).await?;
    here.ip("link add d0 type bridge").await;
    assert_eq!(named(&mut monitor, "d0").await, None);
    here.ip("netns set a 4").await;
    here.ip("link add d1 type bridge").await;
    assert_eq!(by_ip(&here).await, [4]);
    assert_eq!(named(&mut monitor, "d1").await, None);
    Ok(())
}

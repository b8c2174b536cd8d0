//! Lists, their filters and events against iproute2.

use futures_util::TryStreamExt;
use nl_core::IpFamily;
use nl_core::nexthop::{Nexthop, NexthopEntries, NexthopEvent, RTNLGRP_NEXTHOP};
use nl_core::route::RouteProtocol;
use nl_testkit::{Lab, Node, Result, within};

use super::support::{ids, shown, world};
use crate::support::SOON;

async fn agree(node: &Node, entries: NexthopEntries, words: &str) -> Vec<u32> {
    let theirs: Vec<_> = shown(node, words).await.iter().map(|hop| hop["id"].as_u64().unwrap()).collect();
    let ours = ids(entries).await;
    assert_eq!(ours.iter().map(|id| u64::from(*id)).collect::<Vec<_>>(), theirs, "`ip nexthop {words}`");
    ours
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"), timeout = 60)]
async fn nexthop_listing_equals_that_of_iproute2(lab: Lab) -> Result {
    let (node, nexthops) = world(&lab).await?;
    for line in [
        "link set d1 master br0",
        "nexthop add id 1 via 192.0.2.1 dev d0 proto bgp",
        "nexthop add id 2 dev d1",
        "nexthop add id 3 via 2001:db8::1 dev d0",
        "nexthop add id 4 via 203.0.113.1 fdb",
        "nexthop add id 10 group 1/2 proto bgp",
        "nexthop add id 11 group 4 fdb",
    ] {
        node.ip(line).await;
    }
    let all = || nexthops.entries();
    assert_eq!(agree(&node, all(), "show").await, [1, 2, 3, 4, 10, 11]);
    assert_eq!(agree(&node, all().dev("d0"), "show dev d0").await, [1, 3]);
    assert_eq!(agree(&node, all().master("br0"), "show master br0").await, [2]);
    assert_eq!(agree(&node, all().groups(), "show groups").await, [10, 11]);
    // The kernel does not filter by it, and so iproute2 does not.
    assert_eq!(ids(all().fdb()).await, [4, 11]);
    // iproute2 6.1 filters by it only when it flushes.
    assert_eq!(ids(all().protocol(RouteProtocol::BGP)).await, [1, 10]);
    assert_eq!(ids(all().ipv6()).await, [3]);
    assert_eq!(ids(all().family(IpFamily::V6)).await, [3]);
    assert_eq!(all().protocol(RouteProtocol::BGP).flush().await?, 2);
    assert_eq!(agree(&node, all(), "show").await, [2, 3, 4, 11]);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"))]
async fn nexthop_events_are_read(lab: Lab) -> Result {
    let (node, nexthops) = world(&lab).await?;
    let monitor = nexthops.connection().monitor().group(RTNLGRP_NEXTHOP);
    let mut events = monitor.open(|message| match Nexthop::is_nexthop(message) {
        true => NexthopEvent::decode(message).map(Some),
        false => Ok(None),
    })?;
    node.ip("nexthop add id 1 via 192.0.2.1 dev d0").await;
    node.ip("nexthop add id 10 group 1 type resilient buckets 4").await;
    node.ip("nexthop del id 10").await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = within(SOON, events.try_next(), "an event").await?.unwrap();
        seen.push((matches!(event, NexthopEvent::New(_)), event.nexthop().key()));
    }
    assert_eq!(seen, [(true, 1), (true, 10), (false, 10)]);
    Ok(())
}

//! Large tables.

use std::net::Ipv4Addr;

use nl_core::nexthop::{Nexthop, NexthopVerb};
use nl_core::route::RouteProtocol;
use nl_testkit::{Lab, Result, scaled};

use super::support::{ids, world};

const NEXTHOPS: u32 = 20_000;

fn count() -> u32 {
    scaled(NEXTHOPS, 1_000)
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"), timeout = 240, serial)]
async fn batch_of_nexthops_is_made_listed_and_flushed(lab: Lab) -> Result {
    let (node, nexthops) = world(&lab).await?;
    let index = node.index_of("d0").await?;
    let change = move |verb| {
        (1..=count()).map(move |id| {
            let gateway = Ipv4Addr::from(0x0a00_0000 + id);
            let hop = Nexthop::new(id).via(gateway.into()).oif(index).onlink();
            (verb, hop.protocol(RouteProtocol(200)))
        })
    };
    let made = nexthops.batch(change(NexthopVerb::Add)).summarize(1).await?;
    assert_eq!((made.succeeded, made.failed), (u64::from(count()), 0), "{:?}", made.failures);
    let again = nexthops.batch(change(NexthopVerb::Add)).summarize(1).await?;
    assert_eq!((again.succeeded, again.failed), (0, u64::from(count())));
    assert!(again.failures[0].1.is_exists(), "{:?}", again.failures);

    assert_eq!(ids(nexthops.entries().dev("d0")).await, (1..=count()).collect::<Vec<_>>());
    let shown = node.ip("-o nexthop show").await;
    assert_eq!(shown.lines().count(), usize::try_from(count())?);
    assert_eq!(nexthops.entries().protocol(RouteProtocol(200)).flush().await?, u64::from(count()));
    assert_eq!(ids(nexthops.entries()).await, [0; 0]);
    Ok(())
}

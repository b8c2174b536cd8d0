//! Large tables.

use std::net::Ipv4Addr;

use futures_util::TryStreamExt;
use nl_core::monitor::Monitor;
use nl_core::route::{NextHop, RTNLGRP_IPV4_ROUTE, Route, RouteEvent, RouteVerb};
use nl_core::{Connection, IpPrefix, Protocol};
use nl_testkit::{Lab, Result, scaled, within};

use super::support::world;
use crate::support::SOON;

const ROUTES: u32 = 20_000;

fn count() -> u32 {
    scaled(ROUTES, 1_000)
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 240, serial)]
async fn batch_of_routes_is_made_listed_and_flushed(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let index = node.index_of("d0").await?;
    let change = move |verb| {
        (0..count()).map(move |number| {
            let addr = Ipv4Addr::from(0x0a00_0000 + number);
            let route = Route::new(IpPrefix::host(addr.into())).via("192.0.2.1".parse().unwrap());
            (verb, route.oif(index).table(1000).metric(number))
        })
    };
    let made = routes.batch(change(RouteVerb::Add)).summarize(1).await?;
    assert_eq!((made.succeeded, made.failed), (u64::from(count()), 0), "{:?}", made.failures);
    // All of them again: each is refused by itself, and the words are those of its own.
    let again = routes.batch(change(RouteVerb::Add)).summarize(1).await?;
    assert_eq!((again.succeeded, again.failed), (0, u64::from(count())));
    assert!(again.failures[0].1.is_exists(), "{:?}", again.failures);

    let mut list = routes.entries().table(1000).list().await?;
    let mut listed = 0;
    while let Some(route) = list.try_next().await? {
        assert_eq!(route.priority.unwrap_or(0), listed, "{route}");
        listed += 1;
    }
    assert_eq!(listed, count());
    let shown = node.ip("-o route show table 1000").await;
    assert_eq!(shown.lines().count(), usize::try_from(count())?);

    assert_eq!(routes.entries().table(1000).flush().await?, u64::from(count()));
    assert_eq!(node.ip("-o route show table all").await.matches("table 1000").count(), 0);
    Ok(())
}

/// It is larger than what the kernel sends of a list at once.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn event_of_a_route_with_thousands_of_next_hops_is_read_whole(lab: Lab) -> Result {
    const HOPS: usize = 2500;
    let (node, _routes) = world(&lab).await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let mut events = node
        .open(|| {
            let monitor = Monitor::builder(Protocol::Route).group(RTNLGRP_IPV4_ROUTE);
            monitor.open(|message| RouteEvent::decode(message).map(Some))
        })
        .await?;
    let gateways = (1..=250).cycle().map(|last| NextHop::via(Ipv4Addr::new(192, 0, 2, last).into()));
    let prefix: IpPrefix = "198.51.100.0/24".parse()?;
    let route = Route::new(prefix).nexthops(gateways.take(HOPS));
    conn.acknowledged(route.request(RouteVerb::Add)).await?;
    let event = within(SOON, events.try_next(), "the event").await?.unwrap();
    assert_eq!((event.route().prefix, event.route().nexthops.len()), (prefix, HOPS));
    Ok(())
}

//! Lists and their filters against those of iproute2.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use nl_core::IpFamily;
use nl_core::route::{
    RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RouteEntries, RouteEvent, RouteProtocol, RouteType,
};
use nl_testkit::{Lab, Node, Result, within};

use super::support::{collect, shown, world};
use crate::support::SOON;

/// Destination and gateway of what is listed, by us and by iproute2.
async fn agree(node: &Node, entries: RouteEntries, words: &str) -> usize {
    let ours: BTreeSet<_> = collect(entries)
        .await
        .iter()
        .map(|route| (route.prefix.to_string(), route.gateway.map(|gateway| gateway.to_string())))
        .collect();
    let theirs: BTreeSet<_> = shown(node, words)
        .await
        .iter()
        .map(|route| {
            let dst = match route["dst"].as_str().unwrap() {
                "default" if words.contains("-6") => "::/0",
                "default" => "0.0.0.0/0",
                dst => dst,
            };
            let prefix: nl_core::IpPrefix = dst.parse().unwrap();
            // It does not repeat what it was asked for.
            let asked = words.split_once(" via ").map(|(_, gateway)| gateway);
            (prefix.to_string(), route["gateway"].as_str().or(asked).map(str::to_owned))
        })
        .collect();
    assert_eq!(ours, theirs, "`ip {words}`");
    ours.len()
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 60)]
async fn route_listing_equals_that_of_iproute2(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    for line in [
        "route add default via 192.0.2.1",
        "route add 198.51.100.0/24 via 192.0.2.1 proto bgp",
        "route add 198.51.100.0/25 via 192.0.3.1 metric 7",
        "route add blackhole 198.51.100.128/25",
        "route add 203.0.113.0/24 via 192.0.3.2 table 1000",
        "-6 route add default via 2001:db8::1",
        "-6 route add 2001:db8:1::/48 dev d1 table 1000",
    ] {
        node.ip(line).await;
    }
    let v4 = || routes.entries().ipv4();
    assert_eq!(agree(&node, routes.entries().family(IpFamily::V4), "route show").await, 6);
    let inside = "198.51.100.0/24".parse()?;
    assert_eq!(agree(&node, v4(), "route show").await, 6);
    assert!(agree(&node, v4().all_tables(), "-4 route show table all").await > 10);
    assert!(agree(&node, v4().table(255), "route show table local").await > 4);
    assert_eq!(agree(&node, v4().table(1000), "route show table 1000").await, 1);
    assert_eq!(agree(&node, v4().dev("d1"), "route show dev d1").await, 2);
    assert_eq!(agree(&node, v4().protocol(RouteProtocol::BGP), "route show proto bgp").await, 1);
    assert_eq!(agree(&node, v4().kind(RouteType::Blackhole), "route show type blackhole").await, 1);
    assert_eq!(agree(&node, v4().via("192.0.3.1".parse()?), "route show via 192.0.3.1").await, 1);
    assert_eq!(agree(&node, v4().exact(inside), "route show exact 198.51.100.0/24").await, 1);
    assert_eq!(agree(&node, v4().root(inside), "route show root 198.51.100.0/24").await, 3);
    let host = "198.51.100.7/32".parse()?;
    assert_eq!(agree(&node, v4().matching(host), "route show match 198.51.100.7").await, 3);
    assert_eq!(agree(&node, routes.entries().ipv6().table(1000), "-6 route show table 1000").await, 1);
    assert!(agree(&node, routes.entries().ipv6(), "-6 route show").await > 2);
    assert!(agree(&node, routes.entries().family(IpFamily::V6), "-6 route show").await > 2);

    // Both families at once.
    let both = collect(routes.entries().table(1000)).await;
    assert_eq!(both.iter().map(|route| route.is_ipv4()).collect::<Vec<_>>(), [true, false]);
    // The default of IPv4 and that of IPv6 are two destinations.
    let default = routes.entry("::/0".parse()?).get().await?;
    assert_eq!(default.gateway, Some("2001:db8::1".parse()?));
    let error = collect_error(v4().table(4711)).await;
    assert!(error.is_not_found(), "{error}");
    Ok(())
}

async fn collect_error(entries: RouteEntries) -> nl_core::Error {
    entries.list().await.unwrap().collect_all().await.unwrap_err()
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn exact_route_is_found_where_another_is_looked_up(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    for line in [
        "route add 198.51.0.0/16 via 192.0.2.1",
        "route add 198.51.0.0/24 via 192.0.2.2",
        "route add blackhole 198.51.0.0/25",
        "route add 198.51.0.0/16 via 192.0.2.3 table 1000",
        "route add 198.51.0.0/16 via 192.0.2.4 metric 9",
    ] {
        node.ip(line).await;
    }
    let wide = "198.51.0.0/16".parse()?;
    let gateway = |route: nl_core::route::Route| route.gateway.unwrap().to_string();
    assert_eq!(gateway(routes.entry(wide).get().await?), "192.0.2.1");
    assert_eq!(gateway(routes.entry(wide).table(1000).get().await?), "192.0.2.3");
    assert_eq!(gateway(routes.entry(wide).metric(9).get().await?), "192.0.2.4");
    assert_eq!(gateway(routes.entry("198.51.0.0/24".parse()?).get().await?), "192.0.2.2");
    let narrow = routes.entry("198.51.0.0/25".parse()?).get().await?;
    assert_eq!(narrow.kind, RouteType::Blackhole);
    assert!(routes.entry("198.51.0.0/17".parse()?).get().await.unwrap_err().is_not_found());
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn flush_removes_what_matches_and_nothing_else(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    for number in 0..100 {
        node.ip(&format!("route add 198.51.100.{number} via 192.0.2.1 proto bgp table 1000")).await;
    }
    for line in [
        "route add 203.0.113.0/24 via 192.0.2.1 table 1000",
        "-6 route add 2001:db8:1::/48 via 2001:db8::1 proto bgp table 1000",
        "-6 route add 2001:db8:2::/48 proto bgp table 1000 nexthop via 2001:db8::1 nexthop via 2001:db8:f::1",
        "-6 route add blackhole 2001:db8:3::/48 proto bgp table 1000",
        "route add 198.51.100.0/24 via 192.0.2.1 proto bgp",
    ] {
        node.ip(line).await;
    }
    assert_eq!(routes.entries().table(1000).protocol(RouteProtocol::BGP).flush().await?, 103);
    assert_eq!(shown(&node, "route show table 1000").await.len(), 1);
    assert_eq!(shown(&node, "-6 route show table 1000").await.len(), 0);
    assert_eq!(shown(&node, "route show proto bgp").await.len(), 1);
    assert_eq!(routes.entries().table(1000).flush().await?, 1);
    assert_eq!(routes.entries().table(1000).ipv4().flush().await?, 0, "a table that is not there");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn route_events_are_read(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let monitor = routes.connection().monitor().group(RTNLGRP_IPV4_ROUTE).group(RTNLGRP_IPV6_ROUTE);
    let mut events = monitor.open(|message| RouteEvent::decode(message).map(Some))?;
    node.ip("route add 198.51.100.0/24 via 192.0.2.1 metric 7").await;
    node.ip("-6 route add 2001:db8:1::/48 dev d0 metric 7").await;
    node.ip("route del 198.51.100.0/24").await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = within(SOON, events.try_next(), "an event").await?.unwrap();
        // Others are the kernel's, for addresses.
        if event.route().priority == Some(7) {
            let is_new = matches!(event, RouteEvent::New(_));
            seen.push((is_new, event.route().prefix.to_string()));
        }
    }
    let expected = [(true, "198.51.100.0/24"), (true, "2001:db8:1::/48"), (false, "198.51.100.0/24")];
    assert_eq!(seen, expected.map(|(is_new, to)| (is_new, to.to_owned())));
    Ok(())
}

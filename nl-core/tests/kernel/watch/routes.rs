use std::collections::BTreeSet;

use nl_core::route::{Route, RouteWatch};
use nl_core::watch::Change;
use nl_testkit::{Lab, Node, Result};
use serde_json::Value;

use super::support::{compared, converge, field, shown, synced, texts, until};
use crate::support::route;

/// A device by its number, or by its name as iproute2 shows it.
fn paths(route: &Value) -> String {
    let mut hops = match route["nexthops"].as_array() {
        None => vec![format!("{} {}", field(route, "gateway"), field(route, "dev"))],
        Some(hops) => {
            hops.iter().map(|hop| format!("{} {}", field(hop, "gateway"), field(hop, "dev"))).collect()
        }
    };
    hops.sort();
    hops.join(", ")
}

/// Until the watch has what a list has, and what iproute2 shows.
pub(super) async fn exact(watch: &mut RouteWatch, node: &Node) {
    converge(watch, async |watch| difference(watch, node).await).await;
}

async fn difference(watch: &RouteWatch, node: &Node) -> Option<String> {
    let conn = route(node).await;
    let mut fresh = RouteWatch::open(&conn).await.unwrap();
    synced(&mut fresh).await;
    let listed = compared(&texts(watch.entries()), &texts(fresh.entries()), "listed");
    let names = conn.link_names().await.unwrap();
    let name = |index: Option<u32>| index.and_then(|index| names.get(&index)).map(ToString::to_string);
    let ours: BTreeSet<_> = watch
        .entries()
        .map(|route| {
            let path = |gateway: Option<std::net::IpAddr>, dev: Option<u32>| {
                let gateway = gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
                format!("{gateway} {}", name(dev).unwrap_or_default())
            };
            let mut hops: Vec<_> = route
                .nexthops
                .iter()
                .map(|hop| path(hop.gateway, hop.dev.as_ref().and_then(|dev| dev.index())))
                .collect();
            if hops.is_empty() {
                hops.push(path(route.gateway, route.oif));
            }
            hops.sort();
            let dst = match route.prefix.len() {
                0 => "default".to_owned(),
                32 | 128 if route.prefix.len() == if route.is_ipv4() { 32 } else { 128 } => {
                    route.prefix.addr().to_string()
                }
                _ => route.prefix.to_string(),
            };
            format!("{} {dst} {} {}", route.in_table(), route.priority.unwrap_or(0), hops.join(", "))
        })
        .collect();
    let mut theirs = BTreeSet::new();
    for family in ["-4", "-6"] {
        for route in shown(node, &format!("ip -j -N {family} route show table all")).await {
            let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
            let (table, metric) = (or(field(&route, "table"), "254"), or(field(&route, "metric"), "0"));
            theirs.insert(format!("{table} {} {metric} {}", field(&route, "dst"), paths(&route)));
        }
    }
    listed.or(compared(&ours, &theirs, "iproute2 shows"))
}

/// `d0` and `d1`, with networks of IPv4 and IPv6.
pub(super) async fn world(lab: &Lab) -> Result<Node> {
    let node = lab.node("a").await?;
    node.ip("link set lo up").await;
    for number in ["0", "1"] {
        node.ip(&format!("link add d{number} type veth peer name p{number}")).await;
        node.ip(&format!("link set p{number} up")).await;
        node.ip(&format!("link set d{number} up")).await;
        node.ip(&format!("address add 192.0.{number}.254/24 dev d{number}")).await;
        node.ip(&format!("address add 2001:db8:{number}::fe/64 dev d{number} nodad")).await;
    }
    Ok(node)
}

async fn watched(lab: &Lab) -> Result<(Node, RouteWatch)> {
    let node = world(lab).await?;
    let mut watch = RouteWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    Ok((node, watch))
}

fn added(route: &str) -> impl Fn(&Change<Route>) -> bool {
    move |change| matches!(change, Change::Added(added) if added.prefix.to_string() == route)
}

fn changed(route: &str) -> impl Fn(&Change<Route>) -> bool {
    move |change| matches!(change, Change::Changed { after, .. } if after.prefix.to_string() == route)
}

fn deleted(route: &str) -> impl Fn(&Change<Route>) -> bool {
    move |change| matches!(change, Change::Deleted(deleted) if deleted.prefix.to_string() == route)
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn watch_of_routes_follows_routes_that_are_replaced_and_deleted(lab: Lab) -> Result {
    let (node, mut watch) = watched(&lab).await?;
    exact(&mut watch, &node).await;
    for (net, via) in [("10.0.0.0/8", "192.0.0"), ("2001:db8:9::/48", "2001:db8:0:0:0:0:0")] {
        let hop =
            |last: u8| if net.contains(':') { format!("{via}:{last}") } else { format!("{via}.{last}") };
        node.ip(&format!("route add {net} via {}", hop(1))).await;
        until(&mut watch, net, added(net)).await;
        node.ip(&format!("route replace {net} via {}", hop(2))).await;
        let Change::Changed { before, after } = until(&mut watch, net, changed(net)).await else {
            unreachable!()
        };
        assert_ne!(before.gateway, after.gateway);
        node.ip(&format!("route add {net} via {} metric 77", hop(3))).await;
        until(&mut watch, net, added(net)).await;
        node.ip(&format!("route del {net} via {}", hop(2))).await;
        let Change::Deleted(old) = until(&mut watch, net, deleted(net)).await else { unreachable!() };
        assert_ne!(old.priority, Some(77));
    }
    exact(&mut watch, &node).await;
    Ok(())
}

/// IPv4 takes several routes with one key, and replaces the first one.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn watch_of_routes_has_every_ipv4_route_that_was_appended(lab: Lab) -> Result {
    let (node, mut watch) = watched(&lab).await?;
    let net = "10.0.0.0/8";
    for verb in ["add", "append", "prepend"] {
        let last = verb.len();
        node.ip(&format!("route {verb} {net} via 192.0.0.{last}")).await;
        until(&mut watch, verb, added(net)).await;
    }
    exact(&mut watch, &node).await;
    node.ip(&format!("route replace {net} via 192.0.0.9")).await;
    until(&mut watch, "the replaced route", deleted(net)).await;
    until(&mut watch, "the new route", added(net)).await;
    synced(&mut watch).await;
    exact(&mut watch, &node).await;
    node.ip(&format!("route del {net} via 192.0.0.6")).await;
    let Change::Deleted(old) = until(&mut watch, "a deletion", deleted(net)).await else { unreachable!() };
    assert_eq!(old.gateway, Some("192.0.0.6".parse()?));
    exact(&mut watch, &node).await;
    Ok(())
}

/// IPv6 reports the path that was added with all others, and one that was deleted alone.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn watch_of_routes_follows_the_paths_of_an_ipv6_route(lab: Lab) -> Result {
    let (node, mut watch) = watched(&lab).await?;
    let net = "2001:db8:9::/48";
    node.ip(&format!("route add {net} nexthop via 2001:db8::1 nexthop via 2001:db8:1::1")).await;
    until(&mut watch, "the route", added(net)).await;
    node.ip(&format!("-6 route append {net} via 2001:db8:1::2")).await;
    let Change::Changed { after, .. } = until(&mut watch, "a path", changed(net)).await else {
        unreachable!()
    };
    assert_eq!(after.nexthops.len(), 3);
    for (left, via) in [(2, "2001:db8::1"), (0, "2001:db8:1::2")] {
        exact(&mut watch, &node).await;
        node.ip(&format!("-6 route del {net} via {via}")).await;
        let Change::Changed { after, .. } = until(&mut watch, via, changed(net)).await else {
            unreachable!()
        };
        assert_eq!(after.nexthops.len(), left);
    }
    exact(&mut watch, &node).await;
    node.ip(&format!("route del {net}")).await;
    until(&mut watch, "the end of it", deleted(net)).await;
    // One per device, all with the same metric.
    node.ip("-6 route append 2001:db8:a::/48 dev d0 metric 9").await;
    node.ip("-6 route append 2001:db8:a::/48 dev d1 metric 9").await;
    for device in ["d0", "d1"] {
        until(&mut watch, device, added("2001:db8:a::/48")).await;
    }
    exact(&mut watch, &node).await;
    Ok(())
}

/// The kernel has no events for IPv4 routes that go with their device.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn watch_of_routes_notices_those_that_vanish_with_their_device(lab: Lab) -> Result {
    let (node, mut watch) = watched(&lab).await?;
    let routes = |watch: &RouteWatch| {
        watch.entries().filter(|route| route.prefix.to_string().starts_with("10.")).count()
    };
    for (number, action) in
        ["link set d0 down", "address del 192.0.0.254/24 dev d0", "link del d0"].iter().enumerate()
    {
        if number == 1 {
            node.ip("link set d0 up").await;
        }
        if number == 2 {
            node.ip("address add 192.0.0.254/24 dev d0").await;
        }
        node.ip("route replace 10.1.0.0/16 via 192.0.0.1").await;
        node.ip("route replace 10.2.0.0/16 nexthop via 192.0.0.1 nexthop via 192.0.1.1").await;
        node.ip("route replace 10.3.0.0/16 dev d1 src 192.0.0.254").await;
        if number == 0 {
            // Its first path is dead then, and gone with the device.
            node.ip("-6 route add 2001:db8:b::/48 nexthop via 2001:db8:0::1 nexthop via 2001:db8:1::1").await;
        }
        while routes(&watch) < 3 {
            until(&mut watch, "the routes", |change| matches!(change, Change::Added(_))).await;
        }
        node.ip(action).await;
        until(&mut watch, action, deleted("10.1.0.0/16")).await;
        // What is left after the first action is deleted, so that all that follows is new.
        synced(&mut watch).await;
        exact(&mut watch, &node).await;
        for net in ["10.2.0.0/16", "10.3.0.0/16"] {
            if watch.entries().any(|route| route.prefix.to_string() == net) {
                node.ip(&format!("route del {net}")).await;
                until(&mut watch, net, deleted(net)).await;
            }
        }
    }
    Ok(())
}

/// Those over it vanish without an event.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn watch_of_routes_follows_their_nexthop_objects(lab: Lab) -> Result {
    let (node, mut watch) = watched(&lab).await?;
    node.ip("nexthop add id 1 via 192.0.0.1 dev d0").await;
    node.ip("route add 10.0.0.0/8 nhid 1").await;
    until(&mut watch, "the route", added("10.0.0.0/8")).await;
    node.ip("nexthop replace id 1 via 192.0.1.1 dev d1").await;
    let Change::Changed { after, .. } = until(&mut watch, "its path", changed("10.0.0.0/8")).await else {
        unreachable!()
    };
    assert_eq!(after.gateway, Some("192.0.1.1".parse()?));
    exact(&mut watch, &node).await;
    node.ip("nexthop del id 1").await;
    until(&mut watch, "the end of it", deleted("10.0.0.0/8")).await;
    synced(&mut watch).await;
    exact(&mut watch, &node).await;
    Ok(())
}

//! Lookups against `ip route get`.

use nl_core::route::{Resolve, Route};
use nl_testkit::{Lab, Node, Result};
use serde_json::Value;

use super::support::world;

/// What `ip` and we both know of an answer.
type Facts = (Option<String>, Option<String>, Option<String>, Option<u64>);

async fn theirs(node: &Node, words: &str) -> Facts {
    let list = node.json(&format!("ip -j route get {words}")).await;
    let text = |key: &str| list[0][key].as_str().map(str::to_owned);
    let table = match &list[0]["table"] {
        Value::String(table) => table.parse().ok(),
        _ => None,
    };
    (text("gateway"), text("dev"), text("prefsrc"), table)
}

async fn ours(node: &Node, lookup: Resolve) -> Facts {
    let route: Route = lookup.get().await.unwrap();
    let text = |addr: Option<std::net::IpAddr>| addr.map(|addr| addr.to_string());
    let mut dev = None;
    for name in ["lo", "d0", "d1"] {
        if route.oif == Some(node.index_of(name).await.unwrap()) {
            dev = Some(name.to_owned());
        }
    }
    let table = route.table.filter(|table| !matches!(table, 254 | 255)).map(u64::from);
    (text(route.gateway), dev, text(route.prefsrc), table)
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 60)]
async fn lookup_answers_as_iproute2(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    for line in [
        "route add default via 192.0.2.1",
        "route add 198.51.100.0/24 via 192.0.3.1",
        "route add 198.51.100.0/24 via 192.0.2.9 table 1000",
        "rule add fwmark 0x10 table 1000",
        "rule add ipproto 6 dport 443 table 1000",
        "-6 route add 2001:db8:1::/48 via 2001:db8::1",
    ] {
        node.ip(line).await;
    }
    let to = || routes.resolve("198.51.100.7".parse().unwrap());
    for (words, lookup) in [
        ("203.0.113.1", routes.resolve("203.0.113.1".parse()?)),
        ("198.51.100.7", to()),
        ("198.51.100.7 mark 0x10", to().mark(0x10)),
        ("198.51.100.7 ipproto 6 dport 443", to().ip_proto(6).dport(443)),
        ("198.51.100.7 ipproto 17 dport 443", to().ip_proto(17).dport(443)),
        ("198.51.100.7 oif d0", to().oif("d0")),
        ("198.51.100.7 from 192.0.2.254", to().from("192.0.2.254".parse()?)),
        ("192.0.2.254", routes.resolve("192.0.2.254".parse()?)),
        ("fibmatch 198.51.100.7", to().fib_match()),
        ("2001:db8:1::7", routes.resolve("2001:db8:1::7".parse()?)),
        ("2001:db8:1::7 oif d0", routes.resolve("2001:db8:1::7".parse()?).oif("d0")),
        ("fibmatch 2001:db8:1::7", routes.resolve("2001:db8:1::7".parse()?).fib_match()),
    ] {
        assert_eq!(ours(&node, lookup).await, theirs(&node, words).await, "`ip route get {words}`");
    }
    let matched = to().fib_match().get().await?;
    assert_eq!(matched.prefix.to_string(), "198.51.100.0/24");
    let marked = to().mark(0x10).get().await?;
    let mark = marked.looked_up.as_ref().and_then(|asked| asked.mark);
    assert_eq!((marked.table, mark), (Some(1000), Some(0x10)), "{marked}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn lookup_without_a_way_reports_what_the_route_says(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    node.ip("route add prohibit 198.51.100.0/24").await;
    let error = routes.resolve("198.51.100.7".parse()?).get().await.unwrap_err();
    assert_eq!(error.to_string().lines().next(), Some("get route 198.51.100.7: Permission denied (EACCES)"));
    let error = routes.resolve("203.0.113.7".parse()?).get().await.unwrap_err();
    assert_eq!(
        error.to_string().lines().next(),
        Some("get route 203.0.113.7: Network is unreachable (ENETUNREACH)")
    );
    Ok(())
}

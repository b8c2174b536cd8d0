//! Every attribute both ways: what we set iproute2 shows as if it had set it, and what iproute2 sets we read as if we had.

use std::time::Duration;

use nl_core::route::{
    NextHop, Realms, RouteEntry, RouteFeatures, RoutePref, RouteProtocol, RouteScope, RouteType, Routes,
};
use nl_testkit::{Lab, Node, Result};
use serde_json::{Value, json};

use super::support::{collect, shown, shown_the, the, world};

/// One route: through the library, and in the words of `ip route add`.
struct Case {
    prefix: &'static str,
    words: &'static str,
    ours: fn(RouteEntry) -> RouteEntry,
}

fn case(prefix: &'static str, words: &'static str, ours: fn(RouteEntry) -> RouteEntry) -> Case {
    Case { prefix, words, ours }
}

impl Case {
    /// Returns what iproute2 shows.
    async fn check(&self, node: &Node, routes: &Routes) -> Value {
        let Self { prefix, words, ours } = self;
        let family = if prefix.contains(':') { "-6" } else { "-4" };
        let show = format!("{family} route show table all exact {prefix}");
        let to = prefix.parse().unwrap();
        let listed = || routes.entries().all_tables().exact(to);

        ours(routes.entry(to)).add().await.map_err(|error| format!("{prefix} {words}: {error}")).unwrap();
        let by_us = without_ages(shown_the(node, &show).await);
        let read = the(listed()).await;
        let mut got = ours(routes.entry(to)).get().await.unwrap().without_ages();
        if !got.is_ipv4() {
            // The path that the lookup chose is the first one.
            got.nexthops.sort_by_key(|hop| hop.gateway);
        }
        assert_eq!(got.to_string(), read.to_string(), "{prefix} {words}");
        ours(routes.entry(to)).delete().await.map_err(|error| format!("{prefix} {words}: {error}")).unwrap();
        assert_eq!(shown(node, &show).await, [] as [Value; 0], "deleted by us: {prefix} {words}");

        let kind = words.split(' ').next().filter(|word| KINDS.contains(word));
        let rest = kind.map_or(*words, |kind| words.strip_prefix(kind).unwrap());
        let line = format!("{family} route add {} {prefix} {rest}", kind.unwrap_or_default());
        node.ip(&line).await;
        assert_eq!(without_ages(shown_the(node, &show).await), by_us, "`ip {line}`");
        assert_eq!(the(listed()).await, read, "`ip {line}`");
        // What was read is removed as it was read.
        assert_eq!(routes.entries().all_tables().exact(to).flush().await.unwrap(), 1, "`ip {line}`");
        assert_eq!(collect(listed()).await, [], "`ip {line}`");
        by_us
    }
}

const KINDS: [&str; 6] = ["blackhole", "unreachable", "prohibit", "throw", "local", "broadcast"];

fn without_ages(mut shown: Value) -> Value {
    shown.as_object_mut().unwrap().remove("expires");
    shown
}

macro_rules! ip {
    ($addr:literal) => {
        $addr.parse().unwrap()
    };
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 60)]
async fn ipv4_route_set_by_either_reads_equally(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    for case in [
        case("198.51.100.0/24", "via 192.0.2.1", |r| r.via(ip!("192.0.2.1"))),
        case("198.51.100.0/24", "via 192.0.2.1 dev d0 metric 100", |r| {
            r.via(ip!("192.0.2.1")).dev("d0").metric(100)
        }),
        case("198.51.100.7/32", "dev d0 src 192.0.2.254 proto bgp", |r| {
            r.dev("d0").src(ip!("192.0.2.254")).protocol(RouteProtocol::BGP)
        }),
        case("0.0.0.0/0", "via 192.0.2.1 proto 200", |r| {
            r.via(ip!("192.0.2.1")).protocol(RouteProtocol(200))
        }),
        case("198.51.100.0/24", "via 203.0.113.9 dev d0 onlink", |r| {
            r.via(ip!("203.0.113.9")).dev("d0").onlink()
        }),
        case("198.51.100.0/24", "dev d0 scope host tos 0x10", |r| {
            r.dev("d0").scope(RouteScope::Host).tos(0x10)
        }),
        case("198.51.100.0/24", "dev d0 table 255", |r| r.dev("d0").table(255)),
        case("198.51.100.0/24", "dev d0 table 256", |r| r.dev("d0").table(256)),
        case("198.51.100.0/24", "dev d0 table 4294967295", |r| r.dev("d0").table(u32::MAX)),
        case("198.51.100.0/24", "blackhole", RouteEntry::blackhole),
        case("198.51.100.0/24", "unreachable metric 7", |r| r.unreachable().metric(7)),
        case("198.51.100.0/24", "prohibit", RouteEntry::prohibit),
        case("198.51.100.0/24", "throw table 9", |r| r.throw().table(9)),
        case("198.51.100.9/32", "local dev lo", |r| r.local().dev("lo")),
        case("198.51.100.255/32", "broadcast dev d0", |r| r.broadcast().dev("d0")),
        case(
            "198.51.100.0/24",
            "nexthop via 192.0.2.1 dev d0 weight 2 nexthop via 192.0.3.1 weight 256",
            |r| {
                r.nexthop(NextHop::via(ip!("192.0.2.1")).dev("d0").weight(2))
                    .nexthop(NextHop::via(ip!("192.0.3.1")).weight(256))
            },
        ),
        case("198.51.100.0/24", "nexthop dev d0 nexthop via 203.0.113.1 dev d1 onlink", |r| {
            r.nexthops([NextHop::on("d0"), NextHop::via(ip!("203.0.113.1")).dev("d1").onlink()])
        }),
    ] {
        case.check(&node, &routes).await;
    }
    Ok(())
}

/// iproute2 shows the metrics it knows.
#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 60)]
async fn metrics_set_by_either_read_equally(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let all = "dev d0 mtu lock 1400 window 1000 rtt 20ms rttvar 3ms ssthresh 5 cwnd 6 advmss 1300 reordering 4 hoplimit 60 \
               initcwnd 12 features ecn rto_min 40ms initrwnd 14 quickack 1 fastopen_no_cookie 1";
    let shown = case("198.51.100.0/24", all, |r| {
        r.dev("d0")
            .mtu_locked(1400)
            .window(1000)
            .rtt(Duration::from_millis(20))
            .rttvar(Duration::from_millis(3))
            .ssthresh(5)
            .cwnd(6)
            .advmss(1300)
            .reordering(4)
            .hoplimit(60)
            .initcwnd(12)
            .features(RouteFeatures::ECN)
            .rto_min(Duration::from_millis(40))
            .initrwnd(14)
            .quickack(1)
            .fastopen_no_cookie(1)
    })
    .check(&node, &routes)
    .await;
    assert_eq!(shown["metrics"][0]["mtu"], 1400, "{shown:#}");
    case("198.51.100.0/24", "dev d0 congctl lock cubic mtu 65520", |r| {
        r.dev("d0").cc_algo("cubic").mtu(65520)
    })
    .check_text(&node, &routes, "congctl cubic")
    .await;
    Ok(())
}

impl Case {
    /// Ours, as our reading prints it and iproute2 too.
    async fn check_text(&self, node: &Node, routes: &Routes, words: &str) {
        let to = self.prefix.parse().unwrap();
        (self.ours)(routes.entry(to)).add().await.unwrap();
        let read = the(routes.entries().exact(to)).await.to_string();
        assert!(read.contains(words), "{read}");
        let shown = node.ip(&format!("route show exact {}", self.prefix)).await;
        assert!(shown.contains(words), "{shown}");
        (self.ours)(routes.entry(to)).delete().await.unwrap();
    }
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 60)]
async fn ipv6_route_set_by_either_reads_equally(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    for case in [
        case("2001:db8:1::/48", "via 2001:db8::1", |r| r.via(ip!("2001:db8::1"))),
        case("2001:db8:1::/48", "via 2001:db8::1 dev d0 metric 20 pref high", |r| {
            r.via(ip!("2001:db8::1")).dev("d0").metric(20).pref(RoutePref::High)
        }),
        case("2001:db8:1::/48", "dev d0 expires 600 pref low", |r| {
            r.dev("d0").expires(600).pref(RoutePref::Low)
        }),
        case("::/0", "dev d0 proto ra table 70000", |r| r.dev("d0").protocol(RouteProtocol::RA).table(70000)),
        case("2001:db8:1::1/128", "dev d0 src 2001:db8::fe mtu 1300", |r| {
            r.dev("d0").src(ip!("2001:db8::fe")).mtu(1300)
        }),
        case("2001:db8:1::/48", "blackhole", RouteEntry::blackhole),
        case("2001:db8:1::/48", "unreachable metric 5", |r| r.unreachable().metric(5)),
        case("2001:db8:1::/48", "prohibit", RouteEntry::prohibit),
        case("2001:db8:1::/48", "throw table 7", |r| r.throw().table(7)),
        case("2001:db8:1::9/128", "local dev lo", |r| r.local().dev("lo")),
        case("2001:db8:1::/48", "nexthop via 2001:db8::1 weight 3 nexthop via 2001:db8:f::1 dev d1", |r| {
            r.nexthop(NextHop::via(ip!("2001:db8::1")).weight(3))
                .nexthop(NextHop::via(ip!("2001:db8:f::1")).dev("d1"))
        }),
    ] {
        case.check(&node, &routes).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn ipv4_route_through_ipv6_router_reads_equally(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let shown =
        case("198.51.100.0/24", "via inet6 2001:db8::1 dev d0", |r| r.via(ip!("2001:db8::1")).dev("d0"))
            .check(&node, &routes)
            .await;
    assert_eq!(shown["via"], json!({ "family": "inet6", "host": "2001:db8::1" }));
    case("198.51.100.0/24", "nexthop via inet6 2001:db8::1 dev d0 nexthop via 192.0.3.1 dev d1", |r| {
        r.nexthops([NextHop::via(ip!("2001:db8::1")).dev("d0"), NextHop::via(ip!("192.0.3.1")).dev("d1")])
    })
    .check(&node, &routes)
    .await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn nexthop_object_in_a_route_is_read_and_written_back(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    node.ip("nexthop add id 7 via 192.0.2.1 dev d0").await;
    case("198.51.100.0/24", "nhid 7", |r| r.nhid(7)).check(&node, &routes).await;

    node.ip("route add 198.51.100.0/24 nhid 7").await;
    let read = the(routes.entries().nhid(7)).await;
    assert_eq!((read.nexthop_id, read.gateway), (Some(7), Some(ip!("192.0.2.1"))), "{read}");
    // Its path is the object's, and is not sent.
    let back = [(nl_core::route::RouteVerb::Replace, read.clone())];
    routes.batch(back).summarize(1).await?.into_result()?;
    assert_eq!(the(routes.entries().nhid(7)).await, read);
    Ok(())
}

/// `realms` needs an option of the kernel, and so does `from`: whoever lacks it refuses iproute2 too, or ignores both.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn realms_read_as_iproute2_shows_them(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let to = "198.51.100.0/24".parse()?;
    routes.entry(to).dev("d0").realms(Realms { from: 3, to: 7 }).add().await?;
    let read = the(routes.entries().exact(to)).await;
    let shown = node.ip("route show exact 198.51.100.0/24").await;
    assert_eq!(read.realms.is_some(), shown.contains("realm"), "{read}: {shown}");
    assert!(read.realms.is_none_or(|realms| realms == Realms { from: 3, to: 7 }), "{read}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn routes_with_one_key_stand_in_the_order_of_iproute2(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let to = "198.51.100.0/24".parse()?;
    routes.entry(to).via(ip!("192.0.2.1")).add().await?;
    routes.entry(to).via(ip!("192.0.2.2")).append().await?;
    routes.entry(to).via(ip!("192.0.2.3")).prepend().await?;
    let gateways = |list: Vec<Value>| -> Vec<String> {
        list.iter().map(|route| route["gateway"].as_str().unwrap().to_owned()).collect()
    };
    let order = ["192.0.2.3", "192.0.2.1", "192.0.2.2"];
    assert_eq!(gateways(shown(&node, "route show exact 198.51.100.0/24").await), order);
    let read = collect(routes.entries().exact(to)).await;
    assert_eq!(read.iter().map(|route| route.gateway.unwrap().to_string()).collect::<Vec<_>>(), order);

    routes.entry(to).via(ip!("192.0.2.2")).delete().await?;
    routes.entry(to).via(ip!("192.0.2.9")).change().await?;
    assert_eq!(gateways(shown(&node, "route show exact 198.51.100.0/24").await), ["192.0.2.9", "192.0.2.1"]);
    let kinds: Vec<_> = collect(routes.entries().exact(to)).await.iter().map(|route| route.kind).collect();
    assert_eq!(kinds, [RouteType::Unicast; 2]);
    Ok(())
}

//! Routers behind an L3 VNI, as iproute2 shows them.

use nl_bridge::leaf::{BridgeConfig, InterfaceConfig, RouterConfig, VrfConfig, VxlanConfig};
use nl_core::{IpPrefix, MacAddr};
use nl_testkit::{Lab, Node, Result};

use super::support::*;
use crate::vlan_db::support::tunnelshow;

const fn mac(number: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 1, number])
}

fn ip(text: &str) -> IpPrefix {
    text.parse().unwrap()
}

fn router(number: u8, prefixes: &[&str]) -> RouterConfig {
    let router = RouterConfig::new(other(number), mac(number));
    prefixes.iter().fold(router, |router, prefix| router.route(ip(prefix)))
}

fn tenant(routers: impl IntoIterator<Item = RouterConfig>) -> BridgeConfig {
    let transit = InterfaceConfig::new("vlan4000", 4000).vrf("red");
    BridgeConfig::new("br0")
        .address(mac(1))
        .vrf(VrfConfig::new("red", 1001))
        .interface(routers.into_iter().fold(transit, InterfaceConfig::router))
        .vxlan(VxlanConfig::new("vx0").local(other(1)).map(4000, 4000))
}

/// The routes of the table of the tenant, sorted: destination and gateways.
async fn routes(node: &Node) -> Vec<String> {
    let mut routes = Vec::new();
    for family in ["-4", "-6"] {
        let shown = node.json(&format!("ip {family} -j route show table 1001 proto 203")).await;
        for route in shown.as_array().unwrap() {
            let hops = route.get("nexthops").and_then(|hops| hops.as_array()).cloned().unwrap_or_default();
            let hops = hops.iter().map(|hop| &hop["gateway"]).chain(route.get("gateway"));
            let hops: Vec<_> = hops.filter_map(|gateway| gateway.as_str()).collect();
            routes.push(format!("{} {}", route["dst"].as_str().unwrap(), hops.join(",")));
        }
    }
    routes.sort();
    routes
}

/// The neighbours of the interface, sorted, with their flag and state.
async fn neighbours(node: &Node) -> Vec<String> {
    let shown = node.json("ip -j neighbour show dev vlan4000").await;
    let permanent = shown.as_array().unwrap().iter().filter(|there| there["state"][0] == "PERMANENT");
    let words = permanent.map(|there| {
        let learned = if there.get("extern_learn").is_some() { " extern_learn" } else { "" };
        format!("{} {}{learned}", there["dst"].as_str().unwrap(), there["lladdr"].as_str().unwrap())
    });
    let mut words: Vec<_> = words.collect();
    words.sort();
    words
}

/// The entries for the MAC address of a router: of the VXLAN device, and of the bridge.
async fn entries(node: &Node, number: u8) -> Vec<String> {
    let shown = node.json("bridge -j fdb show dev vx0").await;
    let of_router = shown.as_array().unwrap().iter().filter(|entry| entry["mac"] == mac(number).to_string());
    let words = of_router.map(|entry| match entry["dst"].as_str() {
        Some(dst) => format!("vni {} dst {dst}", entry["src_vni"]),
        None => format!("vlan {}", entry["vlan"]),
    });
    let mut words: Vec<_> = words.collect();
    words.sort();
    words
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", link = "vrf", tool = "bridge"),
    timeout = 60
)]
async fn routers_are_shown_by_iproute2_change_and_go(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    node.sysctl("net.ipv6.conf.default.disable_ipv6", "0").await?;
    let leaf = leaf_of(&node).await;
    let both = || [router(2, &["10.0.20.0/24", "2001:db8:20::/64"]), router(3, &["10.0.20.0/24"])];
    leaf.apply(&tenant(both())).await?;
    assert_eq!(
        routes(&node).await,
        ["10.0.20.0/24 192.0.2.2,192.0.2.3", "2001:db8:20::/64 ::ffff:192.0.2.2"]
    );
    let expected = [
        "192.0.2.2 02:00:00:00:01:02 extern_learn",
        "192.0.2.3 02:00:00:00:01:03 extern_learn",
        "::ffff:192.0.2.2 02:00:00:00:01:02 extern_learn",
    ];
    assert_eq!(neighbours(&node).await, expected);
    assert_eq!(entries(&node, 2).await, ["vlan 4000", "vni 4000 dst 192.0.2.2"]);
    assert_eq!(lines(&leaf.apply(&tenant(both())).await?), [] as [&str; 0]);
    let observed = leaf.observe("br0").await?;
    assert_eq!(observed.interfaces, tenant(both()).interfaces);

    // One leaf goes, the other one has a new MAC address.
    let mut moved = router(3, &["10.0.20.0/24"]);
    moved.address = mac(9);
    leaf.apply(&tenant([moved.clone()])).await?;
    assert_eq!(routes(&node).await, ["10.0.20.0/24 192.0.2.3"]);
    assert_eq!(neighbours(&node).await, ["192.0.2.3 02:00:00:00:01:09 extern_learn"]);
    for gone in [2, 3] {
        assert_eq!(entries(&node, gone).await, [] as [&str; 0]);
    }
    assert_eq!(lines(&leaf.apply(&tenant([moved])).await?), [] as [&str; 0]);
    leaf.apply(&tenant([])).await?;
    assert_eq!(routes(&node).await, [] as [&str; 0]);
    assert_eq!(neighbours(&node).await, [] as [&str; 0]);
    assert_eq!(entries(&node, 9).await, [] as [&str; 0]);
    Ok(())
}

/// The kernel forgets routes and neighbours of a device that changes its VRF or its address; the plan knows.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", link = "vrf", tool = "bridge"),
    timeout = 60
)]
async fn routers_survive_what_the_kernel_forgets_them_for(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    node.sysctl("net.ipv6.conf.default.disable_ipv6", "0").await?;
    let leaf = leaf_of(&node).await;
    let base = || tenant([router(2, &["10.0.20.0/24", "2001:db8:20::/64"])]);
    let mut addressed = base();
    addressed.interfaces[0].address = Some(mac(98));
    let mut out_and_in = base();
    out_and_in.interfaces[0].vrf = None;
    let mut elsewhere = base();
    elsewhere.interfaces[0].vlan = 4001;
    elsewhere.vxlan = Some(VxlanConfig::new("vx0").local(other(1)).map(4001, 4000));
    let mut numbered = tenant([]);
    numbered.interfaces[0] = InterfaceConfig::new("vlan4000", 4000).vrf("red").ip(ip("10.9.0.1/24"));
    for other in [addressed, base().address(mac(97)), out_and_in, elsewhere, numbered] {
        leaf.apply(&other).await?;
        assert_eq!(lines(&leaf.apply(&other).await?), [] as [&str; 0], "{other:?}");
        leaf.apply(&base()).await?;
        assert_eq!(routes(&node).await.len(), 2, "behind {other:?}");
        assert_eq!(neighbours(&node).await.len(), 2, "behind {other:?}");
        assert_eq!(entries(&node, 2).await, ["vlan 4000", "vni 4000 dst 192.0.2.2"], "behind {other:?}");
        assert_eq!(lines(&leaf.apply(&base()).await?), [] as [&str; 0], "behind {other:?}");
    }
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", link = "vrf", tool = "bridge"),
    timeout = 60
)]
async fn route_of_a_daemon_is_left_unless_the_description_is_exact(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    leaf.apply(&tenant([router(2, &["10.0.20.0/24"])])).await?;
    node.ip("route add 10.0.99.0/24 via 192.0.2.2 dev vlan4000 onlink table 1001 proto bgp").await;
    assert_eq!(lines(&leaf.apply(&tenant([router(2, &["10.0.20.0/24"])])).await?), [] as [&str; 0]);
    let wanted = tenant([router(2, &["10.0.20.0/24", "10.0.99.0/24"])]);
    let error = leaf.apply(&wanted).await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("routers[0].routes[1]"), "{error}");
    leaf.apply(&wanted.clone().exact()).await?;
    assert_eq!(routes(&node).await, ["10.0.20.0/24 192.0.2.2", "10.0.99.0/24 192.0.2.2"]);
    Ok(())
}

/// From a public report: the L3 VNI of a tenant gets another number. Nothing of the old one is left.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", link = "vrf", tool = "bridge"),
    timeout = 60
)]
async fn l3_vni_that_gets_another_number_leaves_nothing_behind(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let with = |vni: u32| {
        let mut config = tenant([router(2, &["10.0.20.0/24"])]);
        config.vxlan = Some(VxlanConfig::new("vx0").local(other(1)).map(4000, vni));
        config
    };
    leaf.apply(&with(4000)).await?;
    assert_eq!(entries(&node, 2).await, ["vlan 4000", "vni 4000 dst 192.0.2.2"]);
    for vni in [4001, 4000] {
        leaf.apply(&with(vni)).await?;
        assert_eq!(entries(&node, 2).await, ["vlan 4000".to_owned(), format!("vni {vni} dst 192.0.2.2")]);
        assert_eq!(tunnelshow(&node, "vx0").await, [(4000, vni)]);
        let received = node.bridge("vni show dev vx0").await;
        let gone = if vni == 4000 { "4001" } else { "4000" };
        assert!(received.contains(&vni.to_string()) && !received.contains(gone), "{received}");
        assert_eq!(routes(&node).await, ["10.0.20.0/24 192.0.2.2"]);
        assert_eq!(neighbours(&node).await, ["192.0.2.2 02:00:00:00:01:02 extern_learn"]);
        assert_eq!(lines(&leaf.apply(&with(vni)).await?), [] as [&str; 0]);
    }
    Ok(())
}

//! Interfaces, VRFs and gateways, as iproute2 shows them.

use nl_bridge::leaf::{BridgeConfig, InterfaceConfig, PortConfig, VrfConfig, VxlanConfig};
use nl_core::{IpPrefix, MacAddr};
use nl_testkit::{Lab, Node, Result};

use super::support::*;
use crate::vlan_db::support::tunnelshow;

const GATEWAY: MacAddr = MacAddr::new([0, 0, 0x5e, 0, 1, 1]);

fn ip(text: &str) -> IpPrefix {
    text.parse().unwrap()
}

/// A tenant with two VLANs, one of each way to have an anycast gateway, and an L3 VNI.
fn tenant() -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(other(1)).map(10, 10010).map(20, 10020).map(4000, 4000);
    let ten = InterfaceConfig::new("vlan10", 10).vrf("red").address(GATEWAY);
    let twenty = InterfaceConfig::new("vlan20", 20).vrf("red").ip(ip("10.0.20.2/24"));
    BridgeConfig::new("br0")
        .address(MacAddr::new([2, 0, 0, 0, 0, 1]))
        .port(PortConfig::new("p1").access(10))
        .port(PortConfig::new("p2").access(20))
        .vrf(VrfConfig::new("red", 1001))
        .interface(ten.ip(ip("10.0.10.1/24")).ip(ip("2001:db8:10::1/64")))
        .interface(twenty.gateway("vlan20gw", GATEWAY, [ip("10.0.20.1/24")]))
        .interface(InterfaceConfig::new("vlan4000", 4000).vrf("red"))
        .vxlan(vxlan)
}

/// The addresses of a device that are not of its link.
async fn addresses(node: &Node, dev: &str) -> Vec<String> {
    let shown = node.json(&format!("ip -j address show dev {dev}")).await;
    let all = shown[0]["addr_info"].as_array().unwrap();
    let global = all.iter().filter(|address| address["scope"] != "link");
    let mut texts: Vec<_> = global
        .map(|address| format!("{}/{}", address["local"].as_str().unwrap(), address["prefixlen"]))
        .collect();
    texts.sort();
    texts
}

#[nl_testkit::test(
    needs(
        bridge_vlan_filtering,
        link = "vxlan",
        link = "veth",
        link = "vrf",
        link = "macvlan",
        tool = "bridge"
    ),
    timeout = 60
)]
async fn tenant_is_shown_by_iproute2_and_removed(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    node.sysctl("net.ipv6.conf.default.disable_ipv6", "0").await?;
    let bare = devices(&node).await;
    let leaf = leaf_of(&node).await;
    leaf.apply(&tenant()).await?;
    assert_eq!(addresses(&node, "vlan10").await, ["10.0.10.1/24", "2001:db8:10::1/64"]);
    assert_eq!(addresses(&node, "vlan20").await, ["10.0.20.2/24"]);
    assert_eq!(addresses(&node, "vlan20gw").await, ["10.0.20.1/24"]);
    for (dev, kind) in [("vlan10", "vlan"), ("vlan20gw", "macvlan"), ("vlan4000", "vlan")] {
        let shown = node.json(&format!("ip -j -d link show dev {dev}")).await;
        assert_eq!(shown[0]["linkinfo"]["info_kind"], kind, "{shown}");
        assert_eq!(shown[0]["master"], "red", "{shown}");
    }
    let own = node.json("bridge -j fdb show br br0").await;
    for vlan in [10, 20] {
        let is_gateway =
            |entry: &&serde_json::Value| entry["mac"] == GATEWAY.to_string() && entry["vlan"] == vlan;
        let found =
            own.as_array().unwrap().iter().find(is_gateway).unwrap_or_else(|| unreachable!("{own:#}"));
        assert_eq!(found["state"], "permanent", "{found}");
    }
    assert_eq!(lines(&leaf.apply(&tenant()).await?), [] as [&str; 0]);

    // A tenant that moves to another table, and an interface that leaves it.
    let mut config = tenant();
    config.vrfs[0].table = 1002;
    config.interfaces[0].vrf = None;
    leaf.apply(&config).await?;
    assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);
    assert_eq!(addresses(&node, "vlan10").await, ["10.0.10.1/24", "2001:db8:10::1/64"]);
    let shown = node.json("ip -j link show dev vlan10").await;
    assert!(shown[0].get("master").is_none(), "{shown}");

    leaf.remove(&config).await?;
    assert_eq!(devices(&node).await, bare);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn address_in_the_network_of_one_that_goes_survives(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let with = |ips: &[&str]| {
        let interface = ips.iter().fold(InterfaceConfig::new("svi", 10), |svi, text| svi.ip(ip(text)));
        BridgeConfig::new("br0").interface(interface)
    };
    for ips in [
        &["10.0.10.1/24", "10.0.10.2/24", "10.0.10.3/24"][..],
        &["10.0.10.3/24"],
        &["10.0.10.4/24", "10.0.11.1/24"],
    ] {
        leaf.apply(&with(ips)).await?;
        assert_eq!(addresses(&node, "svi").await, ips);
        assert_eq!(lines(&leaf.apply(&with(ips)).await?), [] as [&str; 0]);
    }
    Ok(())
}

/// From public reports: an interface of a VLAN goes, and the mappings of the VXLAN port stay; the bridge is a port of a VRF itself, and
/// still gets VLANs of its own.
#[nl_testkit::test(
    needs(
        bridge_vlan_filtering,
        link = "vxlan",
        link = "veth",
        link = "vrf",
        link = "macvlan",
        tool = "bridge"
    ),
    timeout = 60
)]
async fn interface_that_goes_leaves_the_mappings_of_its_vlan(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    node.sysctl("net.ipv6.conf.default.disable_ipv6", "0").await?;
    let leaf = leaf_of(&node).await;
    leaf.apply(&tenant()).await?;
    let maps = [(10, 10010), (20, 10020), (4000, 4000)];
    assert_eq!(tunnelshow(&node, "vx0").await, maps);
    let mut config = tenant();
    config.interfaces.remove(1);
    let steps = lines(&leaf.apply(&config).await?);
    assert!(steps.contains(&"delete link vlan20".to_owned()), "{steps:#?}");
    assert!(!steps.iter().any(|step| step.contains("dev vx0")), "{steps:#?}");
    assert_eq!(tunnelshow(&node, "vx0").await, maps);

    node.ip("link add blue up type vrf table 2001").await;
    node.ip("link set br0 master blue").await;
    let config = config.vlans(30..=31);
    let steps = lines(&leaf.apply(&config).await?);
    // Where the kernel takes the bridge's addresses of IPv6 away, those of the interfaces on it come back.
    let (addresses, others): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.contains("address"));
    assert!(addresses.iter().all(|step| step.starts_with("replace address 2001:db8:")), "{addresses:?}");
    assert_eq!(others, ["add vlan dev br0 vid 30-31 self"]);
    let own: Vec<_> = shown_vlans(&node, "br0").await.into_iter().map(|(vlan, _)| vlan).collect();
    assert_eq!(own, [10, 30, 31, 4000]);
    assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);
    Ok(())
}

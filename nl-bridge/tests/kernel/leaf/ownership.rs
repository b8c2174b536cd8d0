//! What others made stays, unless the description is exact.

use nl_bridge::leaf::{BridgeConfig, PortConfig};
use nl_testkit::{Lab, Result};

use super::support::*;

async fn vlans(node: &nl_testkit::Node, dev: &str) -> Vec<u64> {
    shown_vlans(node, dev).await.into_iter().map(|(vlan, _)| vlan).collect()
}

/// From a public report: VLAN 10 is applied, then 20, while somebody else adds 1200.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn vlan_of_others_stays_unless_the_description_is_exact(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let with =
        |vlan: u16| BridgeConfig::new("br0").own_vlans(1..=999).port(PortConfig::new("p1").trunk(vlan));
    leaf.apply(&with(10)).await?;
    node.bridge("vlan add dev p1 vid 1200").await;
    let plan = leaf.apply(&with(20)).await?;
    assert_eq!(
        plan.others().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["foreign: vlan 1200 dev p1"]
    );
    assert_eq!(vlans(&node, "p1").await, [20, 1200]);
    leaf.apply(&with(20).exact()).await?;
    assert_eq!(vlans(&node, "p1").await, [20]);
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn leaf_and_port_of_others_stay_unless_the_description_is_exact(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    leaf.apply(&small()).await?;
    node.ip("link add tap0 type veth peer name tap1").await;
    node.ip("link set tap0 master br0").await;
    node.bridge("fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.99 src_vni 10030 self").await;
    node.bridge("vni add vni 77 dev vx0").await;
    let config = || small().own_vnis(10_000..=19_999);
    let plan = leaf.apply(&config()).await?;
    assert_eq!(lines(&plan), [] as [&str; 0]);
    assert_eq!(plan.others().len(), 3, "{:?}", plan.others());
    // A bridge with ports of others is not removed.
    let plan = leaf.remove(&config()).await?;
    assert!(
        plan.others().iter().any(|other| other.to_string().starts_with("unsafe: link br0")),
        "{:?}",
        plan.others()
    );
    let links = node.links().await?;
    assert!(links.contains(&"br0".to_owned()) && !links.contains(&"vx0".to_owned()), "{links:?}");

    leaf.apply(&config()).await?;
    node.bridge("vni add vni 77 dev vx0").await;
    let plan = leaf.apply(&config().exact()).await?;
    assert_eq!(lines(&plan), ["delete vni 77 dev vx0", "set link tap0 nomaster"]);
    assert_eq!(lines(&leaf.apply(&config().exact()).await?), [] as [&str; 0]);
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn leaf_of_iproute2_is_observed_adopted_and_applied_without_a_change(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let bare = devices(&node).await;
    for line in [
        "link add br0 up type bridge vlan_filtering 1 vlan_default_pvid 0",
        "link set p1 master br0",
        "link add vx0 type vxlan external vnifilter dstport 4789 local 192.0.2.1 nolearning",
        "link set vx0 master br0 up",
    ] {
        node.ip(line).await;
    }
    for line in [
        "link set dev vx0 vlan_tunnel on learning off",
        "vlan add dev p1 vid 10 pvid untagged",
        "vlan add dev vx0 vid 10-11",
        "vlan add dev vx0 vid 10-11 tunnel_info id 10010-10011",
        "vni add vni 10010-10011 dev vx0",
        "fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.2 src_vni 10010 self",
    ] {
        node.bridge(line).await;
    }
    let leaf = leaf_of(&node).await;
    let config = leaf.observe("br0").await?;
    let error = leaf.apply(&config).await.unwrap_err();
    assert!(error.to_string().contains("br0 is there and has no stamp of nl"), "{error}");
    let before = shown_all(&node).await;
    assert_eq!(leaf.adopt(&config).await?.steps().len(), 3);
    assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);
    assert_eq!(shown_all(&node).await, before);
    // The command in the error does the same.
    node.ip("link property del dev br0 altname leaf.nl.br0.br0").await;
    node.ip("link property add dev br0 altname leaf.nl.br0.br0").await;
    leaf.remove(&config).await?;
    assert_eq!(devices(&node).await, bare);
    Ok(())
}

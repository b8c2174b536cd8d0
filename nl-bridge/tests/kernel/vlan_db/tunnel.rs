//! What a mapping needs, and how mappings are replaced.

use nl_bridge::tunnel::Tunnels;
use nl_testkit::{Lab, Result};

use super::support::*;

#[track_caller]
fn says(error: &nl_core::Error, text: &str) {
    assert_eq!(error.to_string(), text);
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn adding_a_tunnel_names_all_that_is_missing(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let tunnels = Tunnels::new(route(&node).await);
    node.ip("link add vx0 type vxlan external vnifilter dstport 4789").await;
    node.ip("link add vx1 type vxlan id 5 dstport 4790").await;
    let add = |dev: &'static str| tunnels.entry(dev, 10..=11, 10010..=10011).add();
    let what = "add tunnel vid 10-11 dev";
    says(
        &add("vx0").await.unwrap_err(),
        &format!(
            "{what} vx0 tunnel_info id 10010-10011: vx0 is not a port of a bridge (ip link set dev vx0 master BRIDGE)"
        ),
    );
    says(
        &add("vx1").await.unwrap_err(),
        &format!(
            "{what} vx1 tunnel_info id 10010-10011: vx1 has a VNI of its own: it has to be made with `external` (ip link add \
             … type vxlan external); vx1 is not a port of a bridge (ip link set dev vx1 master BRIDGE)"
        ),
    );
    says(
        &add("p1").await.unwrap_err(),
        &format!("{what} p1 tunnel_info id 10010-10011: p1 is a veth, not a tunnel device"),
    );
    node.ip("link set vx0 master br0 up").await;
    node.bridge("vlan add dev vx0 vid 11").await;
    node.bridge("vni add dev vx0 vni 10010").await;
    says(
        &add("vx0").await.unwrap_err(),
        &format!(
            "{what} vx0 tunnel_info id 10010-10011: vlan_tunnel is off on the port (bridge link set dev DEV vlan_tunnel on); \
             the port is not in vlan 10 (bridge vlan add dev vx0 vid 10); the VNI filter lacks vni 10011 (bridge vni add vni \
             10011 dev vx0)"
        ),
    );
    let error = tunnels.entry("vx0", 10, 10010).delete().await.unwrap_err();
    assert!(error.to_string().contains("vlan_tunnel is off"), "{error}");
    assert_eq!(tunnelshow(&node, "vx0").await, []);
    // All of it is set on request, and nothing else.
    tunnels.entry("vx0", 10..=11, 10010..=10011).prepare().add().await?;
    assert_eq!(tunnelshow(&node, "vx0").await, [(10, 10010), (11, 10011)]);
    let vlans: Vec<_> = vlans(tunnels.connection(), "vx0").await.into_keys().collect();
    assert_eq!(vlans, [10, 11]);
    let vnis = vnis(tunnels.connection(), "vx0").await;
    assert_eq!(vnis.iter().map(|entry| entry.vnis.to_string()).collect::<Vec<_>>(), ["10010-10011"]);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn adding_a_tunnel_that_is_there_says_what_is_in_the_way(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let tunnels = Tunnels::new(route(&node).await);
    tunnels.entry("vx0", 10, 10010).add().await?;
    for (vlan, vni, hint) in
        [(10, 10010, "vlan 10 is mapped to vni 10010"), (11, 10010, "vni 10010 belongs to vlan 10")]
    {
        let error = tunnels.entry("vx0", vlan, vni).add().await.unwrap_err();
        assert!(error.is_exists(), "{error}");
        assert_eq!(error.hint(), Some(hint));
        let words = format!("add tunnel vid {vlan} dev vx0 tunnel_info id {vni}: File exists (EEXIST)");
        assert!(error.to_string().starts_with(&words), "{error}");
    }
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn replacing_tunnels_changes_only_what_differs(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let tunnels = Tunnels::new(route(&node).await);
    let show = async || tunnelshow(&node, "vx0").await;
    tunnels.entry("vx0", 10..=12, 100..=102).replace().await?;
    assert_eq!(show().await, [(10, 100), (11, 101), (12, 102)]);
    // VNIs that move to another VLAN of the range.
    tunnels.entry("vx0", 11..=13, 100..=102).delete().await?;
    tunnels.entry("vx0", 10..=12, 101..=103).replace().await?;
    assert_eq!(show().await, [(10, 101), (11, 102), (12, 103)]);
    tunnels.entry("vx0", 10..=12, 100..=102).replace().await?;
    assert_eq!(show().await, [(10, 100), (11, 101), (12, 102)]);
    // Twice is silent.
    let mut events = node
        .open({
            let conn = tunnels.connection().clone();
            move || {
                conn.monitor()
                    .group(nl_bridge::vlan_db::RTNLGRP_BRVLAN)
                    .open(nl_bridge::vlan_db::VlanDbEvent::decode)
            }
        })
        .await?;
    tunnels.entry("vx0", 10..=12, 100..=102).replace().await?;
    tunnels.entry("vx0", 13, 7).replace().await?;
    let first = futures_util::TryStreamExt::try_next(&mut events).await?.unwrap();
    assert!(format!("{first:?}").contains("tunnel: Some(7)"), "{first:?}");
    // A VNI of a VLAN that is not meant.
    let error = tunnels.entry("vx0", 14, 7).replace().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    assert_eq!(error.hint(), Some("vni 7 belongs to vlan 13"));
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn an_untagged_vlan_is_refused_before_its_frames_vanish(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let tunnels = Tunnels::new(route(&node).await);
    node.bridge("vlan add dev vx0 vid 11 untagged").await;
    let error = tunnels.entry("vx0", 10..=12, 100..=102).prepare().add().await.unwrap_err();
    says(
        &error,
        "add tunnel vid 10-12 dev vx0 tunnel_info id 100-102: vlan 11 is untagged on the port, and its frames would get no VNI \
         (bridge vlan add dev vx0 vid 11)",
    );
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn a_missing_device_and_bad_ranges_are_named(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let tunnels = Tunnels::new(route(&node).await);
    let error = tunnels.entry("nothing", 10, 10010).add().await.unwrap_err();
    says(&error, "add tunnel vid 10 dev nothing tunnel_info id 10010: No such device (ENODEV)");
    let error = tunnels.entry("vx0", 10..=19, 10010).add().await.unwrap_err();
    says(
        &error,
        "add tunnel vid 10-19 dev vx0 tunnel_info id 10010: 10 VLANs (10-19) for 1 VNIs (10010); as many of each are needed",
    );
    let error = tunnels.entry("vx0", 0, 10010).add().await.unwrap_err();
    says(&error, "add tunnel dev vx0: vlan 0; 1 to 4094 are possible");
    let error = tunnels.entry("vx0", 10, 1 << 24).delete().await.unwrap_err();
    says(&error, "delete tunnel dev vx0: vni 16777216; 0 to 16777215 are possible");
    Ok(())
}

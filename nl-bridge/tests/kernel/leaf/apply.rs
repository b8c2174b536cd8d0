//! What a description becomes, as iproute2 shows it; twice is silent; a failure is named, and the next time goes on from there.

use std::collections::BTreeSet;

use nl_bridge::leaf::{BridgeConfig, InstanceConfig, InterfaceConfig, PortConfig, VlanConfig, VxlanConfig};
use nl_bridge::vni::Vnis;
use nl_bridge::{StpState, VlanRange};
use nl_testkit::{Lab, Result};

use super::support::*;
use crate::vlan_db::support::tunnelshow;

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn applied_leaf_is_shown_by_iproute2_and_twice_is_silent(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let bare = devices(&node).await;
    let leaf = leaf_of(&node).await;
    let plan = leaf.apply(&small()).await?;
    assert!(!plan.is_empty() && plan.others().is_empty(), "{plan}\n{:?}", plan.others());

    let flags = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(shown_vlans(&node, "br0").await, [(10, flags(&[]))]);
    assert_eq!(shown_vlans(&node, "p1").await, [(10, flags(&["PVID", "Egress Untagged"]))]);
    assert_eq!(shown_vlans(&node, "p2").await, [10, 20, 21].map(|vlan| (vlan, flags(&[]))));
    assert_eq!(shown_vlans(&node, "vx0").await, [10, 20, 21].map(|vlan| (vlan, flags(&[]))));
    assert_eq!(tunnelshow(&node, "vx0").await, [(10, 10010), (20, 10020), (21, 10021)]);
    let flood = [10010, 10020, 10021]
        .into_iter()
        .flat_map(|vni| ["192.0.2.2", "192.0.2.3"].map(|leaf| (vni, leaf.to_owned())));
    assert_eq!(shown_flood(&node).await, flood.collect::<BTreeSet<_>>());
    let shown = node.bridge("vni show dev vx0").await;
    assert!(shown.contains("10010") && shown.contains("10020-10021"), "{shown}");
    let shown = node.json("ip -j -d link show dev vx0").await;
    let data = &shown[0]["linkinfo"]["info_data"];
    assert_eq!((data["external"].as_bool(), data["port"].as_u64()), (Some(true), Some(4789)), "{shown}");
    assert_eq!(data["local"], "192.0.2.1", "{shown}");
    let port = &shown[0]["linkinfo"]["info_slave_data"];
    assert_eq!(
        (port["vlan_tunnel"].as_bool(), port["learning"].as_bool()),
        (Some(true), Some(false)),
        "{shown}"
    );

    let before = shown_all(&node).await;
    assert_eq!(lines(&leaf.apply(&small()).await?), [] as [&str; 0]);
    assert_eq!(shown_all(&node).await, before);
    assert_eq!(leaf.observe("br0").await?, small());

    let removed = leaf.remove(&small()).await?;
    assert!(!removed.is_empty());
    assert_eq!(devices(&node).await, bare);
    assert!(leaf.remove(&small()).await?.is_empty());
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn crossed_vnis_converge_on_a_kernel(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let with = |maps: &[(u16, u32)]| {
        let vxlan = maps.iter().fold(VxlanConfig::new("vx0"), |vxlan, (vlan, vni)| vxlan.map(*vlan, *vni));
        BridgeConfig::new("br0").vxlan(vxlan)
    };
    for maps in [
        &[(1, 1), (2, 2), (3, 3), (5, 10), (10, 5)][..],
        &[(1, 3), (2, 2), (3, 1), (5, 5), (10, 10)],
        &[(2, 2), (4, 1)],
        &[(1, 2), (2, 1), (3, 3)],
    ] {
        leaf.apply(&with(maps)).await?;
        assert_eq!(tunnelshow(&node, "vx0").await, maps);
        assert_eq!(lines(&leaf.apply(&with(maps)).await?), [] as [&str; 0]);
    }
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn local_address_mtu_and_port_of_a_leaf_change(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    leaf.apply(&small()).await?;
    let index = node.index_of("vx0").await?;
    let mut config = small().mtu(1400);
    if let Some(vxlan) = &mut config.vxlan {
        (vxlan.local, vxlan.mtu) = (Some(other(9)), Some(1400));
    }
    let steps = ["set link vx0 type vxlan local 192.0.2.9", "set link vx0 mtu 1400", "set link br0 mtu 1400"];
    assert_eq!(lines(&leaf.apply(&config).await?), steps);
    let shown = node.json("ip -j -d link show dev vx0").await;
    assert_eq!(shown[0]["linkinfo"]["info_data"]["local"], "192.0.2.9", "{shown}");
    assert_eq!(node.index_of("vx0").await?, index);
    // Another port takes a new device.
    if let Some(vxlan) = &mut config.vxlan {
        vxlan.port = 8472;
    }
    leaf.apply(&config).await?;
    assert_ne!(node.index_of("vx0").await?, index);
    assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);
    assert_eq!(tunnelshow(&node, "vx0").await, [(10, 10010), (20, 10020), (21, 10021)]);
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn states_and_instances_are_set(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let vlans = |first, last| VlanRange::new(first, last).unwrap();
    let states = VlanConfig::new(vlans(10, 12)).state(StpState::Blocking);
    let plain = BridgeConfig::new("br0").port(PortConfig::new("p1").vlan(states).trunk(13));
    leaf.apply(&plain).await?;
    assert_eq!(leaf.observe("br0").await?, plain);
    leaf.remove(&plain).await?;

    let mst = |last: u16| {
        BridgeConfig::new("br0")
            .instance(InstanceConfig::new(5, [vlans(10, last)]))
            .port(PortConfig::new("p1").trunk(10..=13).instance(5, StpState::Blocking))
            .port(PortConfig::new("p2").trunk(10..=13))
    };
    for last in [12, 13, 10] {
        leaf.apply(&mst(last)).await?;
        assert_eq!(leaf.observe("br0").await?, mst(last));
        assert_eq!(lines(&leaf.apply(&mst(last)).await?), [] as [&str; 0]);
    }
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 120
)]
async fn leaf_that_was_killed_behind_any_step_converges(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let mut after = small();
    after.ports[0] = PortConfig::new("p1").access(20);
    after.vxlan = Some(VxlanConfig::new("vx0").local(other(1)).map(10, 10020).map(20, 10010).flood(other(3)));
    for (before, config) in [(BridgeConfig::new("br0"), small()), (small(), after)] {
        leaf.apply(&before).await?;
        let steps = leaf.plan(&config).await?.steps().len();
        for killed in 0..=steps {
            leaf.remove(&before).await?;
            leaf.apply(&before).await?;
            let plan = leaf.plan(&config).await?;
            assert_eq!(plan.steps().len(), steps);
            for step in plan.steps().iter().take(killed) {
                take(leaf.connection(), step).await;
            }
            let rest = leaf.apply(&config).await?;
            assert!(rest.steps().len() <= steps - killed, "{killed} of {steps}:\n{rest}");
            assert_eq!(leaf.observe("br0").await?, config, "killed behind {killed} of {steps}");
            assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);
        }
        leaf.remove(&config).await?;
    }
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn step_that_fails_is_numbered_and_the_next_time_goes_on(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    leaf.apply(&small()).await?;
    // Somebody else's device receives the VNI that comes next.
    node.ip("link add vx9 up type vxlan external vnifilter dstport 4789 local 192.0.2.1").await;
    node.bridge("vni add vni 10030 dev vx9").await;
    let mut config = small();
    config.vxlan = config.vxlan.map(|vxlan| vxlan.map(30, 10030));
    let error = leaf.apply(&config).await.unwrap_err();
    let text = error.to_string();
    assert!(error.is_exists(), "{error}");
    assert!(text.starts_with("leaf br0, step 1 of 3: add vni 10030 dev vx0: File exists (EEXIST)"), "{text}");
    assert_eq!(error.hint(), Some("nothing was changed"));
    let there = Vnis::new(leaf.connection().clone()).entries().dev("vx0").list().await?.collect_all().await?;
    assert!(there.iter().any(|entry| entry.vnis.contains(10010)), "{there:?}");
    assert!(there.iter().all(|entry| !entry.vnis.contains(10030)), "{there:?}");
    node.ip("link del vx9").await;
    assert_eq!(leaf.apply(&config).await?.steps().len(), 3);
    assert_eq!(tunnelshow(&node, "vx0").await.last(), Some(&(30, 10030)));
    Ok(())
}

/// A device without IPv6 refuses its addresses, and what is before that step is done.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn later_step_that_fails_is_numbered_and_the_next_time_goes_on(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    node.sysctl("net.ipv6.conf.default.disable_ipv6", "1").await?;
    let leaf = leaf_of(&node).await;
    let config = small().interface(InterfaceConfig::new("svi", 10).ip("2001:db8:10::1/64".parse()?));
    let planned = lines(&leaf.plan(&config).await?);
    let refused =
        planned.iter().position(|step| step.starts_with("replace address 2001:db8:10::1/64")).unwrap();
    assert!(refused > 1, "{planned:#?}");
    let error = leaf.apply(&config).await.unwrap_err();
    let (number, all) = (refused + 1, planned.len());
    let text = error.to_string();
    assert!(error.is_permission(), "{text}");
    assert!(text.starts_with(&format!("leaf br0, step {number} of {all}: {}", planned[refused])), "{text}");
    // What is before it is done, and is not done again.
    let left = lines(&leaf.plan(&config).await?);
    assert!(left.contains(&planned[refused]) && left.len() <= all - refused, "{left:#?} of {planned:#?}");
    assert!(planned[..refused].iter().all(|done| !left.contains(done)), "{left:#?} of {planned:#?}");

    node.sysctl("net.ipv6.conf.svi.disable_ipv6", "0").await?;
    assert_eq!(lines(&leaf.apply(&config).await?), left);
    assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);
    let shown = node.ip("-6 address show dev svi").await;
    assert!(shown.contains("2001:db8:10::1/64"), "{shown}");
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn what_does_not_fit_is_refused_before_anything_changes(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let (bare, before) = (devices(&node).await, shown_all(&node).await);
    let refused = async |config: BridgeConfig, text: &str| {
        let error = leaf.apply(&config).await.unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(text), "{error}");
    };
    refused(small().port(PortConfig::new("p3")), "ports[2].name: there is no device p3").await;
    refused(small().port(PortConfig::new("p1")), "ports[2].name: p1 is there twice").await;
    assert_eq!(shown_all(&node).await, before);
    node.ip("link add br0 type vxlan id 9 dstport 4790").await;
    refused(small(), "name: br0 is there and is a vxlan, not a bridge").await;
    node.ip("link del br0").await;
    node.ip("link add br9 type bridge").await;
    node.ip("link set p1 master br9").await;
    refused(small(), "ports[0].name: p1 is a port of br9").await;
    let added = devices(&node).await.into_iter().filter(|name| !bare.contains(name));
    assert_eq!(added.collect::<Vec<_>>(), ["br9"]);
    Ok(())
}

//! What is missing is named.

use nl_bridge::mst::{Mst, StpState};
use nl_bridge::settings::{Bridge, BridgePort, Ports, StpMode};
use nl_bridge::vlan_db::VlanDb;
use nl_bridge::vni::Vnis;
use nl_core::error::Errno;
use nl_core::link::Links;
use nl_testkit::{Lab, Result, kernel_version};

use super::support::*;

#[track_caller]
fn says(error: &nl_core::Error, parts: &[&str]) {
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} is not in {error}");
    }
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn a_state_that_the_kernels_stp_owns_is_busy_with_a_hint(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let db = VlanDb::new(route(&node).await);
    node.bridge("vlan add vid 10 dev p1").await;
    node.ip("link set br0 type bridge stp_state 1").await;
    let error = db.entry("p1", 10).state(StpState::Blocking).set().await.unwrap_err();
    assert!(error.is_busy(), "{error}");
    says(
        &error,
        &["set vlan vid 10 dev p1 state blocking: ", "using kernel STP", "set stp_state 0 on the bridge"],
    );
    node.ip("link set br0 type bridge stp_state 0").await;
    db.entry("p1", 10).state(StpState::Blocking).set().await?;
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn mst_and_states_of_vlans_exclude_each_other_with_a_hint(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    let (db, mst) = (VlanDb::new(conn.clone()), Mst::new(conn));
    let error = mst.entry("p1", 1).state(StpState::Blocking).set().await.unwrap_err();
    assert!(error.is_busy(), "{error}");
    says(
        &error,
        &["set mst dev p1 msti 1 state blocking", "MST is disabled", "set mst_enabled 1 on the bridge"],
    );
    node.ip("link set br0 type bridge mst_enabled 1").await;
    node.bridge("vlan add vid 10 dev p1").await;
    let error = db.entry("p1", 10).state(StpState::Blocking).set().await.unwrap_err();
    assert!(error.is_busy(), "{error}");
    says(&error, &["MST is enabled", "has the state of its MSTI"]);
    // The kernel takes an MSTI without VLANs, and forgets it.
    mst.entry("p1", 7).state(StpState::Blocking).set().await?;
    assert_eq!(mst.entries().dev("p1").msti(7).list().await?.collect_all().await?, []);
    Ok(())
}

/// As the documentation says: VLANs of a port keep MST from being switched, those of the bridge do not.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn mst_cannot_be_switched_while_ports_have_vlans(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    node.bridge("vlan add vid 10 dev br0 self").await;
    node.ip("link set br0 type bridge mst_enabled 1").await;
    node.ip("link set br0 type bridge mst_enabled 0").await;
    node.bridge("vlan add vid 10 dev p1").await;
    let output = node.command("ip link set br0 type bridge mst_enabled 1".split_whitespace()).await;
    assert!(output.stderr.contains("MST mode can't be changed while VLANs exist"), "{output}");
    let links = Links::new(route(&node).await);
    let mst = |on| links.device("br0").kind(Bridge::new().mst_enabled(on)).change();
    let error = mst(true).await.unwrap_err();
    assert!(error.is_busy(), "{error}");
    says(
        &error,
        &[
            "set link br0 type bridge",
            "MST mode can't be changed while VLANs exist",
            "delete the VLANs of all ports first, and set vlan_default_pvid 0",
        ],
    );
    // As the hint says.
    node.bridge("vlan del vid 10 dev p1").await;
    mst(true).await?;
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn settings_of_a_bridge_that_need_another_one_first_name_it(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let links = Links::new(route(&node).await);
    let set = |bridge: Bridge| links.device("br0").kind(bridge).change();
    node.ip("link set br0 type bridge vlan_filtering 0").await;
    let error = set(Bridge::new().mcast_vlan_snooping(true)).await.unwrap_err();
    says(
        &error,
        &["Cannot enable multicast vlan snooping with vlan filtering disabled", "set vlan_filtering 1"],
    );
    set(Bridge::new().vlan_filtering(true)).await?;
    set(Bridge::new().mcast_vlan_snooping(true)).await?;
    node.bridge("vlan add vid 10 dev p1").await;
    let error = set(Bridge::new().vlan_stats_per_port(true)).await.unwrap_err();
    assert!(error.is_busy(), "{error}");
    says(&error, &["vlan_stats_per_port changes only while no port has a VLAN"]);
    node.bridge("vlan del vid 10 dev p1").await;
    set(Bridge::new().vlan_stats_per_port(true)).await?;
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", kernel = "7.1"), timeout = 60)]
async fn who_runs_the_spanning_tree_changes_while_it_is_off(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let links = Links::new(route(&node).await);
    let set = |bridge: Bridge| links.device("br0").kind(bridge).change();
    set(Bridge::new().stp_state(true)).await?;
    let error = set(Bridge::new().stp_mode(StpMode::User)).await.unwrap_err();
    assert!(error.is_busy(), "{error}");
    says(&error, &["Can't change STP mode while STP is enabled", "set stp_state 0 first"]);
    Ok(())
}

/// The same words in both ways to set options of a port.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn options_of_a_port_that_need_another_setting_name_it(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    let (links, ports) = (Links::new(conn.clone()), Ports::new(conn));
    let both = async |port: BridgePort| {
        let with_device = links.device("p1").port(port.clone()).change().await.unwrap_err();
        [with_device, ports.port("p1").options(port).set().await.unwrap_err()]
    };
    node.ip("link set br0 type bridge stp_state 1").await;
    for error in both(BridgePort::new().state(StpState::Blocking)).await {
        assert!(error.is_busy(), "{error}");
        says(&error, &["the kernel's spanning tree owns the states: set stp_state 0 on the bridge"]);
    }
    node.ip("link set br0 type bridge stp_state 0").await;
    node.ip("link set p1 down").await;
    for error in both(BridgePort::new().state(StpState::Learning)).await {
        assert_eq!(error.errno(), Some(Errno::ENETDOWN), "{error}");
        says(&error, &["the port needs to be up and to have a carrier for this state"]);
    }
    // Of another device that is no port.
    for error in both(BridgePort::new().backup_port("h1")).await {
        assert!(error.is_not_found(), "{error}");
        says(&error, &["backup_port takes another port of the same bridge"]);
    }
    if kernel_version() >= (6, 2) {
        for error in both(BridgePort::new().mab(true)).await {
            says(&error, &["mab needs locked and learning: set both on, or mab off"]);
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn options_newer_than_the_kernel_say_since_when(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let db = VlanDb::new(route(&node).await);
    node.ip("link set br0 type bridge mcast_vlan_snooping 1").await;
    node.bridge("vlan add vid 10 dev p1").await;
    let entry = || db.entry("p1", 10);
    let cases = [
        (entry().mcast_max_groups(5), (6, 3), "mcast_max_groups of a VLAN"),
        (entry().neigh_suppress(true), (6, 4), "neigh_suppress of a VLAN"),
        (entry().neigh_forward_grat(true), (7, 2), "neigh_forward_grat of a VLAN"),
    ];
    for (entry, since, feature) in cases {
        let outcome = entry.set().await;
        if kernel_version() >= since {
            outcome?;
            continue;
        }
        let error = outcome.unwrap_err();
        assert!(error.is_unsupported(), "{error}");
        says(&error, &[feature, &format!("needs Linux {}.{}", since.0, since.1), "dev p1"]);
    }
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", kernel = "6.3"), timeout = 60)]
async fn a_limit_of_groups_needs_snooping_of_vlans(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let db = VlanDb::new(route(&node).await);
    node.bridge("vlan add vid 10 dev p1").await;
    let error = db.entry("p1", 10).mcast_max_groups(5).set().await.unwrap_err();
    says(&error, &["Multicast snooping disabled on this VLAN", "set mcast_vlan_snooping 1 on the bridge"]);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn a_device_of_another_kind_is_named(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    let (db, mst) = (VlanDb::new(conn.clone()), Mst::new(conn.clone()));
    node.bridge("vlan add vid 10 dev p1").await;
    let error = db.entry("h1", 10).state(StpState::Blocking).set().await.unwrap_err();
    says(&error, &["dev h1", "not a valid bridge or bridge port"]);
    let error = db.entry("nothing", 10).state(StpState::Blocking).set().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    says(&error, &["set vlan vid 10 dev nothing state blocking: No such device"]);
    let error = db.entries().dev("h1").list().await.unwrap_err();
    says(&error, &["list vlan dev h1: Invalid argument", "h1 is not a bridge or a port of one"]);
    let error = db.globals().bridge("p1").list().await.unwrap_err();
    says(&error, &["p1 is not a bridge"]);
    let error = db.global("p1", 10).msti(1).set().await.unwrap_err();
    says(&error, &["global options belong to the bridge"]);
    let error = mst.entry("br0", 1).set().await.unwrap_err();
    says(&error, &["dev br0"]);
    let error = db.global("br0", 77).msti(1).set().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    says(&error, &["no port of the bridge is in these VLANs"]);
    let error = db.entry("p1", 77).state(StpState::Blocking).set().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    says(&error, &["the device is not in these VLANs: add them first, or use replace()"]);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn without_privilege_nothing_is_set(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    node.bridge("vlan add vid 10 dev p1").await;
    let refused = node.unprivileged(async || {
        let conn = nl_core::Connection::open(nl_core::Protocol::Route).unwrap();
        let db = VlanDb::new(conn.clone());
        let listed = db.entries().dev("p1").list().await.unwrap().collect_all().await.unwrap();
        assert_eq!(listed.len(), 1);
        let set = db.entry("p1", 10).state(StpState::Blocking).set().await.unwrap_err();
        let mst = Mst::new(conn.clone()).entry("p1", 1).set().await.unwrap_err();
        let vni = Vnis::new(conn).entry("p1", 1).replace().await.unwrap_err();
        [set, mst, vni].map(|error| error.is_permission())
    });
    assert_eq!(refused.await?, [true; 3]);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn vnis_say_what_is_in_the_way(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let vnis = Vnis::new(route(&node).await);
    vnis.entry("vf0", 100..=102).add().await?;
    let error = vnis.entry("vf0", 102..=103).add().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    says(&error, &["add vni 102-103 dev vf0", "vni 100-102 is there"]);
    assert_eq!(vnis.entries().dev("vf0").vni(103).list().await?.collect_all().await?, []);
    vnis.entry("vf0", 102..=103).replace().await?;
    for (dev, verb) in [("vx0", "replace vni 5 dev vx0"), ("p1", "replace vni 5 dev p1")] {
        let error = vnis.entry(dev, 5).replace().await.unwrap_err();
        says(&error, &[verb]);
    }
    let error = vnis.entry("vx0", 5).replace().await.unwrap_err();
    says(&error, &["it is made with `external vnifilter`"]);
    let error = vnis.entries().dev("vx0").list().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    says(&error, &["list vni dev vx0", "external vnifilter"]);
    let error = vnis.entry("vf0", 200).group("239.0.0.1".parse()?).replace().await.unwrap_err();
    says(
        &error,
        &["Local interface required for multicast remote group", "make the VXLAN device with `dev DEV`"],
    );
    // A second device on the same port takes other VNIs only.
    node.ip("link add vf1 type vxlan external vnifilter dstport 4790").await;
    let error = vnis.entry("vf1", 102).replace().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    says(&error, &["VNI in use", "another VXLAN device with the same dstport has the VNI"]);
    vnis.entry("vf1", 999).replace().await?;
    let error = vnis.entry("vf0", 500).delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    // What is before the hole is gone.
    let error = vnis.entry("vf0", 103..=104).delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let rows = vnis.entries().dev("vf0").list().await?.collect_all().await?;
    assert_eq!(rows.iter().map(|row| row.vnis.to_string()).collect::<Vec<_>>(), ["100-102"]);
    Ok(())
}

/// Of the kernel, which the documentation of `replace` says.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn a_new_remote_of_a_vni_leaves_the_old_one_in_the_forwarding_database(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let vnis = Vnis::new(route(&node).await);
    for remote in ["192.0.2.1", "192.0.2.2"] {
        vnis.entry("vf0", 100).group(remote.parse()?).replace().await?;
    }
    let rows = vnis.entries().dev("vf0").list().await?.collect_all().await?;
    assert_eq!(rows[0].group, Some("192.0.2.2".parse()?));
    let shown = node.json("bridge -j fdb show dev vf0").await;
    let dsts: Vec<_> = shown.as_array().unwrap().iter().map(|entry| entry["dst"].as_str().unwrap()).collect();
    assert_eq!(dsts, ["192.0.2.1", "192.0.2.2"], "{shown}");
    Ok(())
}

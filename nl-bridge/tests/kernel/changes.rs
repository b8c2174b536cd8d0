//! Add, replace, append, delete and get.

use nl_core::MacAddr;
use nl_core::error::Errno;
use nl_testkit::{EthFrame, Lab, Result, eventually};
use serde_json::json;

use crate::support::{GROUP, SOON, mac, of, shown_of, shown_the, still_bridge, the, vxlans};

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn adding_twice_fails_and_changes_nothing(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    fdb.entry(mac(1), "port1").master().static_().add().await?;
    for port in ["port1", "port2"] {
        let error = fdb.entry(mac(1), port).master().dynamic().add().await.unwrap_err();
        assert!(error.is_exists() && !error.is_busy(), "{error}");
        let text = format!("add fdb 02:00:00:00:00:01 dev {port} ");
        assert!(error.to_string().starts_with(&text), "{error}");
        assert!(error.to_string().contains(": File exists (EEXIST)"), "{error}");
    }
    let shown = shown_the(bridge.node(), mac(1)).await;
    assert_eq!((&shown["ifname"], &shown["state"]), (&json!("port1"), &json!("static")));
    Ok(())
}

/// As the documentation of `FdbVerb::Add` says.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn adding_twice_goes_through_for_extern_learn_and_use(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    for port in ["port1", "port2"] {
        fdb.entry(mac(1), port).master().dynamic().extern_learn().add().await?;
        fdb.entry(mac(2), port).master().dynamic().use_().add().await?;
        assert_eq!(shown_the(bridge.node(), mac(1)).await["ifname"], port);
        assert_eq!(shown_the(bridge.node(), mac(2)).await["ifname"], port);
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn replacing_moves_the_entry_to_another_port(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    fdb.entry(mac(1), "port1").master().static_().replace().await?;
    assert_eq!(shown_the(bridge.node(), mac(1)).await["ifname"], "port1");
    fdb.entry(mac(1), "port2").master().static_().replace().await?;
    assert_eq!(shown_the(bridge.node(), mac(1)).await["ifname"], "port2");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn replacing_changes_the_state_and_the_flags(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let entry = || fdb.entry(mac(1), "port1").master();
    for (change, state, flags) in [
        (entry().dynamic(), "", json!([])),
        (entry().static_(), "static", json!([])),
        (entry().static_().sticky(), "static", json!(["sticky"])),
        (entry().dynamic(), "", json!([])),
        (entry().permanent(), "permanent", json!([])),
        (entry().static_(), "static", json!([])),
    ] {
        change.replace().await?;
        let shown = shown_the(bridge.node(), mac(1)).await;
        assert_eq!((&shown["state"], &shown["flags"]), (&json!(state), &flags));
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn replacing_changes_the_remote_of_a_unicast_address(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let to = |dst: &str| fdb.entry(mac(1), "vx0").dst(dst.parse().unwrap());
    to("192.0.2.7").add().await?;
    assert!(to("192.0.2.8").add().await.unwrap_err().is_exists());
    to("192.0.2.8").port(5).replace().await?;
    let shown = shown_the(&node, mac(1)).await;
    assert_eq!((&shown["dst"], &shown["port"]), (&json!("192.0.2.8"), &json!(5)));
    fdb.entry(mac(2), "vx0").nexthop(10).add().await?;
    fdb.entry(mac(2), "vx0").nexthop(11).replace().await?;
    assert_eq!(shown_the(&node, mac(2)).await["nhid"], 11);
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn appending_adds_a_remote_and_is_idempotent(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    for mac in [MacAddr::ZERO, GROUP] {
        let to = |dst: &str| fdb.entry(mac, "vx0").dst(dst.parse().unwrap());
        to("192.0.2.1").add().await?;
        to("192.0.2.2").append().await?;
        to("192.0.2.2").append().await?;
        to("192.0.2.2").port(9).append().await?;
        node.bridge(&format!("fdb append {mac} dev vx0 dst 192.0.2.3")).await;
        let mut remotes: Vec<_> =
            shown_of(&node, mac).await.iter().map(|e| (e["dst"].to_string(), e["port"].as_u64())).collect();
        remotes.sort();
        let quoted = |dst: &str| format!("\"{dst}\"");
        let expected =
            [("192.0.2.1", None), ("192.0.2.2", None), ("192.0.2.2", Some(9)), ("192.0.2.3", None)];
        assert_eq!(remotes, expected.map(|(dst, port)| (quoted(dst), port)), "{mac}");
        // The first append makes the address.
        to("192.0.2.3").delete().await?;
        assert_eq!(of(&fdb, mac).await.len(), 3);
        fdb.entry(mac, "vx0").delete().await?;
        assert_eq!(shown_of(&node, mac).await.len(), 0);
        to("192.0.2.4").append().await?;
        assert_eq!(shown_the(&node, mac).await["dst"], "192.0.2.4");
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn deleting_what_is_not_there_is_not_found(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let error = fdb.entry(mac(1), "port1").master().delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(
        error.to_string(),
        "delete fdb 02:00:00:00:00:01 dev port1 master: No such file or directory (ENOENT)"
    );
    // There, but behind another port.
    fdb.entry(mac(1), "port2").master().static_().add().await?;
    assert!(fdb.entry(mac(1), "port1").master().delete().await.unwrap_err().is_not_found());
    assert_eq!(shown_the(bridge.node(), mac(1)).await["ifname"], "port2");
    assert!(fdb.entry(mac(9), "port1").delete().await.unwrap_err().is_not_found());
    Ok(())
}

/// As the documentation of `delete()` says.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn deleting_a_remote_that_is_not_there_is_a_success_of_a_vxlan_device(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let to = |dst: &str| fdb.entry(mac(1), "vx0").dst(dst.parse().unwrap());
    assert!(to("192.0.2.1").delete().await.unwrap_err().is_not_found());
    to("192.0.2.1").add().await?;
    to("192.0.2.9").delete().await?;
    to("192.0.2.1").port(9).delete().await?;
    assert_eq!(shown_the(&node, mac(1)).await["dst"], "192.0.2.1");
    Ok(())
}

/// The number of the group is not compared: the address has no more than one.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn deleting_by_nexthop_deletes_whichever_it_is(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    fdb.entry(mac(1), "vx0").nexthop(10).add().await?;
    fdb.entry(mac(1), "vx0").nexthop(11).delete().await?;
    assert_eq!(shown_of(&node, mac(1)).await.len(), 0);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn getting_finds_the_entry_in_the_bridge_above(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    bridge.node().bridge(&format!("fdb add {} dev port1 master static sticky", mac(1))).await;
    // Whatever port is asked, as documented.
    for port in ["port1", "port2"] {
        let mut entry = fdb.entry(mac(1), port).master().get().await?;
        entry.ages = None;
        assert_eq!(entry, the(&fdb, mac(1)).await);
    }
    let error = fdb.entry(mac(2), "port1").master().get().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().contains("kernel: \"Fdb entry not found\""), "{error}");
    // In the bridge's own table by itself, and where there is no table that can be asked.
    let mut entry = fdb.entry(mac(1), "br0").get().await?;
    entry.ages = None;
    assert_eq!(entry, the(&fdb, mac(1)).await);
    let error = fdb.entry(mac(1), "port1").get().await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert!(error.to_string().contains("kernel: \"Fdb get operation not supported by device\""), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn getting_finds_the_entry_of_a_vxlan_device(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    for line in [
        "02:00:00:00:00:01 dev vx0 dst 192.0.2.1 port 9 vni 200",
        "02:00:00:00:00:01 dev vm0 dst 192.0.2.2 src_vni 300",
        "02:00:00:00:00:01 dev vm0 dst 192.0.2.3 src_vni 301",
    ] {
        node.bridge(&format!("fdb add {line}")).await;
    }
    let entry = fdb.entry(mac(1), "vx0").get().await?;
    assert_eq!((entry.dst, entry.port, entry.vni), (Some("192.0.2.1".parse()?), Some(9), Some(200)));
    // In metadata mode the source VNI is part of the key.
    for (vni, dst) in [(300, "192.0.2.2"), (301, "192.0.2.3")] {
        let entry = fdb.entry(mac(1), "vm0").src_vni(vni).get().await?;
        assert_eq!((entry.dst, entry.src_vni), (Some(dst.parse()?), Some(vni)));
    }
    let error = fdb.entry(mac(1), "vm0").src_vni(302).get().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    Ok(())
}

/// As the documentation of `use_()` says: what a frame would do there, which is nothing.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn use_on_a_port_that_is_down_does_nothing(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    bridge.node().down("port1").await?;
    fdb.entry(mac(1), "port1").master().dynamic().use_().add().await?;
    assert_eq!(of(&fdb, mac(1)).await, []);
    Ok(())
}

/// As the documentation of `dynamic()` says.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn a_dynamic_entry_wants_a_port_that_is_up(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    bridge.node().down("port1").await?;
    let error = fdb.entry(mac(1), "port1").master().dynamic().add().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EPERM), "{error}");
    fdb.entry(mac(1), "port1").master().static_().add().await?;
    Ok(())
}

/// Other entries move to where a frame comes from, static and externally learned ones too.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn a_sticky_address_stays_where_it_is(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    fdb.entry(mac(1), "port1").master().static_().sticky().add().await?;
    fdb.entry(mac(2), "port1").master().static_().add().await?;
    fdb.entry(mac(3), "port1").master().dynamic().extern_learn().add().await?;
    // The last one tells that the others have been seen.
    for number in [1, 2, 3, 9] {
        let frame = EthFrame::new(mac(number).octets(), [0xff; 6], EthFrame::TEST, b"moved").to_bytes();
        bridge.hosts()[1].send_frame("eth0", &frame).await?;
    }
    let learned = async || of(&fdb, mac(9)).await.pop();
    eventually(SOON, learned, "the last frame to be seen").await;
    for (number, port) in [(1, "port1"), (2, "port2"), (3, "port2")] {
        assert_eq!(shown_the(bridge.node(), mac(number)).await["ifname"], port, "{number}");
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn an_externally_learned_address_does_not_age(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    // A second.
    bridge.node().ip("link set br0 type bridge ageing_time 100").await;
    fdb.entry(mac(1), "port1").master().dynamic().extern_learn().add().await?;
    fdb.entry(mac(2), "port1").master().static_().add().await?;
    fdb.entry(mac(3), "port1").master().dynamic().add().await?;
    let aged = async || of(&fdb, mac(3)).await.is_empty().then_some(());
    eventually(SOON, aged, "the dynamic entry to age out").await;
    assert_eq!(shown_the(bridge.node(), mac(1)).await["flags"], json!(["extern_learn"]));
    assert_eq!(shown_the(bridge.node(), mac(2)).await["state"], "static");
    Ok(())
}

//! What an error says, and what is found out before the kernel is asked.

use nl_bridge::fdb::Fdb;
use nl_core::error::Errno;
use nl_core::{Connection, MacAddr, Protocol};
use nl_testkit::{Lab, Result};

use crate::support::{GROUP, collect, mac, plain_bridge, still_bridge, vxlans};

#[nl_testkit::test(needs(link = "veth"))]
async fn a_device_that_is_not_there_is_named(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let error = fdb.entry(mac(1), "nosuch").master().static_().vlan(10).add().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let text = error.to_string();
    let first = "add fdb 02:00:00:00:00:01 dev nosuch vlan 10 master static: No such device (ENODEV)";
    assert!(text.starts_with(first), "{text}");
    let error = fdb.entry(mac(1), 4711).master().static_().add().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENODEV), "{error}");
    assert!(error.to_string().contains("kernel: \"unknown ifindex\""), "{error}");
    for error in [
        fdb.entries().dev("nosuch").list().await.map(drop).unwrap_err(),
        fdb.entries().bridge("nosuch").list().await.map(drop).unwrap_err(),
        fdb.entries().bridge("nosuch").flush().await.map(drop).unwrap_err(),
        fdb.entry(mac(1), "port1").via("nosuch").dst("192.0.2.1".parse()?).add().await.map(drop).unwrap_err(),
    ] {
        assert!(error.is_not_found() && error.to_string().contains("nosuch"), "{error}");
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn a_name_that_cannot_be_is_refused_with_the_limit(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    // One byte more than an alternative name may have.
    let name = "n".repeat(128);
    let name = name.as_str();
    for error in [
        fdb.entry(mac(1), name).master().static_().add().await.map(drop).unwrap_err(),
        fdb.entry(mac(1), name).master().get().await.map(drop).unwrap_err(),
        fdb.entry(mac(1), "port1").via(name).add().await.map(drop).unwrap_err(),
        fdb.entries().bridge(name).list().await.map(drop).unwrap_err(),
        fdb.entries().dev(name).flush().await.map(drop).unwrap_err(),
    ] {
        assert!(error.is_usage(), "{error}");
        let limit = " has 128 bytes; 1 to 15 are possible, or 127 for an alternative name";
        let text = error.to_string();
        assert!(text.ends_with(limit), "{text}");
        assert!(text.matches(name).count() <= 1, "the name is there twice: {text}");
    }
    let name = "n".repeat(300);
    let error = fdb.entry(mac(1), name.as_str()).master().add().await.unwrap_err().to_string();
    assert_eq!(error.matches(&name).count(), 1, "{error}");
    assert!(error.len() < 500, "{error}");
    Ok(())
}

/// The kernel is sent one with a deletion, because the list of a plain device asks for it.
#[nl_testkit::test(needs(link = "vxlan"))]
async fn an_error_of_a_look_up_or_a_deletion_names_no_state(lab: Lab) -> Result {
    let (_node, fdb) = vxlans(&lab).await?;
    let entry = || fdb.entry(mac(1), "vx0");
    let error = entry().get().await.unwrap_err().to_string();
    assert!(error.starts_with("get fdb 02:00:00:00:00:01 dev vx0 self: No such file"), "{error}");
    let error = entry().delete().await.unwrap_err().to_string();
    assert!(error.starts_with("delete fdb 02:00:00:00:00:01 dev vx0 self: No such file"), "{error}");
    let error = fdb.entry(mac(1), "nosuch").delete().await.unwrap_err().to_string();
    assert!(error.starts_with("delete fdb 02:00:00:00:00:01 dev nosuch self: No such device"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn a_bridge_and_a_port_that_do_not_belong_together_are_refused(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    plain_bridge(bridge.node(), "br1").await;
    let text = |error: nl_core::Error| {
        assert!(error.is_usage(), "{error}");
        error.to_string()
    };
    let error = fdb.entries().bridge("br1").dev("port1").list().await.map(drop).unwrap_err();
    assert_eq!(text(error), "list fdb dev port1 br br1: port1 is not a port of br1");
    let error = fdb.entries().bridge("br1").dev("port1").vlan(7).flush().await.unwrap_err();
    assert_eq!(text(error), "flush fdb dev port1 br br1 vlan 7: port1 is not a port of br1");
    let error = fdb.entries().bridge("port1").list().await.map(drop).unwrap_err();
    assert_eq!(text(error), "list fdb br port1: port1 is a veth, not a bridge");
    let error = fdb.entries().bridge("lo").list().await.map(drop).unwrap_err();
    assert_eq!(text(error), "list fdb br lo: lo is a plain device, not a bridge");
    // A bridge and itself do: its own addresses.
    assert!(!collect(fdb.entries().bridge("br0").dev("br0")).await.is_empty());
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn a_listing_for_an_impossible_vlan_is_refused(lab: Lab) -> Result {
    use futures_util::TryStreamExt;
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let list = fdb.entries().bridge("br0").vlan(4095).list().await?;
    let error = list.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("vlan 4095; 1 to 4094 are possible"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn a_vlan_the_port_is_not_in_is_refused_by_the_kernel(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let error = fdb.entry(mac(1), "port1").master().static_().vlan(3000).add().await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.errno(), Some(Errno::EINVAL), "{text}");
    assert!(text.starts_with("add fdb 02:00:00:00:00:01 dev port1 vlan 3000 master static: "), "{text}");
    Ok(())
}

/// The kernel's own words, with the attribute it means where it says which.
#[nl_testkit::test(needs(link = "vxlan"))]
async fn a_refusal_of_the_kernel_carries_its_text(lab: Lab) -> Result {
    let (_node, fdb) = vxlans(&lab).await?;
    let error = fdb.entry(mac(1), "vx0").nexthop(4711).add().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "add fdb 02:00:00:00:00:01 dev vx0 nhid 4711 self permanent: Invalid argument (EINVAL)\n  \
         kernel: \"Nexthop id does not exist\""
    );
    // An IPv6 remote on an IPv4 device.
    let error = fdb.entry(mac(1), "vx0").dst("2001:db8::1".parse()?).add().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EAFNOSUPPORT), "{error}");
    Ok(())
}

/// The attribute at fault is named when the kernel points at one: here a flush by the VLAN of a device that has none.
#[nl_testkit::test(needs(link = "vxlan", kernel = "6.12"))]
async fn a_refusal_of_the_kernel_names_the_attribute(lab: Lab) -> Result {
    let (_node, fdb) = vxlans(&lab).await?;
    let error = fdb.entries().dev("vx0").vlan(10).flush().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    assert_eq!(error.attribute().and_then(|path| path.name()), Some("NDA_VLAN"), "{error}");
    assert!(error.to_string().starts_with("flush fdb dev vx0 vlan 10: "), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan"))]
async fn what_a_vxlan_device_cannot_replace_or_append_is_refused(lab: Lab) -> Result {
    let (_node, fdb) = vxlans(&lab).await?;
    let dst = "192.0.2.1".parse()?;
    for mac in [MacAddr::ZERO, GROUP] {
        let error = fdb.entry(mac, "vx0").dst(dst).replace().await.unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("append() and delete()"), "{error}");
    }
    let error = fdb.entry(mac(1), "vx0").dst(dst).append().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("add() or replace() this entry"), "{error}");
    Ok(())
}

#[nl_testkit::test]
async fn another_protocol_is_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let fdb = Fdb::new(node.open(|| Connection::open(Protocol::Generic)).await?);
    for error in [
        fdb.entry(mac(1), 1).add().await.map(drop).unwrap_err(),
        fdb.entry(mac(1), 1).get().await.map(drop).unwrap_err(),
        fdb.entries().list().await.map(drop).unwrap_err(),
        fdb.entries().bridge("br0").flush().await.map(drop).unwrap_err(),
    ] {
        assert!(error.is_usage() && error.to_string().contains("NETLINK_ROUTE"), "{error}");
    }
    Ok(())
}

#[nl_testkit::test]
async fn a_namespace_without_bridges_lists_nothing(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let fdb = crate::support::open(&node).await?;
    assert_eq!(collect(fdb.entries()).await, []);
    Ok(())
}

//! MAC addresses behind other leaves: an entry in the bridge, and one in the VXLAN device.

use nl_bridge::fdb::{Fdb, FdbVerb, RemoteMac};
use nl_testkit::{Lab, Node, Result};
use serde_json::Value;

use crate::support::{kernel, mac, vxlans};

/// `br0` with the ports `vx0` (VNI 100) and `vm0` (metadata mode).
async fn leaf(lab: &Lab) -> Result<(Node, Fdb)> {
    let (node, fdb) = vxlans(lab).await?;
    for line in
        ["link add br0 type bridge vlan_default_pvid 0", "link set vx0 master br0", "link set vm0 master br0"]
    {
        node.ip(line).await;
    }
    Ok((node, fdb))
}

/// The entries of an address as `bridge` shows them, that of the VXLAN device first.
async fn shown(node: &Node, number: u32) -> Vec<Value> {
    let all = node.json("bridge -j fdb show").await;
    let mac = mac(number).to_string();
    let mut found: Vec<Value> =
        all.as_array().unwrap().iter().filter(|entry| entry["mac"] == mac.as_str()).cloned().collect();
    found.sort_by_key(|entry| entry["master"] == "br0");
    found
}

#[nl_testkit::test(needs(link = "vxlan", link = "bridge", tool = "bridge", tool = "ip"))]
async fn address_behind_a_leaf_is_written_into_both_tables_moved_and_removed(lab: Lab) -> Result {
    let (node, fdb) = leaf(&lab).await?;
    let first = "192.0.2.1".parse()?;
    let second = "192.0.2.2".parse()?;
    fdb.remote_mac(mac(1), "vx0").dst(first).replace().await?;
    let [tunnel, bridge] = shown(&node, 1).await.try_into().unwrap();
    assert_eq!(tunnel["dst"], "192.0.2.1", "{tunnel}");
    for entry in [&tunnel, &bridge] {
        assert_eq!(entry["ifname"], "vx0", "{entry}");
        assert!(entry["flags"].as_array().unwrap().contains(&"extern_learn".into()), "{entry}");
    }
    // What iproute2 writes for it looks the same.
    for line in [
        "fdb replace 02:00:00:00:00:02 dev vx0 self extern_learn dynamic dst 192.0.2.1",
        "fdb replace 02:00:00:00:00:02 dev vx0 master extern_learn dynamic",
    ] {
        node.bridge(line).await;
    }
    let mut theirs = shown(&node, 2).await;
    for entry in &mut theirs {
        entry["mac"] = mac(1).to_string().into();
    }
    assert_eq!(theirs, [tunnel, bridge]);

    // It moves.
    fdb.remote_mac(mac(1), "vx0").dst(second).replace().await?;
    let moved = shown(&node, 1).await;
    assert_eq!((moved.len(), &moved[0]["dst"]), (2, &"192.0.2.2".into()), "{moved:?}");

    // The first leaf withdraws it late.
    let error = fdb.remote_mac(mac(1), "vx0").dst(first).delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.hint().unwrap().contains("dst 192.0.2.2"), "{error}");
    assert!(error.to_string().contains("dev vx0"), "{error}");
    assert_eq!(shown(&node, 1).await, moved);

    fdb.remote_mac(mac(1), "vx0").dst(second).delete().await?;
    assert_eq!(shown(&node, 1).await, [] as [Value; 0]);
    assert!(fdb.remote_mac(mac(1), "vx0").delete().await.unwrap_err().is_not_found());
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", link = "bridge", tool = "bridge", tool = "ip"))]
async fn address_is_removed_also_when_one_of_its_entries_is_gone(lab: Lab) -> Result {
    let (node, fdb) = leaf(&lab).await?;
    for gone in ["master", "self"] {
        fdb.remote_mac(mac(1), "vx0").dst("192.0.2.1".parse()?).replace().await?;
        node.bridge(&format!("fdb del 02:00:00:00:00:01 dev vx0 {gone}")).await;
        assert_eq!(shown(&node, 1).await.len(), 1);
        fdb.remote_mac(mac(1), "vx0").dst("192.0.2.1".parse()?).delete().await?;
        assert_eq!(shown(&node, 1).await, [] as [Value; 0], "after {gone} was gone");
    }
    Ok(())
}

/// On a device in metadata mode one address is behind a leaf in each VNI.
#[nl_testkit::test(needs(link = "vxlan", link = "bridge", tool = "bridge", tool = "ip"))]
async fn address_in_two_vnis_is_two_addresses(lab: Lab) -> Result {
    let (node, fdb) = leaf(&lab).await?;
    fdb.remote_mac(mac(1), "vm0").dst("192.0.2.1".parse()?).vni(10010).src_vni(10010).replace().await?;
    fdb.remote_mac(mac(1), "vm0").dst("192.0.2.2".parse()?).vni(10020).src_vni(10020).replace().await?;
    let both = shown(&node, 1).await;
    let ways: Vec<_> = both.iter().map(|entry| (entry["dst"].as_str(), entry["src_vni"].as_u64())).collect();
    assert_eq!(ways.len(), 3, "{both:?}");
    assert!(
        ways.contains(&(Some("192.0.2.1"), Some(10010))) && ways.contains(&(Some("192.0.2.2"), Some(10020))),
        "{both:?}"
    );

    let error = fdb
        .remote_mac(mac(1), "vm0")
        .dst("192.0.2.1".parse()?)
        .vni(10020)
        .src_vni(10020)
        .delete()
        .await
        .unwrap_err();
    assert!(error.is_not_found() && error.hint().unwrap().contains("dst 192.0.2.2"), "{error}");
    fdb.remote_mac(mac(1), "vm0").dst("192.0.2.2".parse()?).vni(10020).src_vni(10020).delete().await?;
    let left = shown(&node, 1).await;
    assert_eq!((left.len(), &left[0]["dst"]), (1, &"192.0.2.1".into()), "{left:?}");
    Ok(())
}

/// Several leaves that share a host, as a nexthop group.
#[nl_testkit::test(needs(link = "vxlan", link = "bridge", tool = "bridge", tool = "ip"))]
async fn address_behind_a_nexthop_group_is_written_and_removed(lab: Lab) -> Result {
    let (node, fdb) = leaf(&lab).await?;
    fdb.remote_mac(mac(1), "vx0").nexthop(10).sticky().replace().await?;
    let [tunnel, bridge] = shown(&node, 1).await.try_into().unwrap();
    assert_eq!(tunnel["nhid"], 10, "{tunnel}");
    assert!(bridge["flags"].as_array().unwrap().contains(&"sticky".into()), "{bridge}");
    assert!(fdb.remote_mac(mac(1), "vx0").nexthop(11).delete().await.unwrap_err().is_not_found());
    fdb.remote_mac(mac(1), "vx0").nexthop(10).delete().await?;
    assert_eq!(shown(&node, 1).await, [] as [Value; 0]);
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", link = "bridge", tool = "bridge", tool = "ip"))]
async fn what_cannot_be_written_is_refused_and_named(lab: Lab) -> Result {
    let (node, fdb) = leaf(&lab).await?;
    let leaf = "192.0.2.1".parse()?;
    let error = fdb.remote_mac(mac(1), "vx0").replace().await.unwrap_err();
    assert!(error.to_string().contains("give dst or nexthop"), "{error}");
    let error = fdb.remote_mac(mac(1), "vx0").vlan(4095).dst(leaf).replace().await.unwrap_err();
    assert!(error.to_string().contains("4094"), "{error}");
    assert_eq!(shown(&node, 1).await, [] as [Value; 0], "nothing is written when the VLAN cannot be");
    let error = fdb.remote_mac(mac(1), "nodev").dst(leaf).replace().await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("nodev"), "{error}");
    // It is not a port of a bridge.
    node.ip("link set vx0 nomaster").await;
    let error = fdb.remote_mac(mac(1), "vx0").dst(leaf).replace().await.unwrap_err();
    assert!(error.hint().unwrap().contains("the entry of the VXLAN device is written"), "{error}");
    assert_eq!(shown(&node, 1).await.len(), 1);
    fdb.remote_mac(mac(1), "vx0").dst(leaf).delete().await?;
    assert_eq!(shown(&node, 1).await, [] as [Value; 0]);
    Ok(())
}

/// Both entries of many addresses in one batch.
#[nl_testkit::test(needs(link = "vxlan", link = "bridge", tool = "bridge", tool = "ip"))]
async fn thousand_addresses_are_written_in_a_batch(lab: Lab) -> Result {
    let (node, fdb) = leaf(&lab).await?;
    let index = fdb.connection().link_index("vx0").await?;
    let leaf = "192.0.2.1".parse()?;
    let remotes = (1..=1000).map(move |number| RemoteMac::new(mac(number), index).dst(leaf));
    let changes = remotes.flat_map(|remote| remote.entries()).map(|entry| (FdbVerb::Replace, entry));
    let summary = fdb.batch(changes).summarize(1).await?;
    assert_eq!((summary.succeeded, summary.failed), (2000, 0));
    let all = node.json("bridge -j fdb show").await;
    let count = all
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["mac"].as_str().unwrap().starts_with("02:00:00:00:"))
        .count();
    assert_eq!(count, 2000, "on Linux {:?}", kernel());
    Ok(())
}

//! Lists against those of iproute2, and where the kernel hides something.

use futures_util::TryStreamExt;
use nl_bridge::mst::Mst;
use nl_bridge::tunnel::{TunnelEntry, Tunnels};
use nl_bridge::vlan_db::{StpState, VlanDb, VlanInfo};
use nl_bridge::vni::Vnis;
use nl_core::Request;
use nl_core::message::{AF_BRIDGE, IfInfoMsg};
use nl_testkit::{Lab, Result, kernel_version};

use super::support::*;

const RTM_GETLINK: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 4;

/// With rows, holes, a VLAN without a VNI and one with VNI 1 behind it, which the kernel merges.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn tunnels_are_those_of_tunnelshow(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let conn = route(&node).await;
    assert_eq!(mapped(&conn, "vx0").await, tunnelshow(&node, "vx0").await);
    for (vlans, ids) in
        [("10", "10010"), ("12", "1"), ("20-29", "10020-10029"), ("30", "10030"), ("31", "10"), ("39", "9")]
    {
        node.bridge(&format!("vlan add dev vx0 vid {vlans} tunnel_info id {ids}")).await;
    }
    let ours = mapped(&conn, "vx0").await;
    assert_eq!(ours, tunnelshow(&node, "vx0").await);
    assert_eq!(ours.len(), 15);
    let rows = Tunnels::new(conn.clone()).entries().list().await?.collect_all().await?;
    let texts: Vec<_> = rows.iter().map(|row| format!("{}={}", row.vlans, row.vnis)).collect();
    assert_eq!(texts, ["10=10010", "12=1", "20-30=10020-10030", "31=10", "39=9"]);
    // The same in the link messages of the bridge family.
    let header = IfInfoMsg { family: AF_BRIDGE, ..IfInfoMsg::default() };
    let mut request = Request::unnamed(RTM_GETLINK).with_header(&header);
    request.attrs().u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
    let links: Vec<TunnelEntry> = conn.dump_each(request, TunnelEntry::decode_link).try_collect().await?;
    assert_eq!(links, rows);
    let one = Tunnels::new(conn).entries().vlan(12).list().await?.collect_all().await?;
    assert_eq!(one.len(), 1);
    Ok(())
}

/// What the merged list of a kernel before 7.2 shows is not what is there.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "veth", iproute2 = "6.8", kernel = "6.4"),
    timeout = 60
)]
async fn a_list_is_exact_where_the_kernel_merges(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    node.bridge("vlan add vid 10-19 dev p1").await;
    node.bridge("vlan set vid 12 dev p1 neigh_suppress on").await;
    let exact = vlans(&conn, "p1").await;
    let suppressing: Vec<_> =
        exact.values().filter(|entry| entry.neigh_suppress == Some(true)).map(|entry| entry.vlans).collect();
    assert_eq!(suppressing, ["12".parse()?]);
    let db = VlanDb::new(conn);
    let merged = db.entries().dev("p1").merged().list().await?.collect_all().await?;
    assert_eq!(merged.iter().map(|entry| entry.vlans.len()).sum::<usize>(), 10);
    let rows = if kernel_version() >= (7, 2) { 3 } else { 1 };
    assert_eq!(merged.len(), rows, "{merged:?}");
    let one = db.entries().dev("p1").vlan(12).list().await?.collect_all().await?;
    assert_eq!(one.len(), 1);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 120)]
async fn a_full_port_is_listed_in_several_messages(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let conn = route(&node).await;
    node.bridge("vlan add dev vx0 vid 1-4094").await;
    // No two in a row, so that a message of the link family could not hold them.
    let index = node.index_of("vx0").await?;
    let entries = (1..=4094_u16).map(move |vlan| {
        let vni = nl_bridge::Vni::new(u32::from(vlan) * 2).unwrap();
        (
            nl_bridge::tunnel::TunnelVerb::Add,
            TunnelEntry::new(index, nl_bridge::VlanId::new(vlan).unwrap(), vni),
        )
    });
    let summary = Tunnels::new(conn.clone()).batch(entries).summarize(1).await?;
    assert_eq!((summary.succeeded, summary.failed), (4094, 0));
    let expected: Vec<_> = (1..=4094_u16).map(|vlan| (vlan, u32::from(vlan) * 2)).collect();
    assert_eq!(mapped(&conn, "vx0").await, expected);
    assert_eq!(vlans(&conn, "vx0").await.len(), 4094);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn counters_of_a_vlan_are_those_of_iproute2(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    node.ip("link set br0 type bridge vlan_stats_enabled 1 vlan_stats_per_port 1").await;
    for port in ["p1", "p2"] {
        node.bridge(&format!("vlan add vid 10-11 dev {port}")).await;
    }
    let mut capture = node.capture("h2").await?;
    node.send_frame("h1", &frame(10, 1).to_bytes()).await?;
    capture.expect(|frame| number(frame) == Some(1), std::time::Duration::from_secs(10)).await;
    let db = VlanDb::new(route(&node).await);
    let entries = db.entries().dev("p1").list().await?.collect_all().await?;
    let stats =
        |vlan: &str| entries.iter().find(|entry| entry.vlans.to_string() == vlan).unwrap().stats.unwrap();
    assert_eq!((stats("10").rx_packets, stats("11").rx_packets), (1, 0));
    let shown = node.json("bridge -j -s vlan show dev p1").await;
    let theirs = &shown[0]["vlans"][0];
    assert_eq!(theirs["rx_bytes"], stats("10").rx_bytes, "{shown}");
    assert_eq!(theirs["rx_packets"], stats("10").rx_packets);
    assert_eq!(theirs["tx_bytes"], stats("10").tx_bytes);
    assert_eq!(theirs["tx_packets"], stats("10").tx_packets);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", iproute2 = "6.8"), timeout = 60)]
async fn vnis_are_those_of_iproute2_with_counters(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    node.bridge("vni add vni 100-102 dev vf0").await;
    node.bridge("vni add vni 200 remote 192.0.2.9 dev vf0").await;
    let vnis = Vnis::new(route(&node).await);
    let rows = vnis.entries().list().await?.collect_all().await?;
    let texts: Vec<_> = rows.iter().map(ToString::to_string).collect();
    let index = node.index_of("vf0").await?;
    assert_eq!(
        texts,
        [format!("vni 100-102 dev #{index}"), format!("vni 200 dev #{index} remote 192.0.2.9")]
    );
    let with_stats = vnis.entries().dev("vf0").stats().list().await?.collect_all().await?;
    let counted: Vec<_> =
        with_stats.iter().map(|entry| (entry.vnis.first(), entry.stats.is_some())).collect();
    assert_eq!(counted, [(100, true), (101, true), (102, true), (200, true)]);
    let shown = node.json("bridge -j -s vni show dev vf0").await;
    let theirs: Vec<_> = shown[0]["vnis"].as_array().unwrap().iter().map(|vni| vni["vni"].as_u64()).collect();
    assert_eq!(theirs, [100, 101, 102, 200].map(Some), "{shown}");
    assert_eq!(vnis.entries().vni(101).list().await?.collect_all().await?.len(), 1);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", iproute2 = "6.10"), timeout = 60)]
async fn mst_states_are_those_of_iproute2(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    node.ip("link set br0 type bridge mst_enabled 1").await;
    for port in ["p1", "p2"] {
        node.bridge(&format!("vlan add vid 10-12 dev {port}")).await;
    }
    let mst = Mst::new(route(&node).await);
    mst.vlans("br0", 11).msti(1).set().await?;
    mst.vlans("br0", 12).msti(4094).set().await?;
    mst.entry("p1", 4094).state(StpState::Learning).set().await?;
    let ours = mst.entries().list().await?.collect_all().await?;
    let mut theirs = Vec::new();
    for device in node.json("bridge -j mst show").await.as_array().unwrap() {
        let index = node.index_of(device["ifname"].as_str().unwrap()).await?;
        for entry in device["mst"].as_array().unwrap() {
            theirs.push(format!(
                "dev #{index} msti {} state {}",
                entry["msti"],
                entry["state"].as_str().unwrap()
            ));
        }
    }
    assert_eq!(ours.iter().map(ToString::to_string).collect::<Vec<_>>(), theirs);
    assert_eq!(ours.len(), 6);
    let shown = node.json("bridge -j -d vlan global show dev br0 vid 12").await;
    assert_eq!(shown[0]["vlans"][0]["msti"], 4094, "{shown}");
    Ok(())
}

/// The bug of other libraries: setting a state writes the flags, and makes VLANs.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn setting_a_state_keeps_pvid_and_untagged(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let db = VlanDb::new(route(&node).await);
    node.bridge("vlan add vid 300 dev p1 pvid untagged").await;
    let before = flags(&node, "p1", 300).await;
    assert_eq!(before, serde_json::json!(["PVID", "Egress Untagged"]));
    db.entry("p1", 300).state(StpState::Blocking).set().await?;
    assert_eq!(flags(&node, "p1", 300).await, before);
    let info = vlans(db.connection(), "p1").await[&300].info;
    assert_eq!(info, VlanInfo::PVID | VlanInfo::UNTAGGED);
    let error = db.entry("p1", 301).state(StpState::Blocking).set().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(flags(&node, "p1", 301).await, serde_json::Value::Null);
    // The form that writes them.
    db.entry("p1", 300).untagged().state(StpState::Forwarding).replace().await?;
    assert_eq!(flags(&node, "p1", 300).await, serde_json::json!(["Egress Untagged"]));
    db.entry("p1", 301..=302).state(StpState::Blocking).replace().await?;
    assert_eq!(flags(&node, "p1", 302).await, serde_json::json!([]));
    db.entry("p1", 301..=302).delete().await?;
    assert_eq!(flags(&node, "p1", 302).await, serde_json::Value::Null);
    Ok(())
}

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use nl_bridge::vlan_db::{
    RTM_DELVLAN, RTNLGRP_BRVLAN, VlanDb, VlanDbEntry, VlanDbEvent, VlanInfo, VlanWatch,
};
use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::{AF_BRIDGE, FixedHeader};
use nl_core::watch::{Change, Entry};
use nl_testkit::{Lab, Node, Result, within};
use serde_json::Value;

use super::support::*;
use crate::vlan_db::support::{switch, tunnelshow};

/// Until the watch has what a list has, and what iproute2 shows.
pub(super) async fn exact(watch: &mut VlanWatch, node: &Node) {
    converge(watch, async |watch| difference(watch, node).await).await;
}

async fn difference(watch: &VlanWatch, node: &Node) -> Option<String> {
    let conn = route(node).await;
    let listed = VlanDb::new(conn.clone()).entries().list().await.unwrap().collect_all().await.unwrap();
    let listed: BTreeSet<_> = listed.iter().map(|entry| format!("{:?}", entry.normalized())).collect();
    let names = conn.link_names().await.unwrap();
    let name = |entry: &VlanDbEntry| names.get(&entry.index).cloned().unwrap_or_default();
    let ours = watch.entries().map(|entry| {
        let has = |flag| entry.info.contains(flag);
        format!("{} {} {} {}", name(entry), entry.vlans, has(VlanInfo::PVID), has(VlanInfo::UNTAGGED))
    });
    let mut theirs = BTreeSet::new();
    for device in shown(node, "bridge -j vlan show").await {
        for vlan in device["vlans"].as_array().unwrap() {
            let has =
                |word: &str| vlan["flags"].as_array().is_some_and(|flags| flags.iter().any(|f| f == word));
            let number = |key: &str| vlan[key].as_u64();
            let first = number("vlan").unwrap();
            for vlan in first..=number("vlanEnd").unwrap_or(first) {
                let (pvid, untagged) = (has("PVID"), has("Egress Untagged"));
                theirs.insert(format!("{} {vlan} {pvid} {untagged}", field(&device, "ifname")));
            }
        }
    }
    let maps = watch.entries().filter(|entry| name(entry) == "vx0");
    let maps: BTreeSet<_> =
        maps.filter_map(|entry| Some(format!("{} {}", entry.vlans, entry.tunnel?))).collect();
    let shown_maps = match names.values().any(|name| name == "vx0") {
        true => tunnelshow(node, "vx0").await,
        false => Vec::new(),
    };
    let shown_maps = shown_maps.into_iter().map(|(vlan, vni)| format!("{vlan} {vni}")).collect();
    compared(&texts(watch.entries()), &listed, "listed")
        .or(compared(&ours.collect(), &theirs, "iproute2 shows"))
        .or(compared(&maps, &shown_maps, "iproute2 shows"))
}

async fn open(node: &Node) -> VlanWatch {
    let mut watch = VlanWatch::open(&route(node).await).await.unwrap();
    synced(&mut watch).await;
    watch
}

/// From public reports: a range is all of its VLANs and no other one.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"))]
async fn range_of_vlans_is_exactly_its_vlans(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    let mut watch = open(&node).await;
    let vlans = nl_bridge::vlan::Vlans::new(conn.clone());
    let db = VlanDb::new(conn.clone());
    vlans.entry("p1", 4..=6).add().await?;
    db.entry("p2", 4..=6).replace().await?;
    let mut seen = BTreeSet::new();
    while seen.len() < 6 {
        let Change::Added(entry) =
            until(&mut watch, "a VLAN", |change| matches!(change, Change::Added(_))).await
        else {
            unreachable!()
        };
        assert!(seen.insert((entry.index, entry.vlans.to_string())), "{entry}");
    }
    for port in ["p1", "p2"] {
        let index = node.index_of(port).await?;
        assert!(
            seen.iter().filter(|(of, _)| *of == index).map(|(_, vlan)| &**vlan).eq(["4", "5", "6"]),
            "{seen:?}"
        );
        let shown = node.json(&format!("bridge -j vlan show dev {port}")).await;
        let shown: Vec<_> = shown[0]["vlans"].as_array().unwrap().iter().map(|v| v["vlan"].clone()).collect();
        assert_eq!(shown, [4, 5, 6].map(Value::from));
    }
    exact(&mut watch, &node).await;
    Ok(())
}

/// `BRIDGE_VLAN_INFO_MASTER` in a deletion: the bridge loses the VLAN too, and only the port has an event.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"))]
async fn watch_follows_a_vlan_of_the_bridge_that_goes_with_that_of_a_port(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    let (bridge, port) = (node.index_of("br0").await?, node.index_of("p1").await?);
    for dev in ["br0", "p1"] {
        node.bridge(&format!("vlan add dev {dev} vid 10 {}", if dev == "br0" { "self" } else { "" })).await;
    }
    let of = conn.clone();
    let mut events = node.open(move || of.monitor().group(RTNLGRP_BRVLAN).open(VlanDbEvent::decode)).await?;
    let mut watch = open(&node).await;
    assert_eq!(watch.len(), 2);
    conn.acknowledged(delete_with_master(port, 10)).await?;
    exact(&mut watch, &node).await;
    assert!(watch.is_empty(), "{watch:?}");
    VlanDb::new(conn).entry("p1", 99).replace().await?;
    let mut said = Vec::new();
    while let VlanDbEvent::Deleted(entries) = within(SOON, events.try_next(), "an event").await?.unwrap() {
        said.extend(entries.iter().map(|entry| entry.index));
    }
    assert_eq!(
        said,
        [port],
        "the kernel reports the VLAN of the bridge ({bridge}) too: the watch needs not list"
    );
    Ok(())
}

/// `struct br_vlan_msg`.
struct Header(u32);

impl FixedHeader for Header {
    const LEN: usize = 8;
    const NAME: &'static str = "br_vlan_msg";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend([AF_BRIDGE, 0, 0, 0]);
        out.extend(self.0.to_ne_bytes());
    }

    fn read(_: &[u8]) -> std::result::Result<(Self, &[u8]), DecodeError> {
        Err(DecodeError::Missing(0))
    }
}

/// A deletion by `RTM_DELVLAN` with the flag, which the codec does not write.
fn delete_with_master(index: u32, vlan: u16) -> Request {
    const BRIDGE_VLANDB_ENTRY: u16 = 1;
    const BRIDGE_VLANDB_ENTRY_INFO: u16 = 1;
    let mut request = Request::unnamed(RTM_DELVLAN).with_header(&Header(index));
    let ([a, b], [c, d]) = (VlanInfo::MASTER.bits().to_ne_bytes(), vlan.to_ne_bytes());
    request.attrs().nested(BRIDGE_VLANDB_ENTRY).bytes(BRIDGE_VLANDB_ENTRY_INFO, &[a, b, c, d]);
    request
}

/// It gets one by itself.
#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"))]
async fn watch_follows_the_vlan_of_a_new_bridge(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut watch = open(&node).await;
    node.ip("link add br0 type bridge").await;
    until(
        &mut watch,
        "VLAN 1",
        |change| matches!(change, Change::Added(entry) if entry.vlans.to_string() == "1"),
    )
    .await;
    exact(&mut watch, &node).await;
    node.ip("link set br0 type bridge vlan_default_pvid 7").await;
    exact(&mut watch, &node).await;
    node.ip("link del br0").await;
    until(&mut watch, "no VLAN", |change| matches!(change, Change::Deleted(_))).await;
    exact(&mut watch, &node).await;
    assert!(watch.is_empty(), "{watch:?}");
    Ok(())
}

/// What the documentation says is not followed: `ip link` changes a port that is down without any event.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"))]
async fn vlan_tunnel_off_by_ip_link_has_no_event_while_the_port_is_down(lab: Lab) -> Result {
    let node = crate::vlan_db::support::tunnels(&lab).await?;
    node.ip("link set vx0 down").await;
    node.bridge("vlan add dev vx0 vid 10 tunnel_info id 10010").await;
    let mut watch = open(&node).await;
    let maps = |watch: &VlanWatch| watch.entries().filter(|entry| entry.tunnel.is_some()).count();
    assert_eq!(maps(&watch), 1);
    node.ip("link set vx0 type bridge_slave vlan_tunnel off").await;
    assert_eq!(tunnelshow(&node, "vx0").await, []);
    VlanDb::new(route(&node).await).entry("p2", 7).replace().await?;
    until(&mut watch, "the event after", |change| matches!(change, Change::Added(_))).await;
    assert_eq!(maps(&watch), 1, "the kernel reports it");
    watch.resync();
    synced(&mut watch).await;
    assert_eq!(maps(&watch), 0);
    exact(&mut watch, &node).await;
    Ok(())
}

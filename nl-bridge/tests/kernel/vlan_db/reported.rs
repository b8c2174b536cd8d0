//! What users of other libraries and of network managers reported, each with what ours does there.

use nl_bridge::fdb::Fdb;
use nl_bridge::mdb::{Mdb, MdbGroup};
use nl_bridge::tunnel::Tunnels;
use nl_bridge::vlan::{VlanMember, Vlans};
use nl_bridge::vlan_db::VlanDb;
use nl_core::{Connection, MacAddr};
use nl_testkit::{Lab, Result};
use serde_json::json;

use super::support::*;

async fn members(conn: &Connection, dev: &str) -> Vec<String> {
    let devices =
        Vlans::new(conn.clone()).devices().dev(dev).list().await.unwrap().collect_all().await.unwrap();
    assert_eq!(devices.len(), 1, "{devices:?}");
    devices[0].members.iter().map(VlanMember::to_string).collect()
}

/// systemd/systemd#38157: a bridge that is itself the port of a bond was taken for a port, and its own VLANs could not be set.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "bond", link = "veth", tool = "bridge"), timeout = 60)]
async fn a_bridge_that_is_the_port_of_a_bond_has_vlans_of_its_own(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    node.ip("link add bond0 type bond").await;
    node.ip("link set br0 down").await;
    node.ip("link set br0 master bond0").await;
    let vlans = Vlans::new(conn.clone());
    vlans.entry("br0", 2).self_().vlans(3).pvid().untagged().add().await?;
    assert_eq!(members(&conn, "br0").await, ["2", "3 pvid untagged"]);
    let shown = node.json("bridge -j vlan show dev br0").await;
    assert_eq!(
        shown[0]["vlans"],
        json!([{ "vlan": 2 }, { "vlan": 3, "flags": ["PVID", "Egress Untagged"] }]),
        "{shown}"
    );
    let db = VlanDb::new(conn.clone());
    let listed = db.entries().dev("br0").list().await?.collect_all().await?;
    assert_eq!(listed.iter().map(|entry| entry.vlans.to_string()).collect::<Vec<_>>(), ["2", "3"]);
    vlans.entry("br0", 2).self_().vlans(3).delete().await?;
    assert_eq!(members(&conn, "br0").await, Vec::<String>::new());
    Ok(())
}

/// systemd/systemd#41924: with vlan_default_pvid 0, the bridge's own PVID was lost when its first port came.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn the_pvid_of_a_bridge_stays_while_ports_come_and_go(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    node.ip("link add br0 up type bridge vlan_filtering 1 vlan_default_pvid 0").await;
    let vlans = Vlans::new(conn.clone());
    vlans.entry("br0", 1).pvid().untagged().self_().vlans(100).add().await?;
    let own = ["1 pvid untagged", "100"];
    assert_eq!(members(&conn, "br0").await, own);
    node.ip("link add p1 type veth peer name h1").await;
    node.ip("link set p1 master br0 up").await;
    assert_eq!(members(&conn, "br0").await, own);
    assert_eq!(members(&conn, "p1").await, Vec::<String>::new());
    vlans.entry("p1", 1).vlans(100).add().await?;
    vlans.entry("p1", 1).vlans(100).delete().await?;
    assert_eq!(members(&conn, "br0").await, own);
    node.ip("link set p1 nomaster").await;
    assert_eq!(members(&conn, "br0").await, own);
    Ok(())
}

/// systemd/systemd#12958: VLANs from 4090 on did not fit the request that had them all.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn the_largest_vlans_are_set_on_ports_and_on_the_bridge(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    let vlans = Vlans::new(conn.clone());
    vlans.entry("p1", 4090).vlans(4092..=4094).add().await?;
    vlans.entry("br0", 4090).self_().add().await?;
    assert_eq!(members(&conn, "p1").await, ["4090", "4092-4094"]);
    assert_eq!(members(&conn, "br0").await, ["4090"]);
    Ok(())
}

/// systemd/systemd#5716: a new PVID leaves the port in the VLAN that was the PVID before, which the bridge gave it.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn the_default_vlan_of_a_port_leaves_by_name_only(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    node.ip("link add br0 up type bridge vlan_filtering 1").await;
    node.ip("link add p1 type veth peer name h1").await;
    node.ip("link set p1 master br0").await;
    assert_eq!(members(&conn, "p1").await, ["1 pvid untagged"]);
    let vlans = Vlans::new(conn.clone());
    vlans.entry("p1", 2).pvid().untagged().add().await?;
    assert_eq!(members(&conn, "p1").await, ["1 untagged", "2 pvid untagged"]);
    vlans.entry("p1", 1).delete().await?;
    assert_eq!(members(&conn, "p1").await, ["2 pvid untagged"]);
    Ok(())
}

/// vishvananda/netlink#1164: a list of mappings did not say which device each is of.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn mappings_of_two_devices_are_listed_apart(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let conn = route(&node).await;
    node.ip("link add vx1 type vxlan external dstport 4791").await;
    node.ip("link set vx1 master br0 up").await;
    let tunnels = Tunnels::new(conn.clone());
    tunnels.entry("vx0", 10..=11, 1010..=1011).add().await?;
    // The same VLAN and the same VNI are no conflict on another device.
    tunnels.entry("vx1", 10, 1010).prepare().add().await?;
    tunnels.entry("vx1", 12, 2000).prepare().add().await?;
    assert_eq!(mapped(&conn, "vx0").await, [(10, 1010), (11, 1011)]);
    assert_eq!(mapped(&conn, "vx1").await, [(10, 1010), (12, 2000)]);
    let (vx0, vx1) = (node.index_of("vx0").await?, node.index_of("vx1").await?);
    let all = tunnels.entries().list().await?.collect_all().await?;
    let all: Vec<_> = all.iter().map(|entry| (entry.index, entry.vlans.to_string())).collect();
    assert_eq!(all, [(vx0, "10-11".to_owned()), (vx1, "10".to_owned()), (vx1, "12".to_owned())]);
    assert_eq!(tunnelshow(&node, "vx1").await, [(10, 1010), (12, 2000)]);
    // Without a device, all of the other one stay.
    tunnels.entry("vx0", 10..=11, 1010..=1011).delete().await?;
    assert_eq!((mapped(&conn, "vx0").await.len(), mapped(&conn, "vx1").await.len()), (0, 2));
    Ok(())
}

/// zebra-rs/zebra-rs#2173: on a bridge that filters VLANs, an address that is added without a VLAN is an entry in each VLAN of the
/// port and one in none, a group an entry in each.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn an_entry_without_a_vlan_is_one_in_each_vlan_of_the_port(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    node.bridge("vlan add dev p1 vid 10-11").await;
    let fdb = Fdb::new(conn.clone());
    let mac = MacAddr::new([2, 0, 0, 0, 7, 7]);
    let vlans = async || {
        let entries = fdb.entries().mac(mac).list().await.unwrap().collect_all().await.unwrap();
        let mut vlans: Vec<_> = entries.iter().map(|entry| entry.vlan).collect();
        vlans.sort_unstable();
        vlans
    };
    fdb.entry(mac, "p1").master().static_().add().await?;
    assert_eq!(vlans().await, [None, Some(10), Some(11)]);
    fdb.entry(mac, "p1").master().delete().await?;
    assert_eq!(vlans().await, []);
    fdb.entry(mac, "p1").master().static_().vlan(10).add().await?;
    assert_eq!(vlans().await, [Some(10)]);

    let mdb = Mdb::new(conn);
    let group: std::net::IpAddr = "239.1.1.1".parse()?;
    let vlans = async || {
        let list = mdb.entries().dev("br0").list().await.unwrap().collect_all().await.unwrap();
        let entries = list.iter().flat_map(|table| &table.entries);
        let mut vlans: Vec<_> =
            entries.filter(|entry| entry.group == MdbGroup::Ip(group)).map(|entry| entry.vlan).collect();
        vlans.sort_unstable();
        vlans
    };
    mdb.entry("br0", "p1", group).permanent().add().await?;
    assert_eq!(vlans().await, [Some(10), Some(11)]);
    mdb.entry("br0", "p1", group).vlan(11).delete().await?;
    assert_eq!(vlans().await, [Some(10)]);
    Ok(())
}

/// bisdn/basebox#446: a static entry stays when its port leaves the VLAN, and a flush of the VLAN removes it.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn a_static_entry_outlives_its_vlan_until_it_is_flushed(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    let (fdb, vlans) = (Fdb::new(conn.clone()), Vlans::new(conn));
    vlans.entry("p1", 10).vlans(11).add().await?;
    let mac = MacAddr::new([2, 0, 0, 0, 7, 7]);
    for vlan in [10, 11] {
        fdb.entry(mac, "p1").master().static_().vlan(vlan).add().await?;
    }
    let left = async || {
        let entries = fdb.entries().mac(mac).list().await.unwrap().collect_all().await.unwrap();
        entries.iter().map(|entry| entry.vlan).collect::<Vec<_>>()
    };
    vlans.entry("p1", 10).delete().await?;
    assert_eq!(left().await.len(), 2);
    fdb.entries().bridge("br0").dev("p1").vlan(10).flush().await?;
    assert_eq!(left().await, [Some(11)]);
    Ok(())
}

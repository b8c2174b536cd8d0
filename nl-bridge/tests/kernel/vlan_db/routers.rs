//! The ports behind which multicast routers are, of VLANs and of whole bridges, against iproute2.

use futures_util::TryStreamExt;
use nl_bridge::mdb::{Mdb, MdbRouter};
use nl_bridge::settings::Ports;
use nl_bridge::vlan_db::{McastRouter, VlanDb, VlanDbEvent, VlanDbGlobal};
use nl_core::Connection;
use nl_testkit::{Lab, Result, within};
use serde_json::Value;

use super::support::*;

/// The global options of one VLAN.
async fn global(conn: &Connection, vlan: u16) -> VlanDbGlobal {
    let list = VlanDb::new(conn.clone()).globals().bridge("br0").vlan(vlan).list().await.unwrap();
    let mut globals = list.collect_all().await.unwrap();
    assert_eq!(globals.len(), 1, "{globals:?}");
    globals.remove(0)
}

/// The names of the ports in a list of iproute2.
fn names(ports: &Value) -> Vec<String> {
    let ports = ports.as_array().into_iter().flatten();
    ports.map(|port| port["port"].as_str().unwrap().to_owned()).collect()
}

async fn ours(conn: &Connection, vlan: u16) -> Vec<(String, Option<McastRouter>)> {
    let mut ports = Vec::new();
    for port in global(conn, vlan).await.router_ports {
        ports.push((conn.link_name(port.index).await.unwrap(), port.router));
    }
    ports
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", iproute2 = "7.3"), timeout = 60)]
async fn ports_of_multicast_routers_of_a_vlan_are_those_of_bridge_vlan_global(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    node.ip("link set br0 type bridge mcast_vlan_snooping 1").await;
    for port in ["p1", "p2"] {
        node.bridge(&format!("vlan add vid 10 dev {port}")).await;
        node.bridge(&format!("vlan add vid 20 dev {port}")).await;
    }
    assert_eq!(ours(&conn, 10).await, []);
    let db = VlanDb::new(conn.clone());
    for (port, count) in [("p2", 1), ("p1", 2)] {
        db.entry(port, 10).mcast_router(McastRouter::Permanent).set().await?;
        let ours = ours(&conn, 10).await;
        assert_eq!(ours.len(), count, "{ours:?}");
        // Of the port, not of the VLAN.
        assert!(ours.iter().all(|(_, router)| *router == Some(McastRouter::Learn)), "{ours:?}");
        let shown = node.json("bridge -j -d vlan global show dev br0 vid 10").await;
        let theirs = names(&shown[0]["vlans"][0]["router_ports"]);
        assert_eq!(ours.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), theirs, "{shown}");
    }
    assert_eq!(ours(&conn, 20).await, []);
    Ok(())
}

/// The event of a change has the same list.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn an_event_of_global_options_has_the_ports_of_multicast_routers(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    node.ip("link set br0 type bridge mcast_vlan_snooping 1").await;
    node.bridge("vlan add vid 10 dev p1").await;
    let db = VlanDb::new(conn.clone());
    db.entry("p1", 10).mcast_router(McastRouter::Permanent).set().await?;
    let mut events = conn.monitor().group(nl_bridge::vlan_db::RTNLGRP_BRVLAN).open(VlanDbEvent::decode)?;
    db.global("br0", 10).mcast_querier(true).set().await?;
    let found = async {
        loop {
            if let VlanDbEvent::Global(globals) = events.try_next().await.unwrap().unwrap() {
                return globals;
            }
        }
    };
    let globals = within(std::time::Duration::from_secs(30), found, "the event of the option").await;
    let index = node.index_of("p1").await?;
    let ports: Vec<_> = globals[0].router_ports.iter().map(|port| (port.index, port.router)).collect();
    assert_eq!((globals[0].mcast_querier, ports), (Some(true), vec![(index, Some(McastRouter::Learn))]));
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", iproute2 = "7.3"), timeout = 60)]
async fn ports_of_multicast_routers_of_a_bridge_are_those_of_bridge_mdb(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = route(&node).await;
    Ports::new(conn.clone()).port("p2").mcast_router(McastRouter::Permanent).set().await?;
    let list = Mdb::new(conn).entries().dev("br0").list().await?;
    let tables: Vec<_> = list.try_collect().await?;
    let routers: Vec<MdbRouter> = tables.into_iter().flat_map(|table| table.routers).collect();
    let index = node.index_of("p2").await?;
    let is: Vec<_> = routers.iter().map(|router| (router.port, router.kind, router.vlan)).collect();
    assert_eq!(is, [(index, Some(2), None)]);
    let shown = node.json("bridge -j -d mdb show dev br0").await;
    assert_eq!(names(&shown[0]["router"]["br0"]), ["p2"], "{shown}");
    Ok(())
}

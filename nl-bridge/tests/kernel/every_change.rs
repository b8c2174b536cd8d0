//! Every change of every table, without privilege and of a device that is gone: the kind of the error, its number, and what it says was
//! asked. Busy, exists, not found and unsupported are with each table.

use std::net::IpAddr;

use nl_bridge::fdb::Fdb;
use nl_bridge::mdb::Mdb;
use nl_bridge::mst::{Mst, StpState};
use nl_bridge::settings::Ports;
use nl_bridge::tunnel::Tunnels;
use nl_bridge::vlan::Vlans;
use nl_bridge::vlan_db::VlanDb;
use nl_bridge::vni::Vnis;
use nl_core::error::{Errno, ErrorKind};
use nl_core::{Connection, Dev, Error, Protocol};
use nl_testkit::{Lab, Result};

use crate::support::mac;
use crate::vlan_db::support::{switch, tunnels};

/// The beginning of the operation, and the error; `None` for a success.
type Refused = (&'static str, Option<Error>);

async fn refused<T>(what: &'static str, outcome: impl Future<Output = nl_core::Result<T>>) -> Refused {
    (what, outcome.await.err())
}

/// The kernel refused it with this number, and the error says what was asked of which device.
#[track_caller]
fn is((what, error): Refused, errno: Errno, dev: &str) -> Error {
    let error = error.unwrap_or_else(|| panic!("{what}: not refused"));
    assert!(matches!(error.kind(), ErrorKind::Kernel(_)), "{what}: {error}");
    assert_eq!(error.errno(), Some(errno), "{what}: {error}");
    let operation = error.operation().unwrap_or_default();
    assert!(operation.starts_with(what), "{what}: {error}");
    assert!(operation.split(' ').any(|word| word == dev), "{what} names no {dev}: {error}");
    let text = error.to_string();
    assert!(text.lines().next().is_some_and(|line| line.ends_with(&format!(": {errno}"))), "{text}");
    error
}

/// What changes a port, a bridge and a VXLAN device with a VNI filter.
async fn changes(conn: &Connection, port: &Dev, bridge: &Dev, vxlan: &Dev) -> Vec<Refused> {
    let (fdb, mdb) = (Fdb::new(conn.clone()), Mdb::new(conn.clone()));
    let (vlans, db) = (Vlans::new(conn.clone()), VlanDb::new(conn.clone()));
    let (mst, vnis) = (Mst::new(conn.clone()), Vnis::new(conn.clone()));
    let (tunnels, ports) = (Tunnels::new(conn.clone()), Ports::new(conn.clone()));
    let group: IpAddr = "239.1.1.1".parse().unwrap();
    let entry = || fdb.entry(mac(1), port).master().static_();
    vec![
        refused("add fdb 02:00:00:00:00:01", entry().add()).await,
        refused("replace fdb 02:00:00:00:00:01", entry().replace()).await,
        refused("delete fdb 02:00:00:00:00:01", entry().delete()).await,
        refused("add mdb", mdb.entry(bridge, port, group).add()).await,
        refused("delete mdb", mdb.entry(bridge, port, group).delete()).await,
        refused("add vlan", vlans.entry(port, 10).add()).await,
        refused("delete vlan", vlans.entry(port, 10).delete()).await,
        refused("set vlan", db.entry(port, 10).state(StpState::Blocking).set()).await,
        refused("delete vlan", db.entry(port, 10).delete()).await,
        refused("set global vlan", db.global(bridge, 10).msti(1).set()).await,
        refused("set mst", mst.entry(port, 1).set()).await,
        refused("replace vni", vnis.entry(vxlan, 5).replace()).await,
        refused("delete vni", vnis.entry(vxlan, 5).delete()).await,
        refused("delete tunnel", tunnels.entry(port, 10, 10010).delete()).await,
        refused("set port", ports.port(port).learning(false).set()).await,
    ]
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn every_change_without_privilege_is_eperm_and_named(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    node.bridge("vlan add vid 10 dev p1").await;
    let before = (node.bridge("-d vlan show").await, node.bridge("-d link show").await);
    let errors = node
        .unprivileged(async || {
            let conn = Connection::open(Protocol::Route)?;
            let errors = changes(&conn, &Dev::from("p1"), &Dev::from("br0"), &Dev::from("vf0")).await;
            // Reading takes no privilege.
            assert!(!Vlans::new(conn.clone()).devices().list().await?.collect_all().await?.is_empty());
            Ok::<_, Error>(errors)
        })
        .await??;
    for refused in errors {
        let dev = match refused.0 {
            "set global vlan" => "br0",
            "replace vni" | "delete vni" => "vf0",
            _ => "p1",
        };
        let error = is(refused, Errno::EPERM, dev);
        assert!(error.is_permission() && !error.is_not_found(), "{error}");
    }
    assert_eq!((node.bridge("-d vlan show").await, node.bridge("-d link show").await), before);
    Ok(())
}

/// Between the look-up of a name and its next use, and behind an index.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "ip"), timeout = 60)]
async fn every_change_of_a_device_that_is_gone_is_enodev_and_named(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    for by_name in [true, false] {
        node.ip("link add gone type veth peer name other").await;
        node.ip("link set gone master br0").await;
        // Remembered.
        let index = conn.link_index("gone").await?;
        node.ip("link delete gone").await;
        let dev = if by_name { Dev::from("gone") } else { Dev::from(index) };
        for refused in changes(&conn, &dev, &dev, &dev).await {
            let error = is(refused, Errno::ENODEV, &dev.to_string());
            assert!(error.is_not_found() && !error.is_permission(), "{error}");
        }
    }
    Ok(())
}

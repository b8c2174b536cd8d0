//! Operations of several requests that are dropped at every await point: the next one completes what was begun, the connection works, and
//! no socket and no task is left.

use nl_bridge::leaf::{BridgeConfig, Leaf, PortConfig, VxlanConfig};
use nl_bridge::vni::Vnis;
use nl_core::{Connection, Protocol};
use nl_testkit::cancel::{Idle, at_every_await};
use nl_testkit::{Lab, Result};

use crate::support::{SOON, collect, mac, open, shown, still_bridge};
use crate::vlan_db::support::{switch, tunnels};

/// The connection's own, and those of lists and batches that are kept for the next ones.
const SOCKETS: usize = 5;

/// The connection answers, and has no more sockets and tasks than before.
async fn works(conn: &Connection, idle: &Idle) {
    assert_eq!(conn.link("lo").await.unwrap().index, 1);
    idle.again(SOON).await;
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn leaf_whose_application_is_dropped_is_completed_by_the_next(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let leaf = Leaf::new(conn.clone());
    let vxlan = VxlanConfig::new("vx0").local("192.0.2.1".parse()?).map(10, 10010);
    let config = BridgeConfig::new("br1").vlans(10).vxlan(vxlan.flood("192.0.2.2".parse()?));
    let config = config.port(PortConfig::new("h1").access(10));
    let all = async || (node.bridge("vlan show").await, node.bridge("vlan tunnelshow").await);
    let bare = all().await;
    leaf.apply(&config).await?;
    let expected = all().await;
    leaf.remove(&config).await?;
    let idle = Idle::now(&node, SOCKETS);
    let (plan, points) = at_every_await(
        || leaf.apply(&config),
        async |point| {
            works(&conn, &idle).await;
            leaf.apply(&config).await.unwrap();
            assert_eq!(all().await, expected, "dropped at point {point}");
            assert!(leaf.apply(&config).await.unwrap().is_empty(), "dropped at point {point}");
            leaf.remove(&config).await.unwrap();
            assert_eq!(all().await, bare, "dropped at point {point}");
        },
    )
    .await;
    assert!(!plan?.is_empty());
    assert!(points >= 2, "{points} points");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn changes_of_the_forwarding_database_that_are_dropped_are_made_or_not(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    let idle = Idle::now(node, SOCKETS);
    let entry = || fdb.entry(mac(1), "port1").master().static_();
    let empty = shown(node, "br br0").await;
    let (added, points) = at_every_await(
        || entry().add(),
        async |_| {
            works(fdb.connection(), &idle).await;
            // A look-up and a change: by then one of them was made.
            let _ = entry().delete().await;
        },
    )
    .await;
    added?;
    assert!(points >= 1, "{points} points");
    let (deleted, _) = at_every_await(
        || entry().delete(),
        async |_| {
            works(fdb.connection(), &idle).await;
            entry().replace().await.unwrap();
        },
    )
    .await;
    deleted?;
    assert_eq!(shown(node, "br br0").await, empty);

    // A name that nothing remembers is looked up each time.
    let (listed, _) = at_every_await(
        || {
            let entries = fdb.entries().bridge("br0");
            nl_core::Pending::new(async move { entries.list().await?.collect_all().await })
        },
        async |_| works(fdb.connection(), &idle).await,
    )
    .await;
    assert_eq!(listed?.len(), collect(fdb.entries().bridge("br0")).await.len());
    Ok(())
}

/// A list, and a change that depends on it.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn adding_vnis_that_is_dropped_adds_all_or_none(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let conn = open(&node).await?.connection().clone();
    let vnis = Vnis::new(conn.clone());
    let idle = Idle::now(&node, SOCKETS);
    let listed = async || {
        let list = vnis.entries().dev("vf0").list().await.unwrap().collect_all().await.unwrap();
        list.iter().map(|entry| entry.vnis.to_string()).collect::<Vec<_>>()
    };
    let (added, points) = at_every_await(
        || vnis.entry("vf0", 100..=102).add(),
        async |point| {
            works(&conn, &idle).await;
            match listed().await.as_slice() {
                [] => {}
                [all] if all == "100-102" => drop(vnis.entry("vf0", 100..=102).delete().await.unwrap()),
                some => panic!("dropped at point {point}: {some:?}"),
            }
        },
    )
    .await;
    added?;
    assert!(points >= 1, "{points} points");
    assert_eq!(listed().await, ["100-102"]);
    Ok(())
}

//! Operations of several requests that are dropped at every await point: each request that was sent was carried out, none behind it was
//! sent, the connection works, and no socket and no task is left.

use nl_core::address::Addresses;
use nl_core::link::{Links, Vrf};
use nl_core::neighbour::{NeighbourState, Neighbours};
use nl_core::{Connection, MacAddr, Pending};
use nl_testkit::cancel::{Idle, at_every_await};
use nl_testkit::{Lab, Result};

use crate::support::{SOON, link_names, many_links, route};

/// The connection's own, and that of a list or batch which is kept for the next one, for each that an operation has at a time.
const SOCKETS: usize = 3;

/// The connection answers, and has no more sockets and tasks than before.
async fn works(conn: &Connection, idle: &Idle) {
    assert_eq!(conn.link("lo").await.unwrap().index, 1);
    idle.again(SOON).await;
}

#[nl_testkit::test(needs(link = "vrf", tool = "ip"))]
async fn making_a_device_that_is_dropped_leaves_what_was_made_until_then(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let links = Links::new(conn.clone());
    let idle = Idle::now(&node, SOCKETS);
    let make = || links.device("v0").kind(Vrf::new(9)).alias("for tests").alt_name("another-name").add();
    // How much of it was there after each drop: nothing, a device, its alias.
    let mut seen = Vec::new();
    let (made, points) = at_every_await(make, async |_| {
        works(&conn, &idle).await;
        let found = links.device("v0").get().await.ok();
        seen.push(found.map(|link| (link.alias.is_some(), link.alt_names.len())));
        if node.links().await.unwrap().contains(&"v0".to_owned()) {
            node.ip("link delete v0").await;
        }
    })
    .await;
    assert_eq!(made?.name, "v0");
    assert_eq!(seen.len(), points);
    assert_eq!(seen.first(), Some(&None), "made before the first poll");
    assert!(seen.contains(&Some((false, 0))) && seen.contains(&Some((true, 0))), "{seen:?}");
    assert!(!seen.contains(&Some((false, 1))), "out of order: {seen:?}");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn flush_that_is_dropped_is_completed_by_the_next(lab: Lab) -> Result {
    // Less than the kernel begins to collect at.
    const MANY: u8 = 100;
    let node = lab.node("a").await?;
    node.ip("link add d0 type bridge").await;
    node.ip("link set d0 up").await;
    let conn = route(&node).await;
    let (addresses, neighbours) = (Addresses::new(conn.clone()), Neighbours::new(conn.clone()));
    let idle = Idle::now(&node, SOCKETS);
    let index = conn.link_index("d0").await?;
    let fill = async || {
        let entries = (1..=MANY).map(move |last| {
            let dst = std::net::Ipv4Addr::new(192, 0, 2, last).into();
            let neighbour = nl_core::neighbour::Neighbour::new(dst, index).lladdr(MacAddr::new([2; 6]));
            (nl_core::neighbour::NeighbourVerb::Replace, neighbour.state(NeighbourState::STALE))
        });
        neighbours.batch(entries).summarize(1).await.unwrap().into_result().unwrap();
    };
    fill().await;
    let flush = || neighbours.entries().dev("d0").flush();
    let (flushed, points) = at_every_await(flush, async |_| {
        works(&conn, &idle).await;
        fill().await;
    })
    .await;
    // A batch has a turn for others behind each datagram.
    assert_eq!(flushed?, u64::from(MANY), "after {points} drops");
    assert!(points >= 2, "{points} points");
    assert_eq!(
        neighbours.entries().dev("d0").state(NeighbourState::STALE).list().await?.collect_all().await?,
        []
    );

    let prefix = "198.51.100.1/24".parse()?;
    let add = || addresses.entry(prefix, "d0").add();
    let (added, _) = at_every_await(add, async |_| {
        works(&conn, &idle).await;
        let _ = addresses.entry(prefix, "d0").delete().await;
    })
    .await;
    added?;
    Ok(())
}

/// A list of several pieces, dropped behind each of them; and requests, which are answered while they are sent.
#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn reading_that_is_dropped_leaves_nothing_and_the_next_is_complete(lab: Lab) -> Result {
    const MANY: u32 = 200;
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    many_links(&conn, "d", MANY).await;
    let expected = link_names(&node).await.len();
    let idle = Idle::now(&node, SOCKETS);
    let list = || conn.links().collect_all();
    let (listed, points) = at_every_await(list, async |_| works(&conn, &idle).await).await;
    assert_eq!(listed?.len(), expected);
    assert!(points >= 1, "{points} points");
    let names = || conn.link_names();
    let (named, _) = at_every_await(names, async |_| works(&conn, &idle).await).await;
    assert_eq!(named?.len(), expected);
    // Ten requests one after another.
    let ten = || {
        let conn = conn.clone();
        Pending::new(async move {
            for number in 0..10 {
                conn.link(format!("d{number}")).await?;
            }
            Ok(())
        })
    };
    let (done, points) = at_every_await(ten, async |_| works(&conn, &idle).await).await;
    done?;
    assert_eq!(points, 10);
    Ok(())
}

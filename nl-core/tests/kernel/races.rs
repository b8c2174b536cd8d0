//! Several tasks, threads and processes that change the same devices: every outcome is a success or says which of them was first, nothing
//! hangs, and a change meets the device that had the name when it was looked up or none.

use std::collections::BTreeMap;

use nl_core::address::Addresses;
use nl_core::connection::{Connection, Protocol};
use nl_core::error::Errno;
use nl_core::link::Links;
use nl_core::netns::Netns;
use nl_core::{Dev, Error, IpFamily};
use nl_testkit::cancel::interleaved;
use nl_testkit::race::{Dice, Race};
use nl_testkit::{Lab, Result};

use crate::support::{SOON, delete_link, new_link, route};

const THREADS: u32 = 4;
/// Of each thread, and of each task. A device is deleted slowly.
const CHANGES: u32 = 25;
const NAMES: [&str; 4] = ["r0", "r1", "r2", "r3"];

/// One change, which another task may have made impossible.
async fn change(conn: &Connection, dice: &mut Dice) -> nl_core::Result<()> {
    let (name, other) = (*dice.pick(&NAMES), *dice.pick(&NAMES));
    match dice.roll(8_u8) {
        0 | 1 => conn.ack(new_link(name, "bridge")).await.map(drop),
        2 => conn.ack(delete_link(name)).await.map(drop),
        3 | 4 => Links::new(conn.clone()).device(name).rename(other).change().await.map(drop),
        5 => {
            let address = "192.0.2.1/24".parse().unwrap();
            Addresses::new(conn.clone()).entry(address, name).replace().await.map(drop)
        }
        6 => {
            // Whatever it is called by then, it is the one with this index.
            let index = conn.link_index(name).await?;
            let link = conn.link(index).await?;
            assert_eq!(link.index, index);
            Ok(())
        }
        _ => {
            let link = conn.link(name).await?;
            assert!(NAMES.iter().any(|known| link.name == *known), "{link:?}");
            Ok(())
        }
    }
}

fn is_lost_race(error: &Error) -> bool {
    // The last: a name that the kernel frees a moment after the device.
    matches!(error.errno(), Some(Errno::EEXIST | Errno::ENODEV | Errno::ENOENT | Errno::EBUSY))
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"), timeout = 120)]
async fn changes_of_the_same_names_by_tasks_and_processes_succeed_or_say_why(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let netns = Netns::fd(node.netns_fd())?;
    let start = move |_| Connection::builder(Protocol::Route).netns(&netns).open().unwrap();
    let race = Race::new(CHANGES, SOON);
    let threads = race.threads(THREADS, start, change, is_lost_race);
    let tasks = race.seeds_from(THREADS).tasks([conn.clone(), conn.clone()], change, is_lost_race);
    // iproute2 among them, whose failures are its own.
    let processes = async {
        for number in 0..8 {
            let (name, other) = (NAMES[number % 4], NAMES[(number + 1) % 4]);
            for line in [
                format!("ip link add {name} type bridge"),
                format!("ip link set {name} name {other}"),
                format!("ip link delete {other}"),
            ] {
                let _ = node.command(line.split_whitespace()).await;
            }
        }
    };
    tokio::join!(threads, tasks, processes);

    // What is there is what iproute2 shows, and each name is found under its index.
    let shown = node.json("ip -j link show").await;
    let shown: BTreeMap<u64, String> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|link| (link["ifindex"].as_u64().unwrap(), link["ifname"].as_str().unwrap().to_owned()))
        .collect();
    let named = conn.link_names().await?;
    let named: BTreeMap<u64, String> =
        named.into_iter().map(|(index, name)| (u64::from(index), name)).collect();
    assert_eq!(named, shown);
    for (index, name) in &named {
        assert_eq!(u64::from(conn.link_index(name.as_str()).await?), *index, "{name}");
    }
    Ok(())
}

/// The kernel gives out an index again where it is asked to.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn index_that_another_device_has_got_is_not_taken_for_the_first(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let (addresses, address) = (Addresses::new(conn.clone()), "192.0.2.1/24".parse()?);
    for round in 0..3 {
        node.ip("link add d0 index 4711 type bridge").await;
        assert_eq!(conn.link_index("d0").await?, 4711);
        node.ip("link delete d0").await;
        node.ip("link add other index 4711 type bridge").await;
        for error in [
            conn.link_index("d0").await.map(drop).unwrap_err(),
            addresses.entry(address, "d0").add().await.map(drop).unwrap_err(),
            Links::new(conn.clone()).device("d0").mtu(1400).change().await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.errno(), Some(Errno::ENODEV), "round {round}: {error}");
            assert!(error.to_string().contains("d0"), "{error}");
        }
        assert_eq!(conn.link_index("other").await?, 4711);
        // The index now refers to the other device.
        assert_eq!(conn.link(Dev::Index(4711)).await?.name, "other");
        let list = addresses.entries().dev("other").family(IpFamily::V4).list().await?;
        assert_eq!(list.collect_all().await?, []);
        node.ip("link delete other").await;
    }
    Ok(())
}

/// Two devices change names between the requests of an operation, at each place where they can.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn change_meets_the_device_that_had_the_name_when_it_was_looked_up(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    for name in ["d0", "d1"] {
        node.ip(&format!("link add {name} type bridge")).await;
    }
    let (first, second) = (node.index_of("d0").await?, node.index_of("d1").await?);
    let swap = async || {
        for line in ["link set d0 name d2", "link set d1 name d0", "link set d2 name d1"] {
            node.ip(line).await;
        }
    };
    let has_address = async |index: u32| {
        let links = node.json("ip -j address show").await;
        let links = links.as_array().unwrap();
        let link = links.iter().find(|link| link["ifindex"] == index).unwrap();
        link["addr_info"].as_array().unwrap().iter().any(|address| address["local"] == "192.0.2.1")
    };
    let mut swapped_at = 1;
    loop {
        // A connection that remembers no name, so that the look-up is a request.
        let conn = route(&node).await;
        let mut swapped = false;
        let before = if node.index_of("d0").await? == first { [first, second] } else { [second, first] };
        let add = Addresses::new(conn.clone()).entry("192.0.2.1/24".parse()?, "d0").add();
        interleaved(add, async |point| {
            if point == swapped_at {
                swap().await;
                swapped = true;
            }
        })
        .await?;
        assert!(has_address(before[0]).await, "swapped at point {swapped_at}");
        assert!(!has_address(before[1]).await, "swapped at point {swapped_at}");
        // The name that is remembered is checked at its next use.
        assert_eq!(conn.link_index("d0").await?, node.index_of("d0").await?);
        node.ip(&format!("address flush dev {}", if swapped { "d1" } else { "d0" })).await;
        if !swapped {
            break;
        }
        swapped_at += 1;
    }
    // There is a place behind the look-up.
    assert!(swapped_at >= 2, "no place to swap");
    Ok(())
}

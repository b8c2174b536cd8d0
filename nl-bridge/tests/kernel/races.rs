//! Several tasks, threads and processes that change the same entries: every outcome is a success or says which of them was first, nothing
//! hangs, and what is left is what iproute2 shows.

use std::cell::Cell;
use std::collections::BTreeSet;

use nl_bridge::fdb::Fdb;
use nl_bridge::vlan::Vlans;
use nl_core::error::Errno;
use nl_core::netns::Netns;
use nl_core::{Connection, Error, Protocol};
use nl_testkit::cancel::interleaved;
use nl_testkit::race::{Dice, Race};
use nl_testkit::{Lab, Result};

use crate::support::{SOON, collect, mac, open, shown, shown_of, still_bridge};
use crate::vlan_db::support::switch;

const THREADS: u32 = 4;
/// Of each thread, and of each task.
const CHANGES: u32 = 200;
const PORTS: [&str; 2] = ["port1", "port2"];
const MACS: u32 = 4;

/// One change, which another task may have made impossible.
async fn change(fdb: &Fdb, dice: &mut Dice) -> nl_core::Result<()> {
    let port = *dice.pick(&PORTS);
    let address = mac(1 + dice.roll(MACS));
    let entry = || fdb.entry(address, port).master().static_();
    match dice.roll(4_u8) {
        0 => entry().add().await.map(drop),
        1 => entry().replace().await.map(drop),
        2 => entry().delete().await.map(drop),
        _ => {
            let found = fdb.entry(address, port).master().get().await?;
            assert_eq!(found.mac, address);
            Ok(())
        }
    }
}

fn is_lost_race(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::EEXIST | Errno::ENOENT))
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"), timeout = 60)]
async fn changes_of_the_same_entries_by_tasks_and_processes_succeed_or_say_why(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    let netns = Netns::fd(node.netns_fd())?;
    let start = move |_| Fdb::new(Connection::builder(Protocol::Route).netns(&netns).open().unwrap());
    let race = Race::new(CHANGES, SOON);
    let threads = race.threads(THREADS, start, change, is_lost_race);
    let tasks = race.seeds_from(THREADS).tasks([fdb.clone(), fdb.clone()], change, is_lost_race);
    // iproute2 among them, whose failures are its own.
    let processes = async {
        for number in 0..8 {
            let (address, port) = (mac(1 + number % MACS), if number % 2 == 0 { PORTS[0] } else { PORTS[1] });
            for verb in ["add", "replace", "del"] {
                let line = format!("bridge fdb {verb} {address} dev {port} master static");
                let _ = node.command(line.split_whitespace()).await;
            }
        }
    };
    tokio::join!(threads, tasks, processes);

    let statics = |shown: &[serde_json::Value]| -> BTreeSet<(String, String)> {
        let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let of_ours = shown.iter().filter(|entry| entry["state"] == "static");
        of_ours.map(|entry| (text(entry, "mac"), text(entry, "ifname"))).collect()
    };
    let names = fdb.connection().link_names().await?;
    let listed = collect(fdb.entries().bridge("br0").static_()).await;
    let ours: BTreeSet<_> =
        listed.iter().map(|entry| (entry.mac.to_string(), names[&entry.index].clone())).collect();
    assert_eq!(ours, statics(&shown(node, "br br0").await));
    let addresses: BTreeSet<_> = listed.iter().map(|entry| entry.mac.octets()).collect();
    assert_eq!(addresses.len(), listed.len(), "an address is behind two ports: {ours:?}");
    Ok(())
}

/// Between its look-up and the change, another program gives its name to another port.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn entry_is_made_on_the_port_that_had_the_name_when_it_was_looked_up(lab: Lab) -> Result {
    let (bridge, _) = still_bridge(&lab).await?;
    let node = bridge.node();
    // Before Linux 6.2 a device that is up keeps its name.
    for port in PORTS {
        node.ip(&format!("link set {port} down")).await;
    }
    let first = node.index_of("port1").await?;
    let fdb = open(node).await?;
    let mut swapped = 0;
    interleaved(fdb.entry(mac(1), "port1").master().static_().add(), async |point| {
        if point == 1 {
            for line in
                ["link set port1 name other", "link set port2 name port1", "link set other name port2"]
            {
                node.ip(line).await;
            }
            swapped += 1;
        }
    })
    .await?;
    assert_eq!(swapped, 1, "no place to swap");
    assert_eq!(node.index_of("port2").await?, first);
    assert_eq!(shown_of(node, mac(1)).await[0]["ifname"], "port2");
    // And from now on on the one that has it now.
    fdb.entry(mac(2), "port1").master().static_().add().await?;
    assert_eq!(shown_of(node, mac(2)).await[0]["ifname"], "port1");
    Ok(())
}

/// A port that is deleted and made again, under the same name and the same index, while others put it into VLANs.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn port_that_comes_and_goes_takes_a_change_or_is_not_found(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    let vlans = Vlans::new(node.open(|| Connection::open(Protocol::Route)).await?);
    let (made, refused, is_over) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(false));
    let comes_and_goes = async {
        let mut rounds = 0;
        // Until the changes have met it and missed it.
        while rounds < 6 || made.get() == 0 || refused.get() == 0 {
            node.ip("link add gone index 4711 type veth peer name other").await;
            node.ip("link set gone master br0").await;
            node.ip("link delete gone").await;
            rounds += 1;
        }
        is_over.set(true);
        rounds
    };
    let changes = async {
        for vlan in (2..=4000_u16).cycle() {
            if is_over.get() {
                break;
            }
            match vlans.entry("gone", vlan).add().await {
                Ok(_) => made.set(made.get() + 1),
                // Not there, or there and not a port yet.
                Err(error) => {
                    assert!(error.is_not_found() || error.is_usage() || error.is_unsupported(), "{error}");
                    assert!(error.to_string().contains("gone"), "{error}");
                    refused.set(refused.get() + 1);
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let (rounds, ()) = tokio::join!(comes_and_goes, changes);
    println!("{rounds} rounds, {} made, {} refused", made.get(), refused.get());
    assert!(vlans.entry("gone", 2).add().await.unwrap_err().is_not_found());
    Ok(())
}

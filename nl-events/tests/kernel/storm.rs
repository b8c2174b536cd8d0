use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use nl_bridge::fdb::{Fdb, FdbEntry, FdbVerb};
use nl_core::netns::Netns;
use nl_core::{Connection, MacAddr, Protocol};
use nl_events::fdb::{FdbChange, FdbEvent, FdbWatch};
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::race::Dice;
use nl_testkit::{Lab, Node, Result, scaled, within};

use crate::watch::{DEADLINE, synced};

/// The number of changes on a native machine. A request that the kernel refuses is none.
const CHANGES: u32 = 100_000;
const TASKS: usize = 4;
/// How many requests a task sends at least at a time, of which it does not know how many are refused.
const ROUND: usize = 64;
/// How long nothing comes before the tables are compared.
const MOMENT: Duration = Duration::from_millis(200);
/// Addresses that the load does not change.
const STANDING: u16 = 2_000;
/// Addresses that it adds, moves and deletes, per task.
const ROAMING: u16 = 500;

fn address(kind: u8, number: u16) -> MacAddr {
    let [high, low] = number.to_be_bytes();
    MacAddr::new([2, kind, 0, 0, high, low])
}

pub(super) type Shown = BTreeSet<(String, String, Option<u64>, String)>;

/// The bridge's table as iproute2 shows it: address, port, VLAN, state.
pub(super) async fn shown_by_iproute2(node: &Node) -> Shown {
    let shown = node.json("bridge -j fdb show br br0").await;
    let entries = shown.as_array().expect("a list");
    entries
        .iter()
        .filter(|entry| entry["master"] == "br0")
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            (text("mac"), text("ifname"), entry["vlan"].as_u64(), text("state"))
        })
        .collect()
}

pub(super) async fn table_of(watch: &FdbWatch, conn: &Connection) -> Result<Shown> {
    let names = conn.link_names().await?;
    Ok(watch
        .entries()
        .map(|entry| {
            let state = match entry {
                entry if entry.is_permanent() => "permanent",
                entry if entry.is_static() => "static",
                _ => "",
            };
            let vlan = entry.vlan.map(u64::from);
            (entry.mac.to_string(), names[&entry.index].clone(), vlan, state.into())
        })
        .collect())
}

/// A change of one task.
fn change(dice: &mut Dice, ports: [u32; 2], task: u8) -> (FdbVerb, FdbEntry) {
    let number = dice.roll(ROAMING);
    let port = ports[usize::from(dice.roll(2_u8) == 1)];
    let entry = FdbEntry::new(address(0x10 + task, number), port).master().static_();
    let verb = match dice.roll(3_u8) {
        0 => FdbVerb::Add,
        1 => FdbVerb::Replace,
        _ => FdbVerb::Delete,
    };
    (verb, entry)
}

/// The load of one task: sends requests until `changes` of them have succeeded, and returns the number of requests.
async fn storm(conn: Connection, ports: [u32; 2], task: u8, changes: usize) -> usize {
    let fdb = Fdb::new(conn);
    let mut dice = Dice::new(task.into());
    let (mut made, mut sent) = (0, 0);
    while made < changes {
        let round = (changes - made).max(ROUND);
        sent += round;
        // Many fail, because the added entry exists or the deleted one does not.
        let mut results = fdb.batch((0..round).map(|_| change(&mut dice, ports, task)).collect::<Vec<_>>());
        while let Some(result) = results.next().await {
            let Err(error) = result else {
                made += 1;
                continue;
            };
            let text = error.to_string();
            let expected = match text.split(' ').next() {
                Some("add") => error.is_exists(),
                Some("delete") => error.is_not_found(),
                _ => false,
            };
            assert!(expected, "{text}");
        }
    }
    sent
}

#[nl_testkit::test(needs(tool = "bridge"), timeout = 300, serial)]
async fn overrun_watch_converges_under_load(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    let ports = [node.index_of("port1").await?, node.index_of("port2").await?];
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let fdb = Fdb::new(conn.clone());
    let standing = (0..STANDING).map(move |number| {
        (FdbVerb::Add, FdbEntry::new(address(1, number), ports[usize::from(number % 2)]).master().static_())
    });
    fdb.batch(standing).summarize(1).await?.into_result()?;

    let mut watch = FdbWatch::builder(&conn).bridge("br0").receive_buffer(0).open().await?;
    let changes = scaled(CHANGES, 1_000) as usize;
    // Separate threads, so that the table changes while the kernel lists it.
    let storms: Vec<_> = (0..TASKS)
        .map(|task| {
            let netns = Netns::fd(node.netns_fd())?;
            let task = u8::try_from(task)?;
            Ok(std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let conn = Connection::builder(Protocol::Route).netns(&netns).open().unwrap();
                    storm(conn, ports, task, changes.div_ceil(TASKS)).await
                })
            }))
        })
        .collect::<Result<_>>()?;

    // The last change of all, by which the watch is known to have everything that was before it.
    let last = address(2, 0);
    let ending = {
        let (netns, port) = (Netns::fd(node.netns_fd())?, ports[0]);
        std::thread::spawn(move || {
            let sent: usize = storms.into_iter().map(|storm| storm.join().expect("a storm failed")).sum();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let fdb = Fdb::new(Connection::builder(Protocol::Route).netns(&netns).open().unwrap());
                fdb.entry(last, port).master().static_().add().await.unwrap();
            });
            sent
        })
    };

    let mut reported = 0_u64;
    let mut is_last = false;
    let watching = async {
        loop {
            let change = match tokio::time::timeout(MOMENT, watch.try_next()).await {
                Ok(change) => change?.expect("the watch ended"),
                // Tables are compared only when nothing more comes, as that takes a while.
                Err(_) if is_last && table_of(&watch, &conn).await? == shown_by_iproute2(node).await => {
                    return Ok::<_, nl_testkit::Error>(());
                }
                Err(_) => continue,
            };
            reported += 1;
            match &change {
                FdbChange::Added(entry) if entry.mac == last => is_last = true,
                FdbChange::Deleted(entry) => {
                    assert_ne!(entry.mac.octets()[1], 1, "reported as deleted, but exists: {entry}");
                }
                _ => {}
            }
        }
    };
    within(Duration::from_secs(240), watching, "the watch to converge").await?;
    let sent = ending.join().expect("the end of the storms failed");
    assert!(watch.overruns() > 0, "the storm did not overrun the watch, so the test proves nothing");
    let table = table_of(&watch, &conn).await?;
    assert_eq!(table, shown_by_iproute2(node).await);
    let mut listed = FdbWatch::builder(&conn).bridge("br0").open().await?;
    synced(&mut listed).await;
    assert_eq!(table, table_of(&listed, &conn).await?);
    println!(
        "{sent} requests, {changes} changes, {reported} reported, {} overruns, {} entries at the end",
        watch.overruns(),
        watch.len()
    );
    Ok(())
}

/// Reads a stream until this address is added.
async fn added_in(events: &mut Events, mac: MacAddr) {
    let added = async {
        loop {
            match events.next().await.expect("the stream ended") {
                Ok(NetworkEvent::Fdb(FdbEvent::New(new))) if new.mac == mac => return,
                event => drop(event.unwrap()),
            }
        }
    };
    within(DEADLINE, added, "an event behind lost ones").await;
}

/// Each time more is lost than the receive buffer holds, and what comes behind is delivered by event, or found by a list.
#[nl_testkit::test(needs(tool = "bridge"), timeout = 120, serial)]
async fn stream_and_watch_still_deliver_after_100_overruns_in_a_row(lab: Lab) -> Result {
    const OVERRUNS: u16 = 100;
    const BURST: u16 = 20;
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let port = node.index_of("port1").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let fdb = Fdb::new(conn.clone());
    let mut events = node.open(|| Events::builder().source(Source::FDB).receive_buffer(0).open()).await?;
    let mut watch = FdbWatch::builder(&conn).bridge("br0").receive_buffer(0).open().await?;
    synced(&mut watch).await;

    for round in 0..OVERRUNS {
        let verb = if round % 2 == 0 { FdbVerb::Add } else { FdbVerb::Delete };
        let burst =
            (0..BURST).map(move |number| (verb, FdbEntry::new(address(3, number), port).master().static_()));
        fdb.batch(burst).summarize(1).await?.into_result()?;
        let lost = async {
            while !matches!(events.next().await.expect("the stream ended"), Err(error) if error.is_overrun())
            {
            }
        };
        within(DEADLINE, lost, "an overrun of the stream").await;
        // The kernel drops everything until the buffer was read empty.
        events.discard_pending()?;
        let marker = address(4, round);
        fdb.entry(marker, port).master().static_().add().await?;
        added_in(&mut events, marker).await;
        let found = async {
            loop {
                let change = watch.try_next().await.unwrap().expect("the watch ended");
                let has = |watch: &FdbWatch| watch.entries().any(|entry| entry.mac == marker);
                if change == (FdbChange::Synced {}) && has(&watch) {
                    return;
                }
            }
        };
        within(DEADLINE, found, "what the watch lost").await;
        assert!(watch.overruns() > u64::from(round), "round {round}: {watch:?}");
    }
    let overruns = watch.overruns();
    let last = address(5, 0);
    fdb.entry(last, port).master().static_().add().await?;
    added_in(&mut events, last).await;
    let by_event = async {
        while watch.entries().all(|entry| entry.mac != last) {
            watch.try_next().await.unwrap().expect("the watch ended");
        }
    };
    within(DEADLINE, by_event, "an event of the watch").await;
    assert_eq!(watch.overruns(), overruns, "the last one was found by a list");
    assert_eq!(table_of(&watch, &conn).await?, shown_by_iproute2(node).await);
    Ok(())
}

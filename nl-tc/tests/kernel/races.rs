//! Several tasks, threads and processes that change the same classes: every outcome is a success or says which of them was first, nothing
//! hangs, and what is left is what `tc` shows.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use nl_core::error::Errno;
use nl_core::netns::Netns;
use nl_core::{Connection, Error, Protocol};
use nl_tc::filter::Matchall;
use nl_tc::htb::HtbConfig;
use nl_tc::{Tc, TcHandle};
use nl_testkit::race::{Dice, Race};
use nl_testkit::{Lab, Result};

use crate::support::{CLASS, DEV, QDISC, classes, htb, lines, mbit, wired};

const SOON: Duration = Duration::from_secs(10);
const THREADS: u32 = 4;
/// Of each thread, and of each task.
const CHANGES: u32 = 100;

/// One change, which another task may have made impossible.
async fn change(tc: &Tc, dice: &mut Dice) -> nl_core::Result<()> {
    let handle = QDISC.class(0x20 + dice.roll(4_u16));
    let rate = mbit(1 + dice.roll(9_u64));
    match dice.roll(6_u8) {
        0 => tc.class(DEV, handle).add(rate).await.map(drop),
        1 => tc.class(DEV, handle).replace(rate).await.map(drop),
        2 => tc.class(DEV, handle).change(rate).await.map(drop),
        3 => tc.class(DEV, handle).delete().await.map(drop),
        4 => tc.filter(DEV, QDISC).priority(5).replace(Matchall::new(handle)).await.map(drop),
        _ => {
            let found = tc.class(DEV, handle).get().await?;
            assert_eq!(found.handle, handle);
            Ok(())
        }
    }
}

/// A class that a filter points to is busy.
fn is_lost_race(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::EEXIST | Errno::ENOENT | Errno::EBUSY))
}

#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"), timeout = 60)]
async fn changes_of_the_same_classes_by_tasks_and_processes_succeed_or_say_why(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let netns = Netns::fd(node.netns_fd())?;
    let start = move |_| Tc::new(Connection::builder(Protocol::Route).netns(&netns).open().unwrap());
    let race = Race::new(CHANGES, SOON);
    let threads = race.threads(THREADS, start, change, is_lost_race);
    let tasks = race.seeds_from(THREADS).tasks([tc.clone(), tc.clone()], change, is_lost_race);
    // `tc` among them, whose failures are its own.
    let processes = async {
        for number in 0..8 {
            let class = format!("1:2{}", number % 4);
            for line in [
                format!("tc class add dev eth0 parent 1: classid {class} htb rate 1mbit"),
                format!("tc class delete dev eth0 classid {class}"),
            ] {
                let _ = node.command(line.split_whitespace()).await;
            }
        }
    };
    tokio::join!(threads, tasks, processes);

    let shown: BTreeSet<String> = lines(&node, "class show dev eth0")
        .await
        .iter()
        .filter_map(|line| line.split_whitespace().nth(2).map(str::to_owned))
        .collect();
    let listed: BTreeSet<String> = classes(&tc).await.iter().map(|class| class.handle.to_string()).collect();
    assert_eq!(listed, shown);
    Ok(())
}

/// A device that is deleted and made again under the same index while its classes are added and listed.
#[nl_testkit::test(needs(qdisc = "htb", link = "veth", tool = "tc"), timeout = 60)]
async fn device_that_comes_and_goes_takes_a_change_or_is_not_found(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let (made, refused, is_over) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(false));
    let comes_and_goes = async {
        let mut rounds = 0;
        // Until the changes have met it and missed it.
        while rounds < 6 || made.get() == 0 || refused.get() == 0 {
            node.ip("link add gone index 4711 type veth peer name other").await;
            node.tc("qdisc add dev gone root handle 1: htb").await;
            node.ip("link delete gone").await;
            rounds += 1;
        }
        is_over.set(true);
        rounds
    };
    let changes = async {
        while !is_over.get() {
            let outcome = tc.class("gone", CLASS).replace(mbit(1)).await;
            let listed = match tc.classes("gone").list().await {
                Ok(list) => list.collect_all().await.map(|list| list.len()),
                Err(error) => Err(error),
            };
            let counted = if outcome.is_ok() { &made } else { &refused };
            counted.set(counted.get() + 1);
            for error in [outcome.err(), listed.err()].into_iter().flatten() {
                // No device, or no qdisc with classes yet: that is not found, or refused because it is of another kind.
                assert!(error.is_not_found() || error.is_usage(), "{error}");
                assert!(error.to_string().contains("gone"), "{error}");
            }
            tokio::task::yield_now().await;
        }
    };
    let (rounds, ()) = tokio::join!(comes_and_goes, changes);
    println!("{rounds} rounds, {} made, {} refused", made.get(), refused.get());
    assert!(tc.qdisc("gone", TcHandle::ROOT).add(HtbConfig::new()).await.unwrap_err().is_not_found());
    Ok(())
}

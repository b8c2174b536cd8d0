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
use nl_testkit::{Lab, Node, Result, within};

use crate::support::{CLASS, DEV, QDISC, classes, htb, lines, mbit, wired};

const SOON: Duration = Duration::from_secs(10);
const TASKS: u32 = 4;
/// Of each task.
const CHANGES: u32 = 100;

/// Numbers that look like chance and are the same each time.
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: u16) -> u16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        u16::try_from(self.0 % u32::from(sides)).unwrap_or_default()
    }
}

/// One change, which another task may have made impossible.
async fn change(tc: &Tc, dice: &mut Dice) -> nl_core::Result<()> {
    let handle = QDISC.class(0x20 + dice.roll(4));
    let rate = mbit(1 + u64::from(dice.roll(9)));
    match dice.roll(6) {
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

/// A thread with a runtime and a connection of its own.
fn racer(node: &Node, task: u32) -> nl_core::Result<std::thread::JoinHandle<u32>> {
    let netns = Netns::fd(node.netns_fd())?;
    Ok(std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let tc = Tc::new(Connection::builder(Protocol::Route).netns(&netns).open().unwrap());
            let mut dice = Dice(0x9e37_79b9 ^ ((task + 1) << 8));
            let mut made = 0;
            for _ in 0..CHANGES {
                match within(SOON, change(&tc, &mut dice), "a change").await {
                    Ok(()) => made += 1,
                    Err(error) => assert!(is_lost_race(&error), "{error}"),
                }
            }
            made
        })
    }))
}

#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"), timeout = 60)]
async fn changes_of_the_same_classes_by_tasks_and_processes_succeed_or_say_why(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let racers = (0..TASKS).map(|task| racer(&node, task)).collect::<nl_core::Result<Vec<_>>>()?;
    // `tc` among them, whose failures are its own; and a task that shares this thread.
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
    let tasks = async {
        let mut dice = Dice(1);
        for _ in 0..CHANGES {
            if let Err(error) = change(&tc, &mut dice).await {
                assert!(is_lost_race(&error), "{error}");
            }
        }
    };
    tokio::join!(processes, tasks);
    let join = move || racers.into_iter().map(|racer| racer.join().unwrap()).sum::<u32>();
    let made = tokio::task::spawn_blocking(join).await?;
    assert!(made > TASKS * CHANGES / 10, "only {made} changes were made");

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

//! Several tasks, threads and processes that change the same SIDs and routes: every outcome is a success or says which of them was first,
//! nothing hangs, and what is left is what iproute2 shows.

use nl_core::netns::Netns;
use nl_core::{Connection, Error, IpPrefix, Protocol};
use nl_srv6::encap::Seg6;
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::Sids;
use nl_testkit::{Lab, Node, Result, within};

use crate::commands::segments;
use crate::support::{SOON, shown, world};

const TASKS: u32 = 4;
/// Of each task.
const CHANGES: u32 = 60;
const SIDS: [&str; 3] = ["fcbb:0:a::", "fcbb:0:b::", "fcbb:0:c::"];
const TO: &str = "2001:db8:2::/48";

/// Numbers that look like chance and are the same each time.
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        usize::try_from(self.0).unwrap_or_default() % sides
    }
}

/// One change, which another task may have made impossible. All make the same of a SID, so that what is read back is what was made.
async fn change(conn: &Connection, dice: &mut Dice) -> nl_core::Result<()> {
    let (sids, routes) = (Sids::new(conn.clone()), Srv6Routes::new(conn.clone()));
    let sid: IpPrefix = SIDS[dice.roll(SIDS.len())].parse().unwrap();
    let (to, path): (IpPrefix, _) = (TO.parse().unwrap(), Seg6::encap(segments(1)));
    match dice.roll(7) {
        0 => sids.end(sid).dev("d0").add().await.map(drop),
        1 => sids.end(sid).dev("d0").replace().await.map(drop),
        2 => sids.sid(sid).delete().await.map(drop),
        3 => sids.sid(sid).get().await.map(drop),
        4 => routes.entry(to, &path).dev("d0").add().await.map(drop),
        5 => routes.entry(to, &path).dev("d0").replace().await.map(drop),
        _ => routes.entry(to, &path).delete().await.map(drop),
    }
}

fn is_lost_race(error: &Error) -> bool {
    error.is_exists() || error.is_not_found()
}

fn is_there<T>(found: nl_core::Result<T>) -> nl_core::Result<bool> {
    match found {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// A thread with a runtime and a connection of its own.
fn racer(node: &Node, task: u32) -> nl_core::Result<std::thread::JoinHandle<u32>> {
    let netns = Netns::fd(node.netns_fd())?;
    Ok(std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let conn = Connection::builder(Protocol::Route).netns(&netns).open().unwrap();
            let mut dice = Dice(0x9e37_79b9 ^ ((task + 1) << 8));
            let mut made = 0;
            for _ in 0..CHANGES {
                match within(SOON, change(&conn, &mut dice), "a change").await {
                    Ok(()) => made += 1,
                    Err(error) => assert!(is_lost_race(&error), "{error}"),
                }
            }
            made
        })
    }))
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn changes_of_the_same_sids_by_tasks_and_processes_succeed_or_say_why(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let racers = (0..TASKS).map(|task| racer(&node, task)).collect::<nl_core::Result<Vec<_>>>()?;
    // iproute2 among them, whose failures are its own; and a task that shares this thread.
    let processes = async {
        for number in 0..6 {
            let sid = SIDS[number % SIDS.len()];
            for line in [
                format!("ip -6 route add {sid} encap seg6local action End dev d0"),
                format!("ip -6 route delete {sid}"),
            ] {
                let _ = node.command(line.split_whitespace()).await;
            }
        }
    };
    let tasks = async {
        let mut dice = Dice(1);
        for _ in 0..CHANGES {
            if let Err(error) = change(&conn, &mut dice).await {
                assert!(is_lost_race(&error), "{error}");
            }
        }
    };
    tokio::join!(processes, tasks);
    let join = move || racers.into_iter().map(|racer| racer.join().unwrap()).sum::<u32>();
    let made = tokio::task::spawn_blocking(join).await?;
    assert!(made > TASKS * CHANGES / 10, "only {made} changes were made");

    let sids = Sids::new(conn.clone());
    for sid in SIDS {
        let there = is_there(sids.sid(sid.parse()?).get().await)?;
        assert_eq!(shown(&node, sid).await.len(), usize::from(there), "{sid}");
    }
    let routes = Srv6Routes::new(conn);
    let there = is_there(routes.entry(TO.parse()?, &Seg6::encap(segments(1))).get().await)?;
    assert_eq!(shown(&node, TO).await.len(), usize::from(there));
    Ok(())
}

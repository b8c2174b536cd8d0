//! Several tasks, threads and processes that change the same SIDs and routes: every outcome is a success or says which of them was first,
//! nothing hangs, and what is left is what iproute2 shows.

use nl_core::netns::Netns;
use nl_core::{Connection, Error, IpPrefix, Protocol};
use nl_srv6::encap::Seg6;
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::Sids;
use nl_testkit::race::{Dice, Race};
use nl_testkit::{Lab, Result};

use crate::commands::segments;
use crate::support::{SOON, shown, world};

const THREADS: u32 = 4;
/// Of each thread, and of each task.
const CHANGES: u32 = 60;
const SIDS: [&str; 3] = ["fcbb:0:a::", "fcbb:0:b::", "fcbb:0:c::"];
const TO: &str = "2001:db8:2::/48";

/// One change, which another task may have made impossible. All make the same of a SID, so that what is read back is what was made.
async fn change(conn: &Connection, dice: &mut Dice) -> nl_core::Result<()> {
    let (sids, routes) = (Sids::new(conn.clone()), Srv6Routes::new(conn.clone()));
    let sid: IpPrefix = dice.pick(&SIDS).parse().unwrap();
    let (to, path): (IpPrefix, _) = (TO.parse().unwrap(), Seg6::encap(segments(1)));
    match dice.roll(7_u8) {
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

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn changes_of_the_same_sids_by_tasks_and_processes_succeed_or_say_why(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let netns = Netns::fd(node.netns_fd())?;
    let start = move |_| Connection::builder(Protocol::Route).netns(&netns).open().unwrap();
    let race = Race::new(CHANGES, SOON);
    let threads = race.threads(THREADS, start, change, is_lost_race);
    let tasks = race.seeds_from(THREADS).tasks([conn.clone(), conn.clone()], change, is_lost_race);
    // iproute2 among them, whose failures are its own.
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
    tokio::join!(threads, tasks, processes);

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

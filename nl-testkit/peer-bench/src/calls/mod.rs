//! Rows 12 to 14, 16 and 17: what a program does all day, one awaited call after another.

mod endpoint;
mod floor;
mod nlink;
#[cfg(feature = "ours")]
mod ours;
mod rtnetlink;

use tokio::runtime::{Builder, Runtime};

use crate::entry::{Mac, Tally, macs};
use crate::measure::Cost;
use crate::rows::{Contestant, Plan, expect, filled, interleave, per_call_table};
use crate::sandbox::Bridge;
use crate::table::Table;
use crate::{Result, runtime};

pub(crate) use endpoint::row as endpoint;
pub(crate) use floor::look_up as raw_look_up;
pub(crate) use rtnetlink::look_up as rtnetlink_look_up;

/// Tasks that call at the same time, and entries that are changed in turn.
const TASKS: u32 = 64;
/// In the bridge that is listed.
const LISTED: u32 = 12;

/// An entry as it is to be: permanent, or static.
#[derive(Clone, Copy, Debug)]
struct Change {
    mac: Mac,
    permanent: bool,
}

/// Changes over a connection that has already made some.
type Changes = fn(&[Change]) -> Result<Cost>;
/// This many calls.
type Calls = fn(u32) -> Result<Cost>;
/// The same, with all that was read.
type List = fn(u32) -> Result<(Cost, Tally)>;
/// Changes from tasks, one entry each, on this runtime.
type Tasks = fn(&Runtime, Vec<Vec<Change>>) -> Result<Cost>;

const CHANGE: &[Contestant<Changes>] = &[
    ("raw socket, by index (floor)", floor::change_by_index),
    ("raw socket, by name (SIOCGIFINDEX)", floor::change_by_name),
    #[cfg(feature = "ours")]
    ("ours, by index", ours::change_by_index),
    #[cfg(feature = "ours")]
    ("ours, by name", ours::change_by_name),
    ("nlink, by index", nlink::change_by_index),
    ("nlink, by name", nlink::change_by_name),
    ("rtnetlink, by index", rtnetlink::change_by_index),
    ("rtnetlink, by name", rtnetlink::change_by_name),
];

const LIST: &[Contestant<List>] = &[
    ("raw socket (floor)", floor::list),
    #[cfg(feature = "ours")]
    ("ours", ours::list),
    ("nlink get_fdb_by_index", nlink::list),
    ("rtnetlink", rtnetlink::list),
];

const ON_ONE_THREAD: &[Contestant<Tasks>] = &[
    ("raw socket, one call after another (floor)", floor::tasks),
    #[cfg(feature = "ours")]
    ("ours", ours::tasks),
    ("nlink", nlink::tasks),
    ("rtnetlink", rtnetlink::tasks),
];

const ON_TWO_THREADS: &[Contestant<Tasks>] = &[
    ("raw socket, one call after another (floor)", floor::tasks),
    ("raw sockets, one per thread", floor::threads),
    #[cfg(feature = "ours")]
    ("ours", ours::tasks),
    ("nlink", nlink::tasks),
    ("rtnetlink", rtnetlink::tasks),
];

const OPEN: &[Contestant<Calls>] = &[
    ("raw socket (floor)", floor::open),
    #[cfg(feature = "ours")]
    ("ours", ours::open),
    ("nlink", nlink::open),
    ("rtnetlink", rtnetlink::open),
];

/// 12: one entry replaced and acknowledged before the next.
pub(crate) fn change(plan: Plan) -> Result<Table> {
    let macs = macs(TASKS);
    let changes: Vec<Change> = passes(plan).flat_map(|permanent| all(&macs, permanent)).collect();
    let costs = interleave(plan.runs, CHANGE, |name, change| {
        let _bridge = filled(&macs)?;
        let cost = change(&changes)?;
        expect(name, crate::floor::tally()?, &macs)?;
        Ok(cost)
    })?;
    let count = u32::try_from(changes.len())?;
    Ok(per_call_table("12. One awaited change of an FDB entry", CHANGE, &costs, count))
}

/// 13: a short list.
pub(crate) fn list(plan: Plan) -> Result<Table> {
    let lists = plan.calls / 4;
    let macs = macs(LISTED);
    let all: Vec<Mac> = macs.iter().copied().cycle().take(macs.len() * lists as usize).collect();
    let _bridge = filled(&macs)?;
    let costs = interleave(plan.runs, LIST, |name, list| {
        let (cost, seen) = list(lists)?;
        expect(name, seen, &all)?;
        Ok(cost)
    })?;
    Ok(per_call_table(&format!("13. A list of {LISTED} FDB entries"), LIST, &costs, lists))
}

/// 14: the change of row 12 by index, from many tasks over one connection.
pub(crate) fn tasks(plan: Plan) -> Result<Vec<Table>> {
    let macs = macs(TASKS);
    let of = |mac: &Mac| passes(plan).map(|permanent| Change { mac: *mac, permanent }).collect();
    let changes: Vec<Vec<Change>> = macs.iter().map(of).collect();
    let count = u32::try_from(changes.iter().map(Vec::len).sum::<usize>())?;
    let table = |on: &str, contestants: &[Contestant<Tasks>], runtime: fn() -> Result<Runtime>| {
        let costs = interleave(plan.runs, contestants, |name, work| {
            let _bridge = filled(&macs)?;
            let cost = work(&runtime()?, changes.clone())?;
            expect(name, crate::floor::tally()?, &macs)?;
            Ok(cost)
        })?;
        let title = format!("14. {TASKS} tasks with one awaited change each at a time, {on}");
        Result::Ok(per_call_table(&title, contestants, &costs, count))
    };
    Ok(vec![
        table("current-thread runtime", ON_ONE_THREAD, runtime)?,
        table("multi-thread runtime with two threads", ON_TWO_THREADS, two_threads)?,
    ])
}

/// 17: a connection that is opened, asks for one link by name, and is closed.
pub(crate) fn open(plan: Plan) -> Result<Table> {
    let calls = plan.calls / 4;
    let _bridge = Bridge::fresh()?;
    let costs = interleave(plan.runs, OPEN, |_, open| open(calls))?;
    Ok(per_call_table("17. Open a connection and look up one link", OPEN, &costs, calls))
}

/// Every entry becomes permanent and static again in turn: each call changes something, and what is there at the end
/// is what the last call for each entry left.
fn passes(plan: Plan) -> impl Iterator<Item = bool> {
    (0..plan.calls / TASKS / 2).flat_map(|_| [true, false])
}

fn all(macs: &[Mac], permanent: bool) -> impl Iterator<Item = Change> {
    macs.iter().map(move |mac| Change { mac: *mac, permanent })
}

/// A call for each entry that changes nothing, before the watch starts.
fn warm_up() -> Vec<Change> {
    all(&macs(TASKS), false).collect()
}

fn two_threads() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// The check of a look-up of [`PORT`](crate::entry::PORT).
pub(crate) fn found(index: u32) -> Result<()> {
    if index == crate::entry::IFINDEX_PORT { Ok(()) } else { Err(format!("found link {index}").into()) }
}

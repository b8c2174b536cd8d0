//! The measurements: who takes part in which, how the runs interleave, and the check that the work was done.

use std::env;
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use crate::entry::{CAPTURED, Captured, Mac, Seen, Tally, macs};
use crate::measure::{Cost, Kib, median, seconds};
use crate::mptcp::{self, Connections, Tokens};
use crate::sandbox::Bridge;
use crate::sys::Allocations;
use crate::table::{Table, ratio};
use crate::{Result, floor, iproute2, nlink, rtnetlink};

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) runs: usize,
    /// In the rows about time.
    pub(crate) entries: u32,
    /// In the row about memory.
    pub(crate) streamed: u32,
    /// In the row about sockets.
    pub(crate) sockets: usize,
    /// Of HTB, and half as many of HFSC, in the rows about classes.
    pub(crate) classes: u16,
    /// In the rows about one call after another.
    pub(crate) calls: u32,
    /// Classes, endpoints and processes in the rows about one change at a time.
    pub(crate) singles: u16,
    /// Connections and watches in the rows about what is held.
    pub(crate) held: u32,
    /// In the row about events.
    pub(crate) events: u32,
    /// In the row about devices.
    pub(crate) devices: u32,
    /// In the row about routes.
    pub(crate) routes: u32,
    /// In the row about VLANs.
    pub(crate) ports: u32,
    /// In the row about MACsec.
    pub(crate) secys: u32,
    /// In the row about leaves.
    pub(crate) macs: u32,
    /// In the row about SRv6.
    pub(crate) segment_routes: u32,
    pub(crate) policies: u32,
    /// Short connections in the row about path managers; a twentieth of them is held.
    pub(crate) managed: u32,
    /// In the row about filters.
    pub(crate) filters: u32,
    /// Events in the rows about events that go on and on.
    pub(crate) churn: u32,
    /// Routes in the row about a table that is followed.
    pub(crate) stored: u32,
    /// How long listeners wait in the row about those whom nothing concerns.
    pub(crate) idle_millis: u32,
}

/// A name and what it does; the first of a row is the base of the ratios.
pub(crate) type Contestant<F> = (&'static str, F);
type List = fn() -> Result<(Cost, Tally)>;
type Change = fn(&[Mac]) -> Result<Cost>;
type Decode = fn(&[u8]) -> Result<Seen>;
type ListMptcp = fn() -> Result<(Cost, Tokens)>;
type Stream = fn() -> Result<(Kib, Tally)>;

const LIST: &[Contestant<List>] = &[
    ("raw socket (floor)", floor::list),
    #[cfg(feature = "ours")]
    ("ours", crate::ours::list),
    ("nlink get_fdb_by_index", nlink::list),
    ("rtnetlink", rtnetlink::list),
    ("bridge fdb show", iproute2::list),
    ("bridge -json fdb show", iproute2::list_as_json),
];

const INSERT: &[Contestant<Change>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor::insert),
    #[cfg(feature = "ours")]
    ("ours", crate::ours::insert),
    ("nlink batch of 64", nlink::insert_in_batches),
    ("nlink one by one", nlink::insert_one_by_one),
    ("rtnetlink one by one", rtnetlink::insert),
    ("bridge -batch", iproute2::insert),
];

const DELETE: &[Contestant<Change>] = &[
    ("raw socket, one bulk request (floor)", floor::delete_in_bulk),
    #[cfg(feature = "ours")]
    ("ours", crate::ours::delete),
    ("bridge fdb flush", iproute2::flush),
    ("raw socket one by one, 64 per send, one ACK", floor::delete_one_by_one),
    ("nlink batch of 64", nlink::delete_in_batches),
    ("rtnetlink one by one", rtnetlink::delete),
    ("bridge -batch", iproute2::delete_in_batch),
];

const DECODE: &[Contestant<Decode>] = &[
    ("hand-written (floor)", floor::decode),
    #[cfg(feature = "ours")]
    ("ours", crate::ours::decode),
    ("nlink", nlink::decode),
    ("netlink-packet-route (rtnetlink)", rtnetlink::decode),
];

const STREAM: &[Contestant<Stream>] = &[
    ("raw socket (floor)", floor::stream),
    #[cfg(feature = "ours")]
    ("ours", crate::ours::stream),
    ("nlink dump_stream", nlink::stream),
    ("nlink get_fdb_by_index", nlink::stream_collected),
    ("rtnetlink", rtnetlink::stream),
    ("bridge fdb show (whole process)", iproute2::stream),
];

const LIST_MPTCP: &[Contestant<ListMptcp>] = &[
    ("raw socket (floor)", mptcp::floor),
    #[cfg(feature = "ours")]
    ("ours", mptcp::ours),
    ("ss -M -i", mptcp::ss),
];

/// 1: the table is made once, everybody reads it.
pub(crate) fn list(plan: Plan) -> Result<Table> {
    let macs = macs(plan.entries);
    let _bridge = filled(&macs)?;
    let costs = interleave(plan.runs, LIST, |name, list| {
        let (cost, seen) = list()?;
        expect(name, seen, &macs)?;
        Ok(cost)
    })?;
    Ok(cost_table(&format!("1. List {} FDB entries", plan.entries), LIST, &costs))
}

/// 2: into a fresh bridge each.
pub(crate) fn insert(plan: Plan) -> Result<Table> {
    let macs = macs(plan.entries);
    let costs = interleave(plan.runs, INSERT, |name, insert| {
        let _bridge = Bridge::fresh()?;
        let cost = insert(&macs)?;
        expect(name, floor::tally()?, &macs)?;
        Ok(cost)
    })?;
    Ok(cost_table(&format!("2. Insert {} FDB entries", plan.entries), INSERT, &costs))
}

/// 3: from a fresh bridge, filled by the floor.
pub(crate) fn delete(plan: Plan) -> Result<Table> {
    let macs = macs(plan.entries);
    let mut contestants = DELETE.to_vec();
    if !iproute2::has_flush()? {
        eprintln!("bridge fdb flush: not measured, this iproute2 is older than 5.19");
        contestants.retain(|(name, _)| *name != "bridge fdb flush");
    }
    let costs = interleave(plan.runs, &contestants, |name, delete| {
        let _bridge = filled(&macs)?;
        let cost = delete(&macs)?;
        expect(name, floor::tally()?, &[])?;
        Ok(cost)
    })?;
    Ok(cost_table(&format!("3. Delete {} FDB entries", plan.entries), &contestants, &costs))
}

/// 4: one captured message, again and again.
pub(crate) fn decode(plan: Plan, message: &Captured) -> Result<Table> {
    const REPEAT: u32 = 200_000;

    let bytes = message.bytes()?;
    let samples = interleave(plan.runs, DECODE, |name, decode| {
        let seen = decode(&bytes)?;
        if seen != message.seen {
            return Err(format!("{name}: decoded {seen:?}, captured {:?}", message.seen).into());
        }
        let before = Allocations::so_far();
        let start = Instant::now();
        for _ in 0..REPEAT {
            black_box(decode(black_box(&bytes))?);
        }
        let nanos = start.elapsed().as_secs_f64() * 1e9 / f64::from(REPEAT);
        let after = Allocations::so_far();
        let per_message = |total: u64| total / u64::from(REPEAT);
        let allocated = Allocations {
            count: per_message(after.count - before.count),
            bytes: per_message(after.bytes - before.bytes),
        };
        Ok((nanos, allocated))
    })?;

    let nanos: Vec<f64> =
        samples.iter().map(|runs| median(runs.iter().map(|(nanos, _)| *nanos).collect())).collect();
    let base = nanos.first().copied().unwrap_or_default();
    let title = format!("4. Decode one {} (1.00x = {base:.1} ns)", message.name);
    let mut table = Table::new(title, &["contestant", "time", "allocations", "bytes allocated"]);
    for ((name, _), (nanos, runs)) in DECODE.iter().zip(nanos.iter().zip(&samples)) {
        let allocated =
            runs.first().map(|(_, allocated)| *allocated).unwrap_or(Allocations { count: 0, bytes: 0 });
        table.row([
            (*name).to_owned(),
            ratio(*nanos, base),
            allocated.count.to_string(),
            allocated.bytes.to_string(),
        ]);
    }
    Ok(table)
}

/// Both captured messages.
pub(crate) fn decode_all(plan: Plan) -> Result<Vec<Table>> {
    CAPTURED.iter().map(|message| decode(plan, message)).collect()
}

/// 5: a fresh process each, since memory once used is rarely given back.
pub(crate) fn stream(plan: Plan) -> Result<Table> {
    let macs = macs(plan.streamed);
    let _bridge = filled(&macs)?;
    let peaks = interleave(plan.runs, STREAM, |name, _| {
        let [peak] = in_own_process(5, name, plan.streamed)?;
        Ok(peak)
    })?;

    let peaks: Vec<f64> = peaks.into_iter().map(median).collect();
    let base = peaks.first().copied().unwrap_or_default();
    let title =
        format!("5. Peak memory while streaming {} FDB entries (1.00x = {base:.0} KiB)", plan.streamed);
    let mut table = Table::new(title, &["contestant", "peak above idle", "KiB"]);
    for ((name, _), peak) in STREAM.iter().zip(peaks) {
        table.row([(*name).to_owned(), ratio(peak, base), format!("{peak:.0}")]);
    }
    Ok(table)
}

/// 7: the sockets are made once, everybody lists them.
pub(crate) fn list_mptcp(plan: Plan) -> Result<Table> {
    let connections = Connections::open(plan.sockets)?;
    let wanted = mptcp::floor()?.1;
    if wanted.sockets != connections.sockets() {
        return Err(format!("{} sockets open, {} listed", connections.sockets(), wanted.sockets).into());
    }
    let costs = interleave(plan.runs, LIST_MPTCP, |name, list| {
        let (cost, seen) = list()?;
        if seen != wanted {
            return Err(format!("{name}: saw {seen:?}, not {wanted:?}").into());
        }
        Ok(cost)
    })?;
    Ok(cost_table(&format!("7. List {} MPTCP sockets", wanted.sockets), LIST_MPTCP, &costs))
}

/// What the fresh process of row 5 does: its peak in KiB, after the check.
pub(crate) fn stream_once(name: &str, entries: u32) -> Result<[f64; 1]> {
    let (peak, seen) = find(STREAM, name)?()?;
    expect(name, seen, &macs(entries))?;
    Ok([f64::from(u32::try_from(peak)?)])
}

/// One contestant's part of a row in a fresh process, and the numbers it prints.
pub(crate) fn in_own_process<const N: usize>(row: u8, name: &str, amount: u32) -> Result<[f64; N]> {
    let output = part(row, name, amount)?.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    let numbers = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> =
        numbers.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    numbers.try_into().map_err(|_| "another number of results".into())
}

/// The command that does one contestant's part of a row.
pub(crate) fn part(row: u8, name: &str, amount: u32) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["part", &row.to_string(), name, &amount.to_string()]);
    Ok(command)
}

/// What the contestant of this name does.
pub(crate) fn find<F: Copy>(contestants: &[Contestant<F>], name: &str) -> Result<F> {
    let found = contestants.iter().find(|(known, _)| *known == name);
    Ok(found.ok_or("no such contestant")?.1)
}

/// One round that does not count, then A B C … A B C …; the samples of each contestant together.
pub(crate) fn interleave<F: Copy, S>(
    runs: usize,
    contestants: &[Contestant<F>],
    mut run: impl FnMut(&'static str, F) -> Result<S>,
) -> Result<Vec<Vec<S>>> {
    let mut samples: Vec<Vec<S>> = contestants.iter().map(|_| Vec::new()).collect();
    for round in 0..=runs {
        for ((name, work), samples) in contestants.iter().zip(&mut samples) {
            let sample = run(name, *work).map_err(|error| format!("{name}: {error}"))?;
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

pub(crate) fn cost_table<F>(title: &str, contestants: &[Contestant<F>], costs: &[Vec<Cost>]) -> Table {
    let medians = medians(costs);
    let (cpu_base, wall_base) = medians.first().copied().unwrap_or_default();
    let title = format!("{title} (1.00x = {:.2} ms CPU, {:.2} ms wall)", cpu_base * 1e3, wall_base * 1e3);
    let mut table = Table::new(title, &["contestant", "CPU", "wall"]);
    for ((name, _), (cpu, wall)) in contestants.iter().zip(medians) {
        table.row([(*name).to_owned(), ratio(cpu, cpu_base), ratio(wall, wall_base)]);
    }
    table
}

/// The same for this many calls, with the cost of one of them.
pub(crate) fn per_call_table<F>(
    title: &str,
    contestants: &[Contestant<F>],
    costs: &[Vec<Cost>],
    calls: u32,
) -> Table {
    let medians = medians(costs);
    let (cpu_base, wall_base) = medians.first().copied().unwrap_or_default();
    let micros = |seconds: f64| format!("{:.2}", seconds * 1e6 / f64::from(calls));
    let mut table = Table::new(title, &["contestant", "CPU", "wall", "CPU µs", "wall µs"]);
    for ((name, _), (cpu, wall)) in contestants.iter().zip(medians) {
        let ratios = [ratio(cpu, cpu_base), ratio(wall, wall_base)];
        table.row([(*name).to_owned()].into_iter().chain(ratios).chain([micros(cpu), micros(wall)]));
    }
    table
}

/// CPU and wall time in seconds, the median of each contestant's runs.
fn medians(costs: &[Vec<Cost>]) -> Vec<(f64, f64)> {
    costs
        .iter()
        .map(|costs| (median(seconds(|cost| cost.cpu, costs)), median(seconds(|cost| cost.wall, costs))))
        .collect()
}

/// A fresh bridge with these entries, made by the floor.
pub(crate) fn filled(macs: &[Mac]) -> Result<Bridge> {
    let bridge = Bridge::fresh()?;
    floor::insert(macs)?;
    expect("filling the bridge", floor::tally()?, macs)?;
    Ok(bridge)
}

/// The check that the work was done.
pub(crate) fn expect(who: &str, seen: Tally, macs: &[Mac]) -> Result<()> {
    let wanted = Tally::of(macs);
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{who}: {} entries where {} should be, or other addresses", seen.entries, wanted.entries)
        .into())
}

//! Row 28: SRv6. Routes with segments, local SIDs, and policies.

mod floor;
mod iproute2;
#[cfg(feature = "ours")]
mod ours;

use std::net::Ipv6Addr;
use std::process::{Command, Stdio};

use crate::Result;
use crate::iproute2::Scratch;
use crate::measure::Cost;
use crate::rows::{Contestant, Plan, cost_table, interleave, per_call_table};
use crate::table::Table;

const DEVICE: &str = "d0";
const IFINDEX: u32 = 1500;
/// A table of the row's own, so that no other route is in it.
const TABLE: u32 = 1000;
/// Of the policies: the nexthops of their lists from here on, and behind them the groups.
const FIRST_ID: u32 = 100_000;
/// Of their nexthops and routes.
const PROTOCOL: u8 = 200;

/// How many routes were seen, and the sum of their numbers: equal tallies are equal tables.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    routes: u64,
    numbers: u64,
}

impl Tally {
    fn add(&mut self, network: Ipv6Addr) {
        let [_, _, high, low, ..] = network.segments();
        self.routes += 1;
        self.numbers += (u64::from(high) << 16) | u64::from(low);
    }

    fn of(numbers: &[u32]) -> Self {
        let mut tally = Self::default();
        numbers.iter().for_each(|number| tally.add(network(*number)));
        tally
    }
}

/// The destination of a route, a network of 64 bits.
fn network(number: u32) -> Ipv6Addr {
    let [a, b, c, d] = number.to_be_bytes();
    Ipv6Addr::new(0x2001, 0xdb9, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), 0, 0, 0, 0)
}

/// The address of a local SID.
fn sid(number: u32) -> Ipv6Addr {
    let [a, b, c, d] = number.to_be_bytes();
    Ipv6Addr::new(0xfcbb, 1, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), 0, 0, 0, 0)
}

/// Three segments, the last of which no other number has.
fn segments(number: u32) -> [Ipv6Addr; 3] {
    let [a, b, c, d] = number.to_be_bytes();
    let last = Ipv6Addr::new(0xfcbb, 0, 3, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), 0, 0, 1);
    [Ipv6Addr::new(0xfcbb, 0, 1, 0, 0, 0, 0, 0), Ipv6Addr::new(0xfcbb, 0, 2, 0, 0, 0, 0, 0), last]
}

/// The contestants get the numbers of routes, SIDs or policies.
type Change = fn(&[u32]) -> Result<Cost>;
/// `None` of what was seen where nothing is decoded.
type List = fn() -> Result<(Cost, Option<Tally>)>;

const ADD: &[Contestant<Change>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor::add),
    #[cfg(feature = "ours")]
    ("ours", ours::add),
    ("ip -batch", iproute2::add),
];

const LIST: &[Contestant<List>] = &[
    ("raw socket, nothing decoded (floor)", floor::list),
    ("raw socket, decoded by hand", floor::list_decoded),
    ("raw socket, each read whole", floor::list_whole),
    #[cfg(feature = "ours")]
    ("ours, Srv6Routes", ours::list),
    #[cfg(feature = "ours")]
    ("ours, Srv6Routes, each looked at in its place", ours::visit),
    ("ip -6 route show, a process", iproute2::list),
];

const DELETE: &[Contestant<Change>] = &[
    ("raw socket (floor)", floor::delete),
    #[cfg(feature = "ours")]
    ("ours, unchecked", ours::delete_unchecked),
    #[cfg(feature = "ours")]
    ("ours, segments compared", ours::delete),
    #[cfg(feature = "ours")]
    ("ours, all compared with one list", ours::delete_all),
];

const SIDS: &[Contestant<Change>] = &[
    ("raw socket (floor)", floor::add_sids),
    #[cfg(feature = "ours")]
    ("ours, unchecked", ours::add_sids_unchecked),
    #[cfg(feature = "ours")]
    ("ours, read back", ours::add_sids),
];

const APPLY: &[Contestant<Change>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor::apply),
    #[cfg(feature = "ours")]
    ("ours, read, planned and applied", ours::apply),
    ("ip -batch", iproute2::apply),
];

const AGAIN: &[Contestant<Change>] = &[
    ("raw socket, listed and nothing decoded (floor)", floor::read_all),
    #[cfg(feature = "ours")]
    ("ours, nothing to do", ours::apply_again),
];

/// Nothing where the kernel has no segment routing.
pub(crate) fn row(plan: Plan) -> Result<Vec<Table>> {
    if let Err(error) = Wire::new().and_then(|_wire| floor::add(&[1])) {
        eprintln!("row 28: not measured, {error}");
        return Ok(Vec::new());
    }
    let runs = plan.runs;
    let numbers: Vec<u32> = (1..=plan.segment_routes).collect();
    let whole = Tally::of(&numbers);
    let costs = interleave(runs, ADD, |name, add| {
        let _wire = Wire::new()?;
        let cost = add(&numbers)?;
        expect(name, floor::tally()?, whole)?;
        Ok(cost)
    })?;
    let added = cost_table(&format!("28. Add {} routes with three segments", numbers.len()), ADD, &costs);

    let wire = Wire::new()?;
    floor::add(&numbers)?;
    let costs = interleave(runs, LIST, |name, list| {
        let (cost, seen) = list()?;
        if let Some(seen) = seen {
            expect(name, seen, whole)?;
        }
        Ok(cost)
    })?;
    let listed = cost_table(&format!("28. List {} routes with three segments", numbers.len()), LIST, &costs);

    // Each comparison lists the table, but for the last contestant.
    let some: Vec<u32> = numbers.iter().copied().take((usize::from(plan.singles) / 10).max(1)).collect();
    let costs = interleave(runs, DELETE, |name, delete| {
        let cost = delete(&some)?;
        floor::add(&some)?;
        expect(name, floor::tally()?, whole)?;
        Ok(cost)
    })?;
    let title = format!("28. Delete {} of {} routes, each awaited", some.len(), numbers.len());
    let deleted = per_call_table(&title, DELETE, &costs, u32::try_from(some.len())?);
    drop(wire);

    let sids: Vec<u32> = (1..=u32::from(plan.singles)).collect();
    let costs = interleave(runs, SIDS, |_, add| {
        let _wire = Wire::new()?;
        add(&sids)
    })?;
    let title = format!("28. Add {} local SIDs, each awaited", sids.len());
    let with_sids = per_call_table(&title, SIDS, &costs, u32::from(plan.singles));

    let policies: Vec<u32> = (1..=plan.policies).collect();
    let whole = Tally::of(&policies);
    let costs = interleave(runs, APPLY, |name, apply| {
        let _wire = Wire::new()?;
        let cost = apply(&policies)?;
        expect(name, floor::tally()?, whole)?;
        Ok(cost)
    })?;
    let applied = cost_table(&format!("28. Apply {} policies", policies.len()), APPLY, &costs);

    let wire = Wire::new()?;
    floor::apply(&policies)?;
    let costs = interleave(runs, AGAIN, |_, apply| apply(&policies))?;
    drop(wire);
    let again = cost_table(&format!("28. Apply {} policies that are there", policies.len()), AGAIN, &costs);
    Ok(vec![added, listed, deleted, with_sids, applied, again])
}

fn expect(who: &str, seen: Tally, wanted: Tally) -> Result<()> {
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{who}: {seen:?} where {wanted:?} should be").into())
}

/// A device that is up; all routes and nexthops go with it when it is dropped.
#[derive(Debug)]
struct Wire(());

impl Wire {
    fn new() -> Result<Self> {
        ip(&format!("link add {DEVICE} index {IFINDEX} type veth peer name p0\n"))?;
        let wire = Self(());
        ip(&format!(
            "link set {DEVICE} up\nlink set p0 up\naddress add 2001:db8::fe/64 dev {DEVICE} nodad\n\
             route add fcbb::/32 via 2001:db8::1 dev {DEVICE}\n"
        ))?;
        Ok(wire)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Whatever stays is gone with the namespace, and the next wire reports it.
        let _ = ip(&format!("link del {DEVICE}\n"));
    }
}

/// Several commands in one process.
fn ip(lines: &str) -> Result<()> {
    let file = Scratch::new("wire", lines)?;
    let output = Command::new("ip").args(["-6", "-batch"]).arg(file.path()).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip -batch: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}

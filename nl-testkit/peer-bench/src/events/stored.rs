//! Row 34: the copy of a large routing table that is kept up to date.

use std::collections::HashMap;

use ::nlink::netlink::{Connection, Route};
use futures_util::TryStreamExt as _;
use netlink_packet_route::route::{RouteAddress, RouteAttribute};

use super::RTNLGRP_IPV4_ROUTE;
use super::routes::{self, TABLE, tallied};
use crate::entry::Tally;
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch, anonymous_memory, median};
use crate::netlink::Socket;
use crate::rows::{Contestant, Plan, find, in_own_process, interleave};
use crate::table::{Table, ratio};
use crate::{Result, runtime, sys};

/// What it takes to have the table, and what was seen of it.
struct Taken {
    cost: Cost,
    peak: Kib,
    held: Kib,
    seen: Tally,
}

type Take = fn() -> Result<Taken>;

const TAKE: &[Contestant<Take>] = &[
    ("raw socket, list thrown away (floor)", floor_list),
    ("raw socket, list into a hash table, and listening", floor_copy),
    #[cfg(feature = "ours")]
    ("ours, Store of a RouteWatch until synced", ours::store),
    ("nlink get_routes_for_table", nlink),
    ("rtnetlink, list collected", rtnetlink),
];

/// 34: a fresh process for each contestant.
pub(crate) fn row(plan: Plan) -> Result<Table> {
    let mut socket = Socket::open()?;
    routes::ready(&mut socket)?;
    let hosts = routes::hosts(plan.stored);
    routes::add(&mut socket, &hosts)?;
    let samples = interleave(plan.runs.min(3), TAKE, |name, _| in_own_process::<4>(34, name, plan.stored));
    // For the rows behind it.
    routes::delete(&mut socket, &hosts)?;
    let medians: Vec<[f64; 4]> = samples?.iter().map(|runs| middle(runs)).collect();
    let [cpu_base, wall_base, ..] = medians.first().copied().unwrap_or_default();
    let title = format!(
        "34. A copy of {} routes (1.00x = {:.2} ms CPU, {:.2} ms wall)",
        plan.stored,
        cpu_base * 1e3,
        wall_base * 1e3
    );
    let header = ["contestant", "CPU", "wall", "peak, bytes a route", "held, bytes a route"];
    let mut table = Table::new(title, &header);
    let each = |kib: f64| format!("{:.0}", kib * 1024.0 / f64::from(plan.stored));
    for ((name, _), [cpu, wall, peak, held]) in TAKE.iter().zip(medians) {
        let ratios = [ratio(cpu, cpu_base), ratio(wall, wall_base)];
        table.row([(*name).to_owned()].into_iter().chain(ratios).chain([each(peak), each(held)]));
    }
    Ok(table)
}

/// The median of each number.
fn middle(runs: &[[f64; 4]]) -> [f64; 4] {
    [0, 1, 2, 3].map(|at| median(runs.iter().filter_map(|run| run.get(at).copied()).collect()))
}

pub(crate) fn once(name: &str, count: u32) -> Result<[f64; 4]> {
    let Taken { cost, peak, held, seen } = find(TAKE, name)?()?;
    let mut wanted = Tally::default();
    routes::hosts(count).into_iter().for_each(|host| wanted.add(tallied(host)));
    if seen != wanted {
        return Err(format!("{name}: {} routes where {count} should be, or other ones", seen.entries).into());
    }
    let kib = |kib: Kib| Ok::<_, std::num::TryFromIntError>(f64::from(u32::try_from(kib)?));
    Ok([cost.cpu.as_secs_f64(), cost.wall.as_secs_f64(), kib(peak)?, kib(held)?])
}

/// Runs from before the first request until the copy is there.
struct Measure {
    before: Kib,
    peak: PeakMemory,
    watch: Stopwatch,
}

impl Measure {
    fn start() -> Result<Self> {
        let peak = PeakMemory::start()?;
        Ok(Self { before: anonymous_memory()?, peak, watch: Stopwatch::start()? })
    }

    /// With the copy still there.
    fn stop(self) -> Result<(Cost, Kib, Kib)> {
        let cost = self.watch.stop()?;
        Ok((cost, self.peak.stop()?, anonymous_memory()?.saturating_sub(self.before)))
    }
}

fn floor_list() -> Result<Taken> {
    let mut socket = Socket::open()?;
    let measure = Measure::start()?;
    let mut seen = Tally::default();
    routes::each(&mut socket, |host| seen.add(tallied(host)))?;
    let (cost, peak, held) = measure.stop()?;
    Ok(Taken { cost, peak, held, seen })
}

/// With the key and the value that a program by hand would keep.
fn floor_copy() -> Result<Taken> {
    let (listener, mut socket) = (sys::route_socket()?, Socket::open()?);
    sys::raise_receive_buffer(&listener)?;
    let measure = Measure::start()?;
    sys::listen(&listener, RTNLGRP_IPV4_ROUTE)?;
    let mut copy: HashMap<(u32, u8, u32), (u32, u32)> = HashMap::new();
    routes::each(&mut socket, |host| {
        copy.insert((TABLE, 32, host), (1, 0));
    })?;
    let (cost, peak, held) = measure.stop()?;
    let mut seen = Tally::default();
    copy.keys().for_each(|(_, _, host)| seen.add(tallied(*host)));
    Ok(Taken { cost, peak, held, seen })
}

#[cfg(feature = "ours")]
mod ours {
    use std::net::IpAddr;
    use std::pin::Pin;
    use std::task::Poll;

    use futures_util::{Stream as _, TryStreamExt as _};
    use nl_core::route::RouteWatch;
    use nl_core::watch::Change;
    use nl_core::{Connection, Protocol};
    use nl_events::store::Store;

    use super::super::routes::{TABLE, tallied};
    use super::{Measure, Taken};
    use crate::entry::Tally;
    use crate::{Result, runtime};

    /// The kernel's other routes are in it, too.
    pub(super) fn store() -> Result<Taken> {
        runtime()?.block_on(async {
            let connection = Connection::open(Protocol::Route)?;
            let measure = Measure::start()?;
            let (store, mut follower) = Store::new(RouteWatch::open(&connection).await?);
            while !store.is_synced() {
                if let Change::Changed { after, .. } = follower.try_next().await?.ok_or("the watch ended")? {
                    return Err(format!("a change of nothing: {after}").into());
                }
            }
            let (cost, peak, held) = measure.stop()?;
            // Nothing comes of nothing.
            let more = std::future::poll_fn(|context| {
                Poll::Ready(match Pin::new(&mut follower).poll_next(context) {
                    Poll::Ready(change) => Some(change),
                    Poll::Pending => None,
                })
            });
            if let Some(change) = more.await {
                return Err(format!("an event of nothing: {change:?}").into());
            }
            let mut seen = Tally::default();
            store.read(|watch| {
                for route in watch.entries().filter(|route| route.in_table() == TABLE) {
                    if let IpAddr::V4(host) = route.prefix.addr() {
                        seen.add(tallied(host.to_bits()));
                    }
                }
            });
            Ok(Taken { cost, peak, held, seen })
        })
    }
}

/// It reads all tables.
fn nlink() -> Result<Taken> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let measure = Measure::start()?;
        let copy = connection.get_routes_for_table(TABLE).await?;
        let (cost, peak, held) = measure.stop()?;
        let mut seen = Tally::default();
        for route in &copy {
            if let Some(std::net::IpAddr::V4(host)) = route.destination() {
                seen.add(tallied(host.to_bits()));
            }
        }
        Ok(Taken { cost, peak, held, seen })
    })
}

/// It cannot ask for one table.
fn rtnetlink() -> Result<Taken> {
    runtime()?.block_on(async {
        let (connection, handle, _) = ::rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let measure = Measure::start()?;
        let ask = ::rtnetlink::RouteMessageBuilder::<std::net::Ipv4Addr>::new().build();
        let copy: Vec<_> = handle.route().get(ask).execute().try_collect().await?;
        let (cost, peak, held) = measure.stop()?;
        let mut seen = Tally::default();
        for route in &copy {
            let (mut table, mut host) = (0, None);
            for attribute in &route.attributes {
                match attribute {
                    RouteAttribute::Table(number) => table = *number,
                    RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                        host = Some(address.to_bits())
                    }
                    _ => {}
                }
            }
            if let Some(host) = host.filter(|_| table == TABLE) {
                seen.add(tallied(host));
            }
        }
        Ok(Taken { cost, peak, held, seen })
    })
}

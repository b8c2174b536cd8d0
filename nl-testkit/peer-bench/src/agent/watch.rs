//! Rows 19 and 20: copies of a bridge's table that are kept up to date.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;

use ::nlink::netlink::{Connection, Route, RtnetlinkGroup};
use ::rtnetlink::MulticastGroup;
use futures_util::TryStreamExt as _;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage};

use super::{RTNLGRP_NEIGH, settle};
use crate::entry::{IFINDEX_BRIDGE, Mac, STATE_STATIC, Tally, macs};
use crate::floor::{self, Entry};
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch, anonymous_memory, median};
use crate::netlink::Socket;
use crate::rows::{Contestant, Plan, expect, filled, find, in_own_process, interleave};
use crate::table::{Table, ratio};
use crate::{Result, runtime, sys};

/// In the bridge that is watched by many.
const WATCHED: u32 = 12;

/// Opens this many watches: KiB of each once they are idle.
type Hold = fn(u32) -> Result<f64>;
/// Reads the table: what that costs, the peak of memory, and what was read.
type Picture = fn() -> Result<(Cost, Kib, Tally)>;

const HOLD: &[Contestant<Hold>] = &[
    ("raw socket and hash table, one buffer for all", floor_watches),
    #[cfg(feature = "ours")]
    ("ours, FdbWatch", ours::watches),
    ("nlink, events and a list", nlink_watches),
    ("rtnetlink, multicast connection and a list", rtnetlink_watches),
];

const PICTURE: &[Contestant<Picture>] = &[
    ("raw socket, list thrown away (floor)", floor_list),
    ("raw socket, list into a hash table", floor_picture),
    #[cfg(feature = "ours")]
    ("ours, list thrown away", ours::list),
    #[cfg(feature = "ours")]
    ("ours, FdbWatch until Synced", ours::picture),
    ("nlink get_fdb_by_index", nlink_picture),
    ("rtnetlink, list collected", rtnetlink_picture),
];

/// 19: a fresh process for each contestant.
pub(crate) fn watches_row(plan: Plan) -> Result<Table> {
    let _bridge = filled(&macs(WATCHED))?;
    let sizes = interleave(plan.runs, HOLD, |name, _| {
        let [size] = in_own_process(19, name, plan.held)?;
        Ok(size)
    })?;
    let title = format!("19. Memory of {} idle watches of a bridge of {WATCHED} entries", plan.held);
    let mut table = Table::new(title, &["contestant", "KiB each"]);
    for ((name, _), sizes) in HOLD.iter().zip(sizes) {
        table.row([(*name).to_owned(), format!("{:.1}", median(sizes))]);
    }
    Ok(table)
}

pub(crate) fn watches_once(name: &str, watches: u32) -> Result<[f64; 1]> {
    Ok([find(HOLD, name)?(watches)?])
}

/// 20: a fresh process for each contestant.
pub(crate) fn picture_row(plan: Plan) -> Result<Table> {
    let _bridge = filled(&macs(plan.entries))?;
    let samples = interleave(plan.runs, PICTURE, |name, _| in_own_process::<3>(20, name, plan.entries))?;
    let medians: Vec<[f64; 3]> = samples
        .iter()
        .map(|runs| {
            [
                median(runs.iter().map(|[cpu, _, _]| *cpu).collect()),
                median(runs.iter().map(|[_, wall, _]| *wall).collect()),
                median(runs.iter().map(|[_, _, peak]| *peak).collect()),
            ]
        })
        .collect();
    let [cpu_base, wall_base, _] = medians.first().copied().unwrap_or_default();
    let title = format!(
        "20. First picture of {} FDB entries (1.00x = {:.2} ms CPU, {:.2} ms wall)",
        plan.entries,
        cpu_base * 1e3,
        wall_base * 1e3
    );
    let mut table = Table::new(title, &["contestant", "CPU", "wall", "peak, bytes an entry"]);
    for ((name, _), [cpu, wall, peak]) in PICTURE.iter().zip(medians) {
        let bytes = peak * 1024.0 / f64::from(plan.entries);
        table.row([(*name).to_owned(), ratio(cpu, cpu_base), ratio(wall, wall_base), format!("{bytes:.0}")]);
    }
    Ok(table)
}

pub(crate) fn picture_once(name: &str, entries: u32) -> Result<[f64; 3]> {
    let (cost, peak, seen) = find(PICTURE, name)?()?;
    expect(name, seen, &macs(entries))?;
    Ok([cost.cpu.as_secs_f64(), cost.wall.as_secs_f64(), f64::from(u32::try_from(peak)?)])
}

/// The key and the value that a program by hand would keep.
type Copy = HashMap<(Mac, Option<u16>), Entry>;

fn copy(socket: &mut Socket) -> Result<Copy> {
    let mut copy = Copy::new();
    floor::each_entry(socket, |entry| {
        copy.insert((entry.mac, entry.vlan), entry);
    })?;
    Ok(copy)
}

fn floor_watches(count: u32) -> Result<f64> {
    let socket = RefCell::new(Socket::open()?);
    hold(count, async || {
        let listening: File = sys::route_socket()?;
        sys::raise_receive_buffer(&listening)?;
        sys::listen(&listening, RTNLGRP_NEIGH)?;
        let copy = copy(&mut socket.borrow_mut())?;
        Ok((enough(copy.values().filter(|entry| entry.state == STATE_STATIC).count())?, listening, copy))
    })
}

fn nlink_watches(count: u32) -> Result<f64> {
    hold(count, async || {
        let connection = Connection::<Route>::new()?;
        connection.subscribe(&[RtnetlinkGroup::Neigh])?;
        let entries = connection.get_fdb_by_index(IFINDEX_BRIDGE).await?;
        enough(entries.iter().filter(|entry| entry.is_static()).count())?;
        let mut events = Box::pin(connection.into_events().await);
        settle(&mut events).await;
        Ok((events, entries))
    })
}

fn rtnetlink_watches(count: u32) -> Result<f64> {
    hold(count, async || {
        let (connection, handle, mut events) =
            ::rtnetlink::new_multicast_connection(&[MulticastGroup::Neigh])?;
        tokio::spawn(connection);
        let entries = collected(&handle).await?;
        let statics = entries.iter().filter(|entry| u16::from(entry.header.state) == STATE_STATIC);
        enough(statics.count())?;
        settle(&mut events).await;
        Ok((events, handle, entries))
    })
}

fn hold<W>(count: u32, open: impl AsyncFn() -> Result<W>) -> Result<f64> {
    sys::allow_open_files()?;
    runtime()?.block_on(async {
        // What a process has once is not part of a watch.
        let _first = open().await?;
        let before = anonymous_memory()?;
        let mut watches = Vec::new();
        for _ in 0..count {
            watches.push(open().await?);
        }
        let each = anonymous_memory()?.saturating_sub(before);
        Ok(f64::from(u32::try_from(each)?) / f64::from(count))
    })
}

/// The check that a watch has seen the static entries.
fn enough(entries: usize) -> Result<()> {
    if entries == WATCHED as usize { Ok(()) } else { Err(format!("saw {entries} static entries").into()) }
}

fn floor_list() -> Result<(Cost, Kib, Tally)> {
    let mut socket = Socket::open()?;
    let (peak, watch) = (PeakMemory::start()?, Stopwatch::start()?);
    let tally = floor::read(&mut socket)?;
    Ok((watch.stop()?, peak.stop()?, tally))
}

fn floor_picture() -> Result<(Cost, Kib, Tally)> {
    let mut socket = Socket::open()?;
    let (peak, watch) = (PeakMemory::start()?, Stopwatch::start()?);
    let copy = copy(&mut socket)?;
    let (cost, peak) = (watch.stop()?, peak.stop()?);
    let mut tally = Tally::default();
    for entry in copy.values().filter(|entry| entry.state == STATE_STATIC) {
        tally.add(entry.mac);
    }
    Ok((cost, peak, tally))
}

fn nlink_picture() -> Result<(Cost, Kib, Tally)> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let (peak, watch) = (PeakMemory::start()?, Stopwatch::start()?);
        let entries = connection.get_fdb_by_index(IFINDEX_BRIDGE).await?;
        let (cost, peak) = (watch.stop()?, peak.stop()?);
        let mut tally = Tally::default();
        for entry in entries.iter().filter(|entry| entry.is_static()) {
            tally.add(entry.mac());
        }
        Ok((cost, peak, tally))
    })
}

fn rtnetlink_picture() -> Result<(Cost, Kib, Tally)> {
    runtime()?.block_on(async {
        let handle = crate::rtnetlink::connect()?;
        let (peak, watch) = (PeakMemory::start()?, Stopwatch::start()?);
        let entries = collected(&handle).await?;
        let (cost, peak) = (watch.stop()?, peak.stop()?);
        let mut tally = Tally::default();
        for entry in entries.iter().filter(|entry| u16::from(entry.header.state) == STATE_STATIC) {
            for attribute in &entry.attributes {
                if let NeighbourAttribute::LinkLayerAddress(mac) = attribute {
                    tally.add(mac.as_slice().try_into()?);
                }
            }
        }
        Ok((cost, peak, tally))
    })
}

/// The entries of the bridge.
async fn collected(handle: &::rtnetlink::Handle) -> Result<Vec<NeighbourMessage>> {
    let mut entries = handle.neighbours().get().set_address_family(AddressFamily::Bridge).execute();
    let mut collected = Vec::new();
    while let Some(entry) = entries.try_next().await? {
        if entry.attributes.contains(&NeighbourAttribute::Controller(IFINDEX_BRIDGE)) {
            collected.push(entry);
        }
    }
    Ok(collected)
}

#[cfg(feature = "ours")]
mod ours {
    use futures_util::TryStreamExt as _;
    use nl_core::{Connection, Protocol};
    use nl_events::fdb::{FdbChange, FdbWatch};

    use super::{enough, hold, settle};
    use crate::entry::{IFINDEX_BRIDGE, Tally};
    use crate::measure::{Cost, Kib, PeakMemory, Stopwatch};
    use crate::{Result, runtime};

    /// All in one namespace, over one connection.
    pub(super) fn watches(count: u32) -> Result<f64> {
        let connection = std::cell::OnceCell::new();
        hold(count, async || {
            if connection.get().is_none() {
                let _ = connection.set(Connection::open(Protocol::Route)?);
            }
            let connection = connection.get().ok_or("no connection")?;
            let mut watch = synced(connection).await?;
            enough(watch.entries().filter(|entry| entry.is_static()).count())?;
            settle(&mut watch).await;
            Ok(watch)
        })
    }

    pub(super) fn list() -> Result<(Cost, Kib, Tally)> {
        runtime()?.block_on(async {
            let fdb = crate::ours::connect()?;
            let (peak, watch) = (PeakMemory::start()?, Stopwatch::start()?);
            let tally = crate::ours::tally(&fdb).await?;
            Ok((watch.stop()?, peak.stop()?, tally))
        })
    }

    pub(super) fn picture() -> Result<(Cost, Kib, Tally)> {
        runtime()?.block_on(async {
            let connection = Connection::open(Protocol::Route)?;
            let (peak, stopwatch) = (PeakMemory::start()?, Stopwatch::start()?);
            let watch = synced(&connection).await?;
            let (cost, peak) = (stopwatch.stop()?, peak.stop()?);
            let mut tally = Tally::default();
            for entry in watch.entries().filter(|entry| entry.is_static()) {
                tally.add(entry.mac.octets());
            }
            Ok((cost, peak, tally))
        })
    }

    async fn synced(connection: &Connection) -> Result<FdbWatch> {
        let mut watch = FdbWatch::builder(connection).bridge(IFINDEX_BRIDGE).open().await?;
        while !matches!(watch.try_next().await?.ok_or("the watch ended")?, FdbChange::Synced) {}
        Ok(watch)
    }
}

//! Row 21: many events at once.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::nlink::netlink::events::NetworkEvent;
use ::nlink::netlink::{Connection, Route, RtnetlinkGroup};
use ::rtnetlink::MulticastGroup;
use ::rtnetlink::sys::AsyncSocket as _;
use futures_util::StreamExt as _;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourState};

use super::RTNLGRP_NEIGH;
use crate::entry::{Mac, STATE_STATIC, Tally, macs};
use crate::floor::{Entry, RTM_NEWNEIGH};
use crate::measure::{Cost, Stopwatch};
use crate::netlink::Socket;
use crate::rows::{Contestant, Plan, expect, interleave, per_call_table};
use crate::sandbox::Bridge;
use crate::table::Table;
use crate::{Result, floor, runtime, sys};

/// What the kernel accounts for one event, at most.
const EVENT: usize = 1280;
/// An event that is lost unnoticed ends the benchmark.
const LIMIT: Duration = Duration::from_secs(30);

/// Listens, has the events made, and reads them all.
type Read = fn(Source) -> Result<(Cost, Tally)>;

const READ: &[Contestant<Read>] = &[
    ("raw socket (floor)", by_hand),
    #[cfg(feature = "ours")]
    ("ours, Events", ours),
    ("nlink", nlink),
    ("rtnetlink", rtnetlink),
];

/// 21: entries are added by the floor in another thread, and only the reader's thread is charged.
pub(crate) fn row(plan: Plan) -> Result<Vec<Table>> {
    let macs = macs(plan.events);
    let mut tables = Vec::new();
    for (queued, how) in [(false, "read while they are made"), (true, "read once all are queued")] {
        if !fit(macs.len())? {
            eprintln!("row 21: not measured, net.core.rmem_max is too small for {} events", macs.len());
            continue;
        }
        let costs = interleave(plan.runs, READ, |name, read| {
            let _bridge = Bridge::fresh()?;
            let (cost, seen) = read(Source::new(&macs, queued)?)?;
            expect(name, seen, &macs)?;
            Ok(cost)
        })?;
        let title = format!("21. A burst of {} events, {how}, per event", plan.events);
        tables.push(per_call_table(&title, READ, &costs, plan.events));
    }
    Ok(tables)
}

/// Whether a receive buffer can hold this many events.
fn fit(events: usize) -> Result<bool> {
    let mut socket = Socket::open()?;
    socket.listen(RTNLGRP_NEIGH)?;
    Ok(socket.receive_buffer()? >= events * EVENT)
}

/// A thread that waits until it may add the entries.
struct Source {
    begin: mpsc::Sender<()>,
    thread: JoinHandle<Result<Cost>>,
    events: u64,
    queued: bool,
}

impl Source {
    fn new(macs: &[Mac], queued: bool) -> Result<Self> {
        let (begin, begun) = mpsc::channel();
        let macs = macs.to_vec();
        let events = u64::try_from(macs.len())?;
        let thread = thread::spawn(move || {
            begun.recv()?;
            floor::insert(&macs)
        });
        Ok(Self { begin, thread, events, queued })
    }

    /// Has the events made; returns how many there will be, and a watch that has just started.
    fn start(self) -> Result<(u64, Stopwatch)> {
        if !self.queued {
            let watch = Stopwatch::of_this_thread()?;
            self.begin.send(())?;
            return Ok((self.events, watch));
        }
        self.begin.send(())?;
        self.thread.join().map_err(|_| "the source panicked")??;
        Ok((self.events, Stopwatch::of_this_thread()?))
    }
}

fn by_hand(source: Source) -> Result<(Cost, Tally)> {
    let mut socket = Socket::open()?;
    socket.listen(RTNLGRP_NEIGH)?;
    let (events, watch) = source.start()?;
    let mut tally = Tally::default();
    while tally.entries < events {
        socket.receive(|kind, body| {
            if kind == RTM_NEWNEIGH {
                let entry = Entry::parse(body).ok_or("short entry")?;
                if entry.state == STATE_STATIC {
                    tally.add(entry.mac);
                }
            }
            Ok(())
        })?;
    }
    Ok((watch.stop()?, tally))
}

#[cfg(feature = "ours")]
fn ours(source: Source) -> Result<(Cost, Tally)> {
    use nl_events::NetworkEvent;
    use nl_events::fdb::FdbEvent;
    use nl_events::stream::Events;

    in_time(async {
        let mut stream = Events::builder().source(nl_events::Source::FDB).open()?;
        let (events, watch) = source.start()?;
        let mut tally = Tally::default();
        while tally.entries < events {
            if let NetworkEvent::Fdb(FdbEvent::New(entry)) =
                stream.next().await.ok_or("the stream ended")??
                && entry.is_static()
            {
                tally.add(entry.mac.octets());
            }
        }
        Ok((watch.stop()?, tally))
    })
}

fn nlink(source: Source) -> Result<(Cost, Tally)> {
    in_time(async {
        let connection = Connection::<Route>::new()?;
        connection.socket().set_rcvbuf(sys::RECEIVE_BUFFER.unsigned_abs() as usize)?;
        connection.subscribe(&[RtnetlinkGroup::Neigh])?;
        let mut stream = Box::pin(connection.into_events().await);
        let (events, watch) = source.start()?;
        let mut tally = Tally::default();
        while tally.entries < events {
            if let NetworkEvent::NewFdb(entry) = stream.next().await.ok_or("the stream ended")??
                && entry.is_static()
            {
                tally.add(entry.mac());
            }
        }
        Ok((watch.stop()?, tally))
    })
}

fn rtnetlink(source: Source) -> Result<(Cost, Tally)> {
    in_time(async {
        let (mut connection, _handle, mut stream) =
            ::rtnetlink::new_multicast_connection(&[MulticastGroup::Neigh])?;
        connection.socket_mut().socket_mut().set_rx_buf_sz(sys::RECEIVE_BUFFER)?;
        tokio::spawn(connection);
        let (events, watch) = source.start()?;
        let mut tally = Tally::default();
        while tally.entries < events {
            let (message, _) = stream.next().await.ok_or("the stream ended")?;
            let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(entry)) = message.payload
            else {
                return Err("not a new neighbour".into());
            };
            if entry.header.state != NeighbourState::Noarp {
                continue;
            }
            for attribute in &entry.attributes {
                if let NeighbourAttribute::LinkLayerAddress(mac) = attribute {
                    tally.add(mac.as_slice().try_into()?);
                }
            }
        }
        Ok((watch.stop()?, tally))
    })
}

fn in_time(read: impl Future<Output = Result<(Cost, Tally)>>) -> Result<(Cost, Tally)> {
    runtime()?.block_on(async { tokio::time::timeout(LIMIT, read).await? })
}

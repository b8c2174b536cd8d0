//! Rows 32 and 33: events that go on and on, of which none is lost.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::{Duration, Instant};

use ::nlink::netlink::events::NetworkEvent;
use ::nlink::netlink::{Connection, Route, RtnetlinkGroup};
use ::rtnetlink::MulticastGroup;
use ::rtnetlink::sys::AsyncSocket as _;
use futures_util::StreamExt as _;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourState};
use netlink_packet_route::route::{RouteAddress, RouteAttribute};

use super::monitor::Monitor;
use super::routes::{self, RTM_DELROUTE, RTM_NEWROUTE, TABLE, tallied};
use super::{RTNLGRP_IPV4_ROUTE, RTNLGRP_NEIGH};
use crate::entry::{IFINDEX_PORT, Mac, STATE_STATIC, Tally, macs};
use crate::floor::{Entry, RTM_DELNEIGH, RTM_NEWNEIGH, entry};
use crate::measure::{Cost, Stopwatch, median, seconds};
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Socket};
use crate::rows::{Contestant, Plan, interleave};
use crate::sandbox::Bridge;
use crate::table::{Table, ratio};
use crate::{Result, runtime, sys};

/// What the kernel accounts for one event, at most.
const EVENT: usize = 1280;
/// How many events are made before they are read, at most: iproute2's receive buffer is a mebibyte.
const PIECE: usize = 1000;
/// An event that is lost unnoticed ends the benchmark.
const LIMIT: Duration = Duration::from_secs(120);

/// Listens, and reads what the source makes: what that costs the reader, and what it has seen.
type Read = fn(&mut Source) -> Result<(Cost, Tally)>;

const FDB: &[Contestant<Read>] = &[
    ("raw socket (floor)", fdb_by_hand),
    #[cfg(feature = "ours")]
    ("ours, Events", ours::fdb),
    ("nlink", fdb_of_nlink),
    ("rtnetlink", fdb_of_rtnetlink),
    ("bridge monitor fdb, a process", fdb_of_iproute2),
];

const ROUTES: &[Contestant<Read>] = &[
    ("raw socket (floor)", routes_by_hand),
    #[cfg(feature = "ours")]
    ("ours, Events", ours::routes),
    ("nlink", routes_of_nlink),
    ("rtnetlink", routes_of_rtnetlink),
    ("ip monitor route, a process", routes_of_iproute2),
];

/// 32: entries of a port come and go.
pub(crate) fn fdb_churn(plan: Plan) -> Result<Table> {
    row(plan, "32. FDB churn", Family::Fdb, FDB)
}

/// 33: routes of a table come and go.
pub(crate) fn route_churn(plan: Plan) -> Result<Table> {
    row(plan, "33. Route churn", Family::Routes, ROUTES)
}

fn row(plan: Plan, title: &str, family: Family, contestants: &[Contestant<Read>]) -> Result<Table> {
    let mut events = 0;
    let costs = interleave(plan.runs, contestants, |name, read| {
        let _bridge = Bridge::fresh()?;
        let mut source = Source::new(family, plan.churn)?;
        let (cost, seen) = read(&mut source)?;
        if seen != source.made {
            let (seen, made) = (seen.entries, source.made.entries);
            return Err(format!("{name}: saw {seen} events of {made}, or other ones").into());
        }
        events = u32::try_from(seen.entries)?;
        Ok(cost)
    })?;
    let each: Vec<f64> =
        costs.iter().map(|runs| median(seconds(|cost| cost.cpu, runs)) / f64::from(events)).collect();
    let base = each.first().copied().unwrap_or_default();
    let title = format!("{title}, {events} events, none lost (1.00x = {:.2} µs CPU an event)", base * 1e6);
    let mut table = Table::new(title, &["contestant", "CPU", "CPU µs an event", "events a CPU second"]);
    for ((name, _), each) in contestants.iter().zip(each) {
        let rate = if each > 0.0 { format!("{:.0}", 1.0 / each) } else { "-".to_owned() };
        table.row([(*name).to_owned(), ratio(each, base), format!("{:.2}", each * 1e6), rate]);
    }
    Ok(table)
}

#[derive(Clone, Copy)]
enum Family {
    Fdb,
    Routes,
}

/// Makes events a piece at a time, while nobody's time is taken.
struct Source {
    socket: Socket,
    family: Family,
    hosts: Vec<u32>,
    macs: Vec<Mac>,
    /// Pieces: one adds, the next one deletes.
    left: usize,
    /// All that was made so far.
    made: Tally,
}

impl Source {
    fn new(family: Family, events: u32) -> Result<Self> {
        let mut listener = Socket::open()?;
        listener.listen(RTNLGRP_NEIGH)?;
        let piece = (listener.receive_buffer()? / EVENT).clamp(1, PIECE);
        let pairs = (usize::try_from(events)? / piece / 2).max(1);
        let mut socket = Socket::open()?;
        routes::ready(&mut socket)?;
        let count = u32::try_from(piece)?;
        let (hosts, macs) = (routes::hosts(count), macs(count));
        Ok(Self { socket, family, hosts, macs, left: 2 * pairs, made: Tally::default() })
    }

    /// Makes the next piece, and returns how many events there were so far; `None` if there are no more.
    fn next(&mut self) -> Result<Option<u64>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let is_adding = left % 2 == 1;
        match self.family {
            Family::Fdb => {
                let (kind, flags, state) = match is_adding {
                    true => (RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, STATE_STATIC),
                    false => (RTM_DELNEIGH, 0, 0),
                };
                self.socket.fenced(kind, flags, &self.macs, |request, mac| {
                    entry(request, IFINDEX_PORT, state, mac);
                })?;
                self.macs.iter().for_each(|mac| self.made.add(*mac));
            }
            Family::Routes => {
                match is_adding {
                    true => routes::add(&mut self.socket, &self.hosts)?,
                    false => routes::delete(&mut self.socket, &self.hosts)?,
                }
                self.hosts.iter().for_each(|host| self.made.add(tallied(*host)));
            }
        }
        Ok(Some(self.made.entries))
    }
}

fn fdb_by_hand(source: &mut Source) -> Result<(Cost, Tally)> {
    by_hand(source, RTNLGRP_NEIGH, |kind, body| {
        let is_entry = matches!(kind, RTM_NEWNEIGH | RTM_DELNEIGH);
        Entry::parse(body).filter(|entry| is_entry && entry.state == STATE_STATIC).map(|entry| entry.mac)
    })
}

fn routes_by_hand(source: &mut Source) -> Result<(Cost, Tally)> {
    by_hand(source, RTNLGRP_IPV4_ROUTE, |kind, body| {
        if !matches!(kind, RTM_NEWROUTE | RTM_DELROUTE) {
            return None;
        }
        routes::host_of(body).map(tallied)
    })
}

fn by_hand(
    source: &mut Source,
    group: u32,
    read: impl Fn(u16, &[u8]) -> Option<Mac>,
) -> Result<(Cost, Tally)> {
    let mut socket = Socket::open()?;
    socket.listen(group)?;
    let (mut cost, mut tally) = (Cost::default(), Tally::default());
    while let Some(made) = source.next()? {
        let watch = Stopwatch::of_this_thread()?;
        while tally.entries < made {
            socket.receive(|kind, body| {
                if let Some(seen) = read(kind, body) {
                    tally.add(seen);
                }
                Ok(())
            })?;
        }
        cost += watch.stop()?;
    }
    Ok((cost, tally))
}

#[cfg(feature = "ours")]
mod ours {
    use std::net::IpAddr;

    use futures_util::StreamExt as _;
    use nl_core::route::RouteEvent;
    use nl_events::NetworkEvent;
    use nl_events::fdb::FdbEvent;
    use nl_events::stream::Events;

    use super::super::routes::{TABLE, tallied};
    use super::{Source, in_time};
    use crate::Result;
    use crate::entry::{Mac, Tally};
    use crate::measure::{Cost, Stopwatch};

    pub(super) fn fdb(source: &mut Source) -> Result<(Cost, Tally)> {
        read(source, nl_events::Source::FDB, |event| match event {
            NetworkEvent::Fdb(FdbEvent::New(entry) | FdbEvent::Deleted(entry)) if entry.is_static() => {
                Some(entry.mac.octets())
            }
            _ => None,
        })
    }

    pub(super) fn routes(source: &mut Source) -> Result<(Cost, Tally)> {
        read(source, nl_events::Source::IPV4_ROUTE, |event| match event {
            NetworkEvent::Route(RouteEvent::New(route) | RouteEvent::Deleted(route)) => {
                match route.prefix.addr() {
                    IpAddr::V4(host) if route.in_table() == TABLE => Some(tallied(host.to_bits())),
                    _ => None,
                }
            }
            _ => None,
        })
    }

    fn read(
        source: &mut Source,
        of: nl_events::Source,
        seen: fn(&NetworkEvent) -> Option<Mac>,
    ) -> Result<(Cost, Tally)> {
        in_time(async {
            let mut stream = Events::builder().source(of).open()?;
            let (mut cost, mut tally) = (Cost::default(), Tally::default());
            while let Some(made) = source.next()? {
                let watch = Stopwatch::of_this_thread()?;
                while tally.entries < made {
                    if let Some(mac) = seen(&stream.next().await.ok_or("the stream ended")??) {
                        tally.add(mac);
                    }
                }
                cost += watch.stop()?;
            }
            Ok((cost, tally))
        })
    }
}

fn fdb_of_nlink(source: &mut Source) -> Result<(Cost, Tally)> {
    by_nlink(source, RtnetlinkGroup::Neigh, |event| match event {
        NetworkEvent::NewFdb(entry) | NetworkEvent::DelFdb(entry) if entry.is_static() => Some(entry.mac()),
        _ => None,
    })
}

fn routes_of_nlink(source: &mut Source) -> Result<(Cost, Tally)> {
    by_nlink(source, RtnetlinkGroup::Ipv4Route, |event| match event {
        NetworkEvent::NewRoute(route) | NetworkEvent::DelRoute(route) if route.table_id() == TABLE => {
            match route.destination()? {
                IpAddr::V4(host) => Some(tallied(host.to_bits())),
                IpAddr::V6(_) => None,
            }
        }
        _ => None,
    })
}

fn by_nlink(
    source: &mut Source,
    group: RtnetlinkGroup,
    seen: fn(&NetworkEvent) -> Option<Mac>,
) -> Result<(Cost, Tally)> {
    in_time(async {
        let connection = Connection::<Route>::new()?;
        connection.socket().set_rcvbuf(sys::RECEIVE_BUFFER.unsigned_abs() as usize)?;
        connection.subscribe(&[group])?;
        let mut stream = Box::pin(connection.into_events().await);
        let (mut cost, mut tally) = (Cost::default(), Tally::default());
        while let Some(made) = source.next()? {
            let watch = Stopwatch::of_this_thread()?;
            while tally.entries < made {
                if let Some(mac) = seen(&stream.next().await.ok_or("the stream ended")??) {
                    tally.add(mac);
                }
            }
            cost += watch.stop()?;
        }
        Ok((cost, tally))
    })
}

fn fdb_of_rtnetlink(source: &mut Source) -> Result<(Cost, Tally)> {
    by_rtnetlink(source, MulticastGroup::Neigh, |message| {
        let (RouteNetlinkMessage::NewNeighbour(entry) | RouteNetlinkMessage::DelNeighbour(entry)) = message
        else {
            return None;
        };
        if entry.header.state != NeighbourState::Noarp {
            return None;
        }
        entry.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(mac) => mac.as_slice().try_into().ok(),
            _ => None,
        })
    })
}

fn routes_of_rtnetlink(source: &mut Source) -> Result<(Cost, Tally)> {
    by_rtnetlink(source, MulticastGroup::Ipv4Route, |message| {
        let (RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route)) = message else {
            return None;
        };
        let (mut table, mut host) = (0, None);
        for attribute in &route.attributes {
            match attribute {
                RouteAttribute::Table(number) => table = *number,
                RouteAttribute::Destination(RouteAddress::Inet(address)) => host = Some(address.to_bits()),
                _ => {}
            }
        }
        host.filter(|_| table == TABLE).map(tallied)
    })
}

fn by_rtnetlink(
    source: &mut Source,
    group: MulticastGroup,
    seen: fn(&RouteNetlinkMessage) -> Option<Mac>,
) -> Result<(Cost, Tally)> {
    in_time(async {
        let (mut connection, _handle, mut stream) = ::rtnetlink::new_multicast_connection(&[group])?;
        connection.socket_mut().socket_mut().set_rx_buf_sz(sys::RECEIVE_BUFFER)?;
        tokio::spawn(connection);
        let (mut cost, mut tally) = (Cost::default(), Tally::default());
        while let Some(made) = source.next()? {
            let watch = Stopwatch::of_this_thread()?;
            while tally.entries < made {
                let (message, _) = stream.next().await.ok_or("the stream ended")?;
                let NetlinkPayload::InnerMessage(message) = message.payload else {
                    return Err("not a message of a table".into());
                };
                if let Some(mac) = seen(&message) {
                    tally.add(mac);
                }
            }
            cost += watch.stop()?;
        }
        Ok((cost, tally))
    })
}

/// A mebibyte of receive buffer is what it has.
fn fdb_of_iproute2(source: &mut Source) -> Result<(Cost, Tally)> {
    by_monitor(source, Command::new("bridge").args(["monitor", "fdb"]), |line| {
        let mut octets = line.contains(" static").then(|| first_word(line))??.split(':');
        let mut mac = [0; 6];
        for octet in &mut mac {
            *octet = u8::from_str_radix(octets.next()?, 16).ok()?;
        }
        Some(mac)
    })
}

fn routes_of_iproute2(source: &mut Source) -> Result<(Cost, Tally)> {
    let buffer = sys::RECEIVE_BUFFER.to_string();
    by_monitor(source, Command::new("ip").args(["-rcvbuf", &buffer, "-4", "monitor", "route"]), |line| {
        let host = line.contains(" table 1000 ").then(|| first_word(line))??;
        Some(tallied(host.parse::<Ipv4Addr>().ok()?.to_bits()))
    })
}

/// What the line is about.
fn first_word(line: &str) -> Option<&str> {
    line.strip_prefix("Deleted ").unwrap_or(line).split_whitespace().next()
}

fn by_monitor(
    source: &mut Source,
    command: &mut Command,
    seen: fn(&str) -> Option<Mac>,
) -> Result<(Cost, Tally)> {
    let monitor = Monitor::start(command)?;
    let (mut cost, mut tally) = (Cost::default(), Tally::default());
    let before = monitor.cpu()?;
    while let Some(made) = source.next()? {
        let began = Instant::now();
        while tally.entries < made {
            if let Some(mac) = seen(&monitor.line()?) {
                tally.add(mac);
            }
        }
        cost.wall += began.elapsed();
    }
    cost.cpu = monitor.cpu()?.saturating_sub(before);
    Ok((cost, tally))
}

fn in_time(read: impl Future<Output = Result<(Cost, Tally)>>) -> Result<(Cost, Tally)> {
    runtime()?.block_on(async { tokio::time::timeout(LIMIT, read).await? })
}

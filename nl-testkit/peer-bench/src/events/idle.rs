//! Row 35: listeners for neighbours of IP while forwarding databases change, which share a group with them.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ::nlink::netlink::events::NetworkEvent;
use ::nlink::netlink::{Connection, Route, RtnetlinkGroup};
use ::rtnetlink::MulticastGroup;
use ::rtnetlink::sys::AsyncSocket as _;
use futures_util::StreamExt as _;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::RTNLGRP_NEIGH;
use super::monitor::Monitor;
use crate::entry::{IFINDEX_BRIDGE, IFINDEX_PORT, STATE_PERMANENT, STATE_STATIC, macs};
use crate::floor::{RTM_DELNEIGH, RTM_NEWNEIGH, entry};
use crate::measure::median;
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Socket};
use crate::rows::{Contestant, Plan, interleave};
use crate::sandbox::Bridge;
use crate::table::Table;
use crate::{Result, runtime, sys};

/// Changes that are made at once, and how long from one such to the next: 50,000 a second.
const BEAT: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(1);
/// The neighbour that all wait for.
const AWAITED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const LIMIT: Duration = Duration::from_secs(60);
const AF_INET: u8 = 2;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;

/// What waiting took, as parts of a core: all of it, and what of it was user space, where that is known.
struct Share {
    all: f64,
    user: Option<f64>,
}

/// Listens, has the changes made, and waits for the neighbour.
type Wait = fn(&mut Churn) -> Result<Share>;

const WAIT: &[Contestant<Wait>] = &[
    ("raw socket, all read (floor)", by_hand),
    #[cfg(feature = "ours")]
    ("ours, filtered", ours::filtered),
    #[cfg(feature = "ours")]
    ("ours, all read", ours::unfiltered),
    ("nlink", nlink),
    ("rtnetlink", rtnetlink),
    ("ip monitor neigh, a process", iproute2),
];

/// 35: only the reader's thread is charged.
pub(crate) fn row(plan: Plan) -> Result<Table> {
    let time = Duration::from_millis(plan.idle_millis.into());
    let mut rates = Vec::new();
    let shares = interleave(plan.runs.min(3), WAIT, |_, wait| {
        let _bridge = Bridge::fresh()?;
        let mut churn = Churn::new(time);
        let share = wait(&mut churn)?;
        rates.push(churn.end()?);
        Ok(share)
    })?;
    let title = format!(
        "35. Waiting for a neighbour beside {:.0} changes a second of forwarding databases, % of a core",
        median(rates)
    );
    let mut table = Table::new(title, &["contestant", "CPU", "user space"]);
    for ((name, _), shares) in WAIT.iter().zip(shares) {
        let percent = |share: f64| format!("{:.2}", share * 100.0);
        let user: Vec<f64> = shares.iter().filter_map(|share| share.user).collect();
        let all = percent(median(shares.iter().map(|share| share.all).collect()));
        let user = if user.is_empty() { "-".to_owned() } else { percent(median(user)) };
        table.row([(*name).to_owned(), all, user]);
    }
    Ok(table)
}

/// What changes forwarding databases for a while, and then makes the neighbour until somebody has seen it.
struct Churn {
    time: Duration,
    seen: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<f64>>>,
}

impl Churn {
    fn new(time: Duration) -> Self {
        Self { time, seen: Arc::default(), thread: None }
    }

    /// Begins, for whoever listens now.
    fn begin(&mut self) {
        let (time, seen) = (self.time, Arc::clone(&self.seen));
        self.thread = Some(thread::spawn(move || churn(time, &seen)));
    }

    /// Ends; the changes a second.
    fn end(mut self) -> Result<f64> {
        self.seen.store(true, Ordering::SeqCst);
        self.thread.take().ok_or("it has not begun")?.join().map_err(|_| "the churn panicked")?
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.seen.store(true, Ordering::SeqCst);
    }
}

fn churn(time: Duration, seen: &AtomicBool) -> Result<f64> {
    let mut socket = Socket::open()?;
    let macs = macs(BEAT);
    let (began, mut beats) = (Instant::now(), 0_u32);
    while began.elapsed() < time {
        let (kind, flags, state) = match beats % 2 {
            0 => (RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, STATE_STATIC),
            _ => (RTM_DELNEIGH, 0, 0),
        };
        socket.fenced(kind, flags, &macs, |request, mac| entry(request, IFINDEX_PORT, state, mac))?;
        beats += 1;
        thread::sleep((began + BETWEEN * beats).saturating_duration_since(Instant::now()));
    }
    let rate = f64::from(beats) * f64::from(BEAT) / began.elapsed().as_secs_f64();
    while !seen.load(Ordering::SeqCst) {
        for (kind, flags) in [(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE), (RTM_DELNEIGH, 0)] {
            socket.change(kind, flags, |request| {
                // struct ndmsg
                request.raw(&[AF_INET, 0, 0, 0]);
                request.raw(&IFINDEX_BRIDGE.to_ne_bytes());
                request.raw(&STATE_PERMANENT.to_ne_bytes());
                request.raw(&[0, 0]);
                request.attribute(NDA_DST, &AWAITED.octets());
                request.attribute(NDA_LLADDR, &[2, 0, 0, 0, 0, 9]);
            })?;
            thread::sleep(BETWEEN);
        }
    }
    Ok(rate)
}

/// The calling thread's time, from `start` to `stop`.
struct Clock {
    all: Duration,
    user: Duration,
    began: Instant,
}

impl Clock {
    fn start() -> Result<Self> {
        Ok(Self {
            all: sys::cpu_of_this_thread()?,
            user: sys::user_time_of_this_thread()?,
            began: Instant::now(),
        })
    }

    fn stop(self) -> Result<Share> {
        let wall = self.began.elapsed().as_secs_f64();
        let part = |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64() / wall;
        let user = part(sys::user_time_of_this_thread()?, self.user);
        Ok(Share { all: part(sys::cpu_of_this_thread()?, self.all), user: Some(user) })
    }
}

fn by_hand(churn: &mut Churn) -> Result<Share> {
    let mut socket = Socket::open()?;
    socket.listen(RTNLGRP_NEIGH)?;
    churn.begin();
    let clock = Clock::start()?;
    let mut is_there = false;
    while !is_there {
        socket.receive(|kind, body| {
            is_there |= kind == RTM_NEWNEIGH && body.first() == Some(&AF_INET);
            Ok(())
        })?;
    }
    clock.stop()
}

#[cfg(feature = "ours")]
mod ours {
    use std::net::IpAddr;

    use futures_util::StreamExt as _;
    use nl_core::neighbour::NeighbourEvent;
    use nl_events::stream::{Events, EventsBuilder};
    use nl_events::{NetworkEvent, Source};

    use super::{AWAITED, Churn, Clock, Share, in_time};
    use crate::Result;

    pub(super) fn filtered(churn: &mut Churn) -> Result<Share> {
        wait(churn, Events::builder().source(Source::NEIGHBOUR).filtered())
    }

    pub(super) fn unfiltered(churn: &mut Churn) -> Result<Share> {
        wait(churn, Events::builder().source(Source::NEIGHBOUR))
    }

    fn wait(churn: &mut Churn, builder: EventsBuilder) -> Result<Share> {
        in_time(async {
            let mut stream = builder.open()?;
            churn.begin();
            let clock = Clock::start()?;
            loop {
                match stream.next().await.ok_or("the stream ended")? {
                    Ok(NetworkEvent::Neighbour(NeighbourEvent::New(new)))
                        if new.dst == IpAddr::V4(AWAITED) =>
                    {
                        return clock.stop();
                    }
                    Err(error) if !error.is_overrun() => return Err(error.into()),
                    _ => {}
                }
            }
        })
    }
}

fn nlink(churn: &mut Churn) -> Result<Share> {
    in_time(async {
        let connection = Connection::<Route>::new()?;
        connection.socket().set_rcvbuf(sys::RECEIVE_BUFFER.unsigned_abs() as usize)?;
        connection.subscribe(&[RtnetlinkGroup::Neigh])?;
        let mut stream = Box::pin(connection.into_events().await);
        churn.begin();
        let clock = Clock::start()?;
        loop {
            if let NetworkEvent::NewNeighbor(new) = stream.next().await.ok_or("the stream ended")??
                && new.destination() == Some(&IpAddr::V4(AWAITED))
            {
                return clock.stop();
            }
        }
    })
}

fn rtnetlink(churn: &mut Churn) -> Result<Share> {
    in_time(async {
        let (mut connection, _handle, mut stream) =
            ::rtnetlink::new_multicast_connection(&[MulticastGroup::Neigh])?;
        connection.socket_mut().socket_mut().set_rx_buf_sz(sys::RECEIVE_BUFFER)?;
        tokio::spawn(connection);
        churn.begin();
        let clock = Clock::start()?;
        loop {
            let (message, _) = stream.next().await.ok_or("the stream ended")?;
            if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(new)) = message.payload
                && new.header.family == AddressFamily::Inet
            {
                return clock.stop();
            }
        }
    })
}

fn iproute2(churn: &mut Churn) -> Result<Share> {
    let buffer = sys::RECEIVE_BUFFER.to_string();
    let monitor = Monitor::start(Command::new("ip").args(["-rcvbuf", &buffer, "monitor", "neigh"]))?;
    churn.begin();
    let (before, began) = (monitor.cpu()?, Instant::now());
    while !monitor.line()?.starts_with("192.0.2.9 ") {}
    let all = monitor.cpu()?.saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    Ok(Share { all, user: None })
}

fn in_time(wait: impl Future<Output = Result<Share>>) -> Result<Share> {
    runtime()?.block_on(async { tokio::time::timeout(LIMIT, wait).await? })
}

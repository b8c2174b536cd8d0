//! The floor: one send and one receive per call, over a socket and buffers that stay.

use std::thread;

use tokio::runtime::Runtime;

use super::{Change, found, warm_up};
use crate::Result;
use crate::entry::{IFINDEX_PORT, PORT, STATE_PERMANENT, STATE_STATIC, Tally};
use crate::floor::{self, RTM_NEWNEIGH};
use crate::measure::{Cost, Stopwatch};
use crate::netlink::{NLM_F_CREATE, NLM_F_REPLACE, Request, Socket};

// include/uapi/linux/rtnetlink.h, if_link.h
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

pub(super) fn change_by_index(changes: &[Change]) -> Result<Cost> {
    change(changes.iter(), |_| Ok(IFINDEX_PORT))
}

/// Asks for the index each time: a device may have been renamed.
pub(super) fn change_by_name(changes: &[Change]) -> Result<Cost> {
    change(changes.iter(), |socket| socket.index_of(PORT))
}

/// The runtime is not used: this is what the calls cost when nothing waits for anything.
pub(super) fn tasks(_: &Runtime, tasks: Vec<Vec<Change>>) -> Result<Cost> {
    change(tasks.iter().flatten(), |_| Ok(IFINDEX_PORT))
}

/// Two threads, each with a socket of its own and half of the tasks.
pub(super) fn threads(_: &Runtime, tasks: Vec<Vec<Change>>) -> Result<Cost> {
    let (first, second) = tasks.split_at(tasks.len() / 2);
    let mut halves = [(Socket::open()?, first), (Socket::open()?, second)];
    for (socket, _) in &mut halves {
        warm_up().iter().try_for_each(|change| replace(socket, IFINDEX_PORT, change))?;
    }
    let watch = Stopwatch::start()?;
    thread::scope(|scope| {
        let threads = halves.map(|(mut socket, tasks)| {
            let mut changes = tasks.iter().flatten();
            scope.spawn(move || changes.try_for_each(|change| replace(&mut socket, IFINDEX_PORT, change)))
        });
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    watch.stop()
}

pub(super) fn list(lists: u32) -> Result<(Cost, Tally)> {
    let mut socket = Socket::open()?;
    floor::read(&mut socket)?;
    let watch = Stopwatch::start()?;
    let mut tally = Tally::default();
    for _ in 0..lists {
        tally.add_all(floor::read(&mut socket)?);
    }
    Ok((watch.stop()?, tally))
}

pub(super) fn open(calls: u32) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    for _ in 0..calls {
        socket.reopen()?;
        found(look_up(&mut socket)?)?;
    }
    watch.stop()
}

/// The index of the link [`PORT`], asked with a request.
pub(crate) fn look_up(socket: &mut Socket) -> Result<u32> {
    let write = |request: &mut Request| {
        request.raw(&[0; 16]);
        request.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        request.attribute(IFLA_IFNAME, b"p0\0");
    };
    socket.get(RTM_GETLINK, write, |body| {
        let index = body.get(4..).and_then(|body| body.first_chunk());
        Ok(u32::from_ne_bytes(*index.ok_or("short link")?))
    })
}

fn change<'a>(
    changes: impl Iterator<Item = &'a Change>,
    index: impl Fn(&Socket) -> Result<u32>,
) -> Result<Cost> {
    let mut socket = Socket::open()?;
    warm_up().iter().try_for_each(|change| replace(&mut socket, IFINDEX_PORT, change))?;
    let watch = Stopwatch::start()?;
    for change in changes {
        let index = index(&socket)?;
        replace(&mut socket, index, change)?;
    }
    watch.stop()
}

fn replace(socket: &mut Socket, ifindex: u32, change: &Change) -> Result<()> {
    let state = if change.permanent { STATE_PERMANENT } else { STATE_STATIC };
    socket.change(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, |request| {
        floor::entry(request, ifindex, state, &change.mac);
    })
}

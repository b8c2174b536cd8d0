//! Row 18: connections that are held.

use std::cell::RefCell;
use std::time::Duration;

use ::nlink::netlink::{Connection, Route};

use crate::calls::{found, raw_look_up, rtnetlink_look_up};
use crate::entry::PORT;
use crate::measure::{anonymous_memory, median};
use crate::netlink::Socket;
use crate::rows::{Contestant, Plan, find, in_own_process, interleave};
use crate::sandbox::Bridge;
use crate::table::Table;
use crate::{Result, rtnetlink, runtime, sys};

/// Opens this many: KiB of each once open, and after one look-up on each.
type Hold = fn(u32) -> Result<[f64; 2]>;

const HOLD: &[Contestant<Hold>] = &[
    ("raw socket, one buffer for all", floor),
    #[cfg(feature = "ours")]
    ("ours", ours),
    ("nlink", nlink),
    ("rtnetlink", rtnetlink),
];

/// 18: a fresh process for each contestant.
pub(crate) fn row(plan: Plan) -> Result<Table> {
    let _bridge = Bridge::fresh()?;
    let sizes = interleave(plan.runs, HOLD, |name, _| in_own_process::<2>(18, name, plan.held))?;
    let title = format!("18. Memory of {} open connections, KiB each", plan.held);
    let mut table = Table::new(title, &["contestant", "open", "after one look-up"]);
    for ((name, _), sizes) in HOLD.iter().zip(sizes) {
        let (open, called) = sizes.into_iter().map(|[open, called]| (open, called)).unzip();
        table.row([(*name).to_owned(), format!("{:.1}", median(open)), format!("{:.1}", median(called))]);
    }
    Ok(table)
}

pub(crate) fn once(name: &str, connections: u32) -> Result<[f64; 2]> {
    find(HOLD, name)?(connections)
}

fn floor(count: u32) -> Result<[f64; 2]> {
    let socket = RefCell::new(Socket::open()?);
    hold(
        count,
        || Ok(sys::route_socket()?),
        async |held| {
            let mut socket = socket.borrow_mut();
            socket.swap(held);
            let index = raw_look_up(&mut socket);
            socket.swap(held);
            index
        },
    )
}

#[cfg(feature = "ours")]
fn ours(count: u32) -> Result<[f64; 2]> {
    use nl_core::{Connection, Protocol};

    hold(
        count,
        || Ok(Connection::open(Protocol::Route)?),
        async |connection| Ok(connection.link(PORT).await?.index),
    )
}

fn nlink(count: u32) -> Result<[f64; 2]> {
    hold(
        count,
        || Ok(Connection::<Route>::new()?),
        async |connection| Ok(connection.get_link_by_name(PORT).await?.ok_or("no such link")?.ifindex()),
    )
}

fn rtnetlink(count: u32) -> Result<[f64; 2]> {
    hold(count, rtnetlink::connect, async |handle| rtnetlink_look_up(handle).await)
}

fn hold<C>(
    count: u32,
    open: impl Fn() -> Result<C>,
    look_up: impl AsyncFn(&mut C) -> Result<u32>,
) -> Result<[f64; 2]> {
    sys::allow_open_files()?;
    runtime()?.block_on(async {
        // What a process has once is not part of a connection.
        let mut first = open()?;
        found(look_up(&mut first).await?)?;
        let before = anonymous_memory()?;

        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(open()?);
        }
        // Tasks that belong to them have their first turn.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let opened = anonymous_memory()?;

        for connection in &mut connections {
            found(look_up(connection).await?)?;
        }
        let called = anonymous_memory()?;
        let each = |after: u64| {
            let grown = u32::try_from(after.saturating_sub(before))?;
            Result::Ok(f64::from(grown) / f64::from(count))
        };
        Result::Ok([each(opened)?, each(called)?])
    })
}

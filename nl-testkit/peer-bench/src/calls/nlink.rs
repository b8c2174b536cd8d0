//! nlink 0.33.

use std::sync::Arc;

use ::nlink::FdbEntryBuilder;
use ::nlink::netlink::{Connection, Route};
use tokio::runtime::Runtime;

use super::{Change, found, warm_up};
use crate::entry::{IFINDEX_BRIDGE, IFINDEX_PORT, PORT, Tally};
use crate::measure::{Cost, Stopwatch};
use crate::{Result, runtime};

pub(super) fn change_by_index(changes: &[Change]) -> Result<Cost> {
    change(changes, by_index)
}

pub(super) fn change_by_name(changes: &[Change]) -> Result<Cost> {
    change(changes, |change| entry(change).dev(PORT))
}

pub(super) fn tasks(runtime: &Runtime, tasks: Vec<Vec<Change>>) -> Result<Cost> {
    runtime.block_on(async {
        let connection = Arc::new(Connection::<Route>::new()?);
        for change in warm_up() {
            connection.replace_fdb(by_index(change)).await?;
        }
        let watch = Stopwatch::start()?;
        let tasks = tasks.into_iter().map(|changes| {
            let connection = Arc::clone(&connection);
            tokio::spawn(async move {
                for change in changes {
                    connection.replace_fdb(by_index(change)).await?;
                }
                Result::Ok(())
            })
        });
        // All are spawned before the first is awaited.
        for task in tasks.collect::<Vec<_>>() {
            task.await??;
        }
        watch.stop()
    })
}

pub(super) fn list(lists: u32) -> Result<(Cost, Tally)> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        connection.get_fdb_by_index(IFINDEX_BRIDGE).await?;
        let watch = Stopwatch::start()?;
        let mut tally = Tally::default();
        for _ in 0..lists {
            let entries = connection.get_fdb_by_index(IFINDEX_BRIDGE).await?;
            for entry in entries.iter().filter(|entry| entry.is_static()) {
                tally.add(entry.mac());
            }
        }
        Ok((watch.stop()?, tally))
    })
}

pub(super) fn open(calls: u32) -> Result<Cost> {
    runtime()?.block_on(async {
        let watch = Stopwatch::start()?;
        for _ in 0..calls {
            let link = Connection::<Route>::new()?.get_link_by_name(PORT).await?;
            found(link.ok_or("no such link")?.ifindex())?;
        }
        watch.stop()
    })
}

fn change(changes: &[Change], entry: impl Fn(Change) -> FdbEntryBuilder) -> Result<Cost> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        for change in warm_up() {
            connection.replace_fdb(entry(change)).await?;
        }
        let watch = Stopwatch::start()?;
        for change in changes {
            connection.replace_fdb(entry(*change)).await?;
        }
        watch.stop()
    })
}

fn by_index(change: Change) -> FdbEntryBuilder {
    entry(change).ifindex(IFINDEX_PORT)
}

fn entry(change: Change) -> FdbEntryBuilder {
    let entry = FdbEntryBuilder::new(change.mac);
    if change.permanent { entry.permanent() } else { entry.static_() }
}

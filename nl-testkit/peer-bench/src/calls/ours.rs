//! This project's crates.

use futures_util::TryStreamExt as _;
use nl_bridge::fdb::Fdb;
use nl_core::{Connection, Dev, MacAddr, Protocol};
use tokio::runtime::Runtime;

use super::{Change, found, warm_up};
use crate::entry::{IFINDEX_BRIDGE, IFINDEX_PORT, PORT, Tally};
use crate::measure::{Cost, Stopwatch};
use crate::{Result, runtime};

pub(super) fn change_by_index(changes: &[Change]) -> Result<Cost> {
    change(changes, IFINDEX_PORT)
}

pub(super) fn change_by_name(changes: &[Change]) -> Result<Cost> {
    change(changes, PORT)
}

pub(super) fn tasks(runtime: &Runtime, tasks: Vec<Vec<Change>>) -> Result<Cost> {
    runtime.block_on(async {
        let fdb = connect()?;
        for change in warm_up() {
            replace(&fdb, IFINDEX_PORT, change).await?;
        }
        let watch = Stopwatch::start()?;
        let tasks = tasks.into_iter().map(|changes| {
            let fdb = fdb.clone();
            tokio::spawn(async move {
                for change in changes {
                    replace(&fdb, IFINDEX_PORT, change).await?;
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
        let fdb = connect()?;
        let mut tally = Tally::default();
        read(&fdb, &mut tally).await?;
        let watch = Stopwatch::start()?;
        let mut tally = Tally::default();
        for _ in 0..lists {
            read(&fdb, &mut tally).await?;
        }
        Ok((watch.stop()?, tally))
    })
}

pub(super) fn open(calls: u32) -> Result<Cost> {
    runtime()?.block_on(async {
        let watch = Stopwatch::start()?;
        for _ in 0..calls {
            found(Connection::open(Protocol::Route)?.link(PORT).await?.index)?;
        }
        watch.stop()
    })
}

fn connect() -> Result<Fdb> {
    Ok(Fdb::new(Connection::open(Protocol::Route)?))
}

fn change(changes: &[Change], dev: impl Into<Dev> + Copy) -> Result<Cost> {
    runtime()?.block_on(async {
        let fdb = connect()?;
        for change in warm_up() {
            replace(&fdb, dev, change).await?;
        }
        let watch = Stopwatch::start()?;
        for change in changes {
            replace(&fdb, dev, *change).await?;
        }
        watch.stop()
    })
}

async fn replace(fdb: &Fdb, dev: impl Into<Dev>, change: Change) -> Result<()> {
    let entry = fdb.entry(MacAddr::new(change.mac), dev).master();
    if change.permanent { entry.permanent() } else { entry.static_() }.replace().await?;
    Ok(())
}

async fn read(fdb: &Fdb, tally: &mut Tally) -> Result<()> {
    let mut entries = fdb.entries().bridge(IFINDEX_BRIDGE).static_().list().await?;
    while let Some(entry) = entries.try_next().await? {
        tally.add(entry.mac.octets());
    }
    Ok(())
}

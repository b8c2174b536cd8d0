//! rtnetlink 0.24.

use ::rtnetlink::Handle;
use futures_util::TryStreamExt as _;
use netlink_packet_route::neighbour::{NeighbourFlags, NeighbourState};
use tokio::runtime::Runtime;

use super::{Change, found, warm_up};
use crate::entry::{IFINDEX_PORT, PORT, Tally};
use crate::measure::{Cost, Stopwatch};
use crate::rtnetlink::{add_all, connect};
use crate::{Result, runtime};

pub(super) fn change_by_index(changes: &[Change]) -> Result<Cost> {
    change(changes, async |_| Ok(IFINDEX_PORT))
}

/// It takes indices only: a look-up before each change.
pub(super) fn change_by_name(changes: &[Change]) -> Result<Cost> {
    change(changes, look_up)
}

pub(super) fn tasks(runtime: &Runtime, tasks: Vec<Vec<Change>>) -> Result<Cost> {
    runtime.block_on(async {
        let handle = connect()?;
        for change in warm_up() {
            replace(&handle, IFINDEX_PORT, change).await?;
        }
        let watch = Stopwatch::start()?;
        let tasks = tasks.into_iter().map(|changes| {
            let handle = handle.clone();
            tokio::spawn(async move {
                for change in changes {
                    replace(&handle, IFINDEX_PORT, change).await?;
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
        let handle = connect()?;
        add_all(&handle, &mut Tally::default()).await?;
        let watch = Stopwatch::start()?;
        let mut tally = Tally::default();
        for _ in 0..lists {
            add_all(&handle, &mut tally).await?;
        }
        Ok((watch.stop()?, tally))
    })
}

/// The task of a connection ends when the runtime next polls it.
pub(super) fn open(calls: u32) -> Result<Cost> {
    runtime()?.block_on(async {
        let watch = Stopwatch::start()?;
        for _ in 0..calls {
            found(look_up(&connect()?).await?)?;
        }
        watch.stop()
    })
}

/// The index of the link [`PORT`].
pub(crate) async fn look_up(handle: &Handle) -> Result<u32> {
    let mut links = handle.link().get().match_name(PORT).execute();
    Ok(links.try_next().await?.ok_or("no such link")?.header.index)
}

fn change(changes: &[Change], index: impl AsyncFn(&Handle) -> Result<u32>) -> Result<Cost> {
    runtime()?.block_on(async {
        let handle = connect()?;
        for change in warm_up() {
            replace(&handle, IFINDEX_PORT, change).await?;
        }
        let watch = Stopwatch::start()?;
        for change in changes {
            let index = index(&handle).await?;
            replace(&handle, index, *change).await?;
        }
        watch.stop()
    })
}

async fn replace(handle: &Handle, index: u32, change: Change) -> Result<()> {
    let state = if change.permanent { NeighbourState::Permanent } else { NeighbourState::Noarp };
    let entry = handle.neighbours().add_bridge(index, &change.mac).state(state);
    Ok(entry.flags(NeighbourFlags::Controller).replace().execute().await?)
}

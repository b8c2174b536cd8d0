//! Large tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use futures_util::future::join_all;
use nl_bridge::fdb::{Fdb, FdbEntry, FdbVerb};
use nl_core::{Connection, MacAddr, Protocol};
use nl_testkit::{Lab, Node, Result, scaled, within};

const ENTRIES: u32 = 100_000;

fn entries() -> u32 {
    scaled(ENTRIES, 5_000)
}

/// A bridge with this number of static entries on a port.
async fn full_bridge(lab: &Lab) -> Result<(Node, Fdb)> {
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node().clone();
    let fdb = Fdb::new(node.open(|| Connection::open(Protocol::Route)).await?);
    let port = node.index_of("port1").await?;
    let changes = (0..entries()).map(move |number| {
        let [_, b, c, d] = number.to_be_bytes();
        (FdbVerb::Add, FdbEntry::new(MacAddr::new([2, 0x77, 0, b, c, d]), port).master().static_())
    });
    fdb.batch(changes).summarize(1).await?.into_result()?;
    Ok((node, fdb))
}

async fn count(fdb: &Fdb) -> Result<u32> {
    let mut listed = fdb.entries().bridge("br0").static_().list().await?;
    let mut count = 0;
    while listed.try_next().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

#[nl_testkit::test(timeout = 120, serial)]
async fn a_dump_dropped_after_ten_entries_does_not_hold_up_the_next(lab: Lab) -> Result {
    let (_node, fdb) = full_bridge(&lab).await?;
    let mut dropped = fdb.entries().bridge("br0").static_().list().await?;
    for _ in 0..10 {
        assert!(dropped.try_next().await?.is_some());
    }
    drop(dropped);
    // Had the kernel to finish the first one, or were it EBUSY, this would fail or come late in the list.
    let mut next = fdb.entries().bridge("br0").static_().list().await?;
    let first = within(Duration::from_secs(20), next.try_next(), "the first entry of the next dump").await?;
    assert!(first.is_some());
    drop(next);
    assert_eq!(count(&fdb).await?, entries());
    Ok(())
}

#[nl_testkit::test(timeout = 240, serial)]
async fn sixteen_dumps_of_a_large_table_are_all_complete(lab: Lab) -> Result {
    let (_node, fdb) = full_bridge(&lab).await?;
    for counted in join_all((0..16).map(|_| count(&fdb))).await {
        assert_eq!(counted?, entries());
    }
    Ok(())
}

#[nl_testkit::test(timeout = 120, serial)]
async fn a_ticker_keeps_ticking_while_a_large_table_is_listed(lab: Lab) -> Result {
    let (node, fdb) = full_bridge(&lab).await?;
    // On the node's own current-thread runtime, beside the dump.
    let (ticks, took) = node
        .run(move || async move {
            let ticks = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&ticks);
            let ticker = tokio::spawn(async move {
                let mut interval = tokio::time::interval(Duration::from_millis(1));
                loop {
                    interval.tick().await;
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
            let began = Instant::now();
            assert_eq!(count(&fdb).await.unwrap(), entries());
            ticker.abort();
            let _ = ticker.await;
            (ticks.load(Ordering::Relaxed), began.elapsed())
        })
        .await;
    println!("{ticks} ticks in {took:?}");
    // A dump that kept the thread to itself would leave room for two ticks, before and after; missed ticks are made up for.
    let expected = took.as_millis() / 4;
    assert!(ticks > 2 && u128::from(ticks) >= expected, "{ticks} ticks in {took:?}");
    Ok(())
}

//! What watches allocate.

use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_core::{Connection, MacAddr, Protocol};
use nl_events::fdb::{FdbChange, FdbWatch};
use nl_testkit::alloc::Watching;
use nl_testkit::{Lab, Node, Result};

#[global_allocator]
static ALLOCATOR: Watching = Watching::new();

async fn fill(node: &Node, count: u32) -> Result {
    let port = node.index_of("port1").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let requests = (0..count).map(move |number| {
        let [a, b, c, d] = number.to_be_bytes();
        FdbEntry::new(MacAddr::new([2, 0, a, b, c, d]), port).master().static_().request(FdbVerb::Add)
    });
    conn.batch(requests).summarize(1).await?.into_result()?;
    Ok(())
}

/// Reads until the watch is synced.
fn sync(watch: &mut FdbWatch) {
    let synced = watch.into_iter().any(|change| change.unwrap() == FdbChange::Synced);
    assert!(synced, "the watch ended");
}

/// A list of the same table takes nothing but a receive buffer.
#[nl_testkit::test]
async fn first_list_takes_at_most_320_bytes_per_entry(lab: Lab) -> Result {
    const ENTRIES: u32 = 20_000;
    let bridge = lab.bridge("br0", 1).await?;
    fill(bridge.node(), ENTRIES).await?;
    let (entries, bytes) = bridge
        .node()
        .open(|| {
            let conn = Connection::open(Protocol::Route).unwrap();
            let mut watch = FdbWatch::open(&conn).wait().unwrap();
            let bytes = ALLOCATOR.count(|| sync(&mut watch));
            (isize::try_from(watch.len()).unwrap(), bytes)
        })
        .await;
    println!(
        "{entries} entries: {} bytes each at the peak, {} then",
        bytes.peak / entries,
        bytes.kept / entries
    );
    assert!(entries >= 20_000, "{entries}");
    assert!(bytes.peak <= 320 * entries, "{entries} entries: {bytes:?}");
    Ok(())
}

#[nl_testkit::test]
async fn list_after_overrun_takes_at_most_480_bytes_per_entry(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 1).await?;
    fill(bridge.node(), 20_000).await?;
    let port = bridge.node().index_of("port1").await?;
    let (entries, bytes) = bridge
        .node()
        .open(move || {
            let conn = Connection::open(Protocol::Route).unwrap();
            let mut watch = FdbWatch::builder(&conn).receive_buffer(0).open().wait().unwrap();
            sync(&mut watch);
            let changes = (0..100).map(|number| {
                let entry = FdbEntry::new(MacAddr::new([2, 1, 0, 0, 0, number]), port).master().static_();
                entry.request(FdbVerb::Add)
            });
            for change in conn.batch(changes) {
                change.unwrap();
            }
            let bytes = ALLOCATOR.count(|| sync(&mut watch));
            assert!(watch.overruns() > 0, "nothing was lost");
            (isize::try_from(watch.len()).unwrap(), bytes)
        })
        .await;
    println!(
        "{entries} entries: {} bytes each at the peak, {} then",
        bytes.peak / entries,
        bytes.kept / entries
    );
    assert!(entries >= 20_100, "{entries}");
    // Beside the old table.
    assert!(bytes.peak <= 480 * entries, "{entries} entries: {bytes:?}");
    assert!(bytes.kept <= 16 * entries, "{entries} entries: {bytes:?}");
    Ok(())
}

/// With a connection of its own, which keeps a socket for the next list.
#[nl_testkit::test]
async fn idle_watch_of_12_entries_takes_at_most_24_kib(lab: Lab) -> Result {
    const WATCHES: isize = 100;
    let bridge = lab.bridge("br0", 1).await?;
    fill(bridge.node(), 12).await?;
    let each = bridge
        .node()
        .open(|| {
            let open = || {
                let conn = Connection::open(Protocol::Route).unwrap();
                let mut watch = FdbWatch::builder(&conn).bridge("br0").open().wait().unwrap();
                sync(&mut watch);
                assert!(watch.len() >= 12, "{}", watch.len());
                watch
            };
            // What a thread has once is not part of a watch.
            let _first = open();
            let mut watches = Vec::new();
            let bytes = ALLOCATOR.count(|| watches.extend((0..WATCHES).map(|_| open())));
            bytes.kept / WATCHES
        })
        .await;
    println!("{each} bytes an idle watch");
    assert!(each <= 24 * 1024, "{each} bytes each");
    Ok(())
}

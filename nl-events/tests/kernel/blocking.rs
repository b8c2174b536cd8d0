//! Watches and streams without a runtime.

use std::thread;

use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_core::netns::Netns;
use nl_core::{Connection, MacAddr, Protocol};
use nl_events::fdb::{FdbChange, FdbEvent, FdbWatch};
use nl_events::report::Reports;
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::{Lab, Result};

fn mac(number: u16) -> MacAddr {
    let [high, low] = number.to_be_bytes();
    MacAddr::new([2, 0, 0, 0, high, low])
}

fn add(conn: &Connection, port: u32, number: u16) {
    conn.ack(FdbEntry::new(mac(number), port).master().static_().request(FdbVerb::Add)).wait().unwrap();
}

#[nl_testkit::test]
async fn watch_and_events_wait_on_a_thread_without_a_runtime(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 1).await?;
    let port = bridge.node().index_of("port1").await?;
    let netns = Netns::fd(bridge.node().netns_fd())?;
    let thread = thread::spawn(move || {
        let conn = Connection::builder(Protocol::Route).netns(&netns).open().unwrap();
        let mut events = Events::builder().netns(&netns).source(Source::FDB).open().unwrap();
        let mut watch = FdbWatch::builder(&conn).bridge("br0").open().wait().unwrap();
        let synced =
            watch.into_iter().map(std::result::Result::unwrap).any(|change| change == FdbChange::Synced);
        assert!(synced, "the watch ended");

        let adder = conn.clone();
        // While this thread waits.
        let adding = thread::spawn(move || add(&adder, port, 7));
        let added = watch.into_iter().map(std::result::Result::unwrap).any(
            |change| matches!(change, FdbChange::Added(entry) if entry.mac == mac(7) && entry.index == port),
        );
        assert!(added, "the watch ended");
        let reported = events
            .into_iter()
            .map(std::result::Result::unwrap)
            .any(|event| matches!(event, NetworkEvent::Fdb(FdbEvent::New(entry)) if entry.mac == mac(7)));
        assert!(reported, "the stream ended");
        adding.join().unwrap();
    });
    join(thread).await;
    Ok(())
}

/// The list of a watch used to fail without /proc, and the watch then reported an empty table as synced.
#[nl_testkit::test]
async fn overrun_watch_syncs_completely_after_chroot(lab: Lab) -> Result {
    const ADDED: u16 = 5_000;
    let bridge = lab.bridge("br0", 1).await?;
    let port = bridge.node().index_of("port1").await?;
    let netns = Netns::fd(bridge.node().netns_fd())?;
    let thread = thread::spawn(move || {
        let conn = Connection::builder(Protocol::Route).netns(&netns).open().unwrap();
        let mut watch = FdbWatch::builder(&conn).bridge("br0").receive_buffer(0).open().wait().unwrap();
        let synced =
            watch.into_iter().map(std::result::Result::unwrap).any(|change| change == FdbChange::Synced);
        assert!(synced, "the watch ended");
        let before = watch.len();
        // The list's socket would be reused, but now another list occupies it.
        let mut occupied = conn.links().into_iter();
        occupied.next().unwrap().unwrap();
        nl_testkit::in_empty_root(|| {
            let requests = (0..ADDED)
                .map(move |number| FdbEntry::new(mac(number), port).master().static_().request(FdbVerb::Add));
            for result in conn.batch(requests) {
                result.unwrap();
            }
            for change in &mut watch {
                match change.unwrap() {
                    FdbChange::Synced => break,
                    FdbChange::Deleted(entry) => panic!("deleted, although it exists: {entry}"),
                    _ => {}
                }
            }
        })
        .unwrap();
        assert_eq!((watch.overruns(), watch.len()), (1, before + usize::from(ADDED)));
    });
    join(thread).await;
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn reports_wait_on_a_thread_without_a_runtime(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let netns = Netns::fd(node.netns_fd())?;
    let mut reports = Reports::builder().source(Source::IPV4_RULE).namespace("blue", &netns).open()?;
    let thread = thread::spawn(move || {
        let report = (&mut reports).into_iter().next().unwrap().unwrap();
        assert_eq!(report.place.to_string(), "[blue]");
        assert!(matches!(report.outcome, Ok(NetworkEvent::Rule(_))), "{report:?}");
    });
    node.ip("rule add pref 9 table 9").await;
    join(thread).await;
    Ok(())
}

async fn join(thread: thread::JoinHandle<()>) {
    if let Err(panic) = tokio::task::spawn_blocking(move || thread.join()).await.unwrap() {
        std::panic::resume_unwind(panic);
    }
}

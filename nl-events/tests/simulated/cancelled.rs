//! `next()` of a watch and of a stream, dropped wherever it waits: nothing is lost, and nothing is reported twice.

use std::io;
use std::os::fd::OwnedFd;

use futures_util::StreamExt;
use nl_events::fdb::{FdbEvent, FdbWatch};
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::cancel::dropped_after;
use nl_testkit::fault::{Delivery, Peer};
use nl_testkit::within;
use tokio::sync::mpsc;

use crate::support::{
    DEADLINE, Fdb, Kernel, RTM_DELNEIGH, RTM_NEWNEIGH, apply, before, kernel, message, plain,
    with_sockets_of_their_own,
};

/// The next item, asked for again and again with a limited number of polls each time. A future that is dropped while it waits wakes nobody, hence
/// the turns for others.
macro_rules! patiently {
    ($stream:expr, $polls:expr) => {
        loop {
            if let Some(item) = dropped_after($polls, $stream.next()).await {
                break item;
            }
            tokio::task::yield_now().await;
        }
    };
}

/// Applies the changes until the watch is synced.
async fn follow(watch: &mut FdbWatch, table: &mut Fdb, polls: usize, what: &str) {
    let synced = async {
        loop {
            let change = patiently!(watch, polls).unwrap();
            if apply(table, change.unwrap_or_else(|error| panic!("{what}: {error}")), what) {
                return;
            }
        }
    };
    within(DEADLINE, synced, what).await;
}

#[tokio::test]
async fn watch_whose_next_is_dropped_at_every_await_has_the_kernels_table() {
    for lists in [plain(), with_sockets_of_their_own()] {
        for polls in 1..=8 {
            let what = format!("a watch that is dropped after {polls} polls");
            let Kernel { fdb, conn, mut monitors, .. } = kernel(lists.clone());
            let mut watch = FdbWatch::open(&conn).await.unwrap();
            let monitor = monitors.recv().await.unwrap();
            let mut table = Fdb::new();
            follow(&mut watch, &mut table, polls, &what).await;
            assert_eq!(table, before(), "{what}");

            // By an event each, in order.
            fdb.lock().unwrap().insert(4, 12);
            fdb.lock().unwrap().remove(&2);
            monitor.answer(&message(RTM_NEWNEIGH, 4, 12)).await.unwrap();
            monitor.answer(&message(RTM_DELNEIGH, 2, 11)).await.unwrap();
            for _ in 0..2 {
                let change = within(DEADLINE, async { patiently!(watch, polls) }, &what).await.unwrap();
                assert!(!apply(&mut table, change.unwrap(), &what), "{what}");
            }
            assert_eq!(table, *fdb.lock().unwrap(), "{what}");

            // By a list, with what an overrun hid.
            fdb.lock().unwrap().insert(1, 12);
            fdb.lock().unwrap().remove(&3);
            monitor.deliver(&Delivery::OVERRUN).await.unwrap();
            follow(&mut watch, &mut table, polls, &what).await;
            assert_eq!(table, *fdb.lock().unwrap(), "{what}");
            assert_eq!(watch.overruns(), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn stream_whose_next_is_dropped_at_every_await_has_each_event_once() {
    const EVENTS: u8 = 20;
    for polls in 1..=4 {
        let (sender, mut monitors) = mpsc::unbounded_channel();
        let source = move || -> io::Result<OwnedFd> {
            let (socket, peer) = Peer::pair()?;
            sender.send(peer).map_err(io::Error::other)?;
            Ok(socket)
        };
        let mut events = Events::builder().source(Source::FDB).sockets_from(source).open().unwrap();
        let monitor = monitors.recv().await.unwrap();
        let send = async {
            for number in 1..=EVENTS {
                monitor.answer(&message(RTM_NEWNEIGH, number, 11)).await.unwrap();
                if number == EVENTS / 2 {
                    monitor.deliver(&Delivery::OVERRUN).await.unwrap();
                }
            }
        };
        let read = async {
            let mut read = Vec::new();
            for _ in 0..=EVENTS {
                read.push(match patiently!(events, polls).unwrap() {
                    Ok(NetworkEvent::Fdb(FdbEvent::New(entry))) => Some(entry.mac.octets()[5]),
                    Err(error) if error.is_overrun() => None,
                    other => panic!("{other:?}"),
                });
            }
            read
        };
        let what = format!("the events of a stream that is dropped after {polls} polls");
        let ((), read) = within(DEADLINE, async { tokio::join!(send, read) }, &what).await;
        let half = EVENTS / 2;
        let expected: Vec<_> =
            (1..=half).map(Some).chain([None]).chain((half + 1..=EVENTS).map(Some)).collect();
        assert_eq!(read, expected, "{what}");
    }
}

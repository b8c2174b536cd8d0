//! A simulated kernel loses events at every point; the watch ends with the kernel's table all the same.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::{FutureExt, StreamExt};
use nl_events::fdb::{FdbEvent, FdbWatch};
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::fault::{Delivery, Fault, Peer};
use nl_testkit::within;
use tokio::sync::mpsc;

use crate::support::{
    DEADLINE, Fdb, Kernel, Lists, RTM_DELNEIGH, RTM_NEWNEIGH, apply, before, follow, kernel, message, plain,
};

/// The changes in the kernel: an address is added, moves, or is deleted.
const HISTORY: [(u8, Option<u32>); 6] =
    [(4, Some(11)), (1, Some(12)), (2, None), (5, Some(12)), (4, None), (3, Some(12))];

#[tokio::test]
async fn table_recovers_from_events_lost_at_any_point() {
    for lost_from in 0..HISTORY.len() {
        for lost in 1..=HISTORY.len() - lost_from {
            let what = format!("{lost} events lost from {lost_from} on");
            let Kernel { fdb, conn, mut monitors, .. } = kernel(plain());
            let mut watch = FdbWatch::open(&conn).await.unwrap();
            let monitor = monitors.recv().await.unwrap();
            let mut table = Fdb::new();
            follow(&mut watch, &mut table, &what).await;
            assert_eq!(table, before(), "{what}");
            for (number, (mac, port)) in HISTORY.into_iter().enumerate() {
                let gone = match port {
                    Some(port) => fdb.lock().unwrap().insert(mac, port),
                    None => fdb.lock().unwrap().remove(&mac),
                };
                let event = match port {
                    Some(port) => message(RTM_NEWNEIGH, mac, port),
                    None => message(RTM_DELNEIGH, mac, gone.unwrap()),
                };
                if number == lost_from {
                    monitor.deliver(&Delivery::OVERRUN).await.unwrap();
                } else if !(lost_from..lost_from + lost).contains(&number) {
                    monitor.answer(&event).await.unwrap();
                    // The watch reads it before the next one is sent, except for events around an overrun.
                    if number < lost_from {
                        let change = within(DEADLINE, watch.next(), &what).await.unwrap().unwrap();
                        assert!(!apply(&mut table, change, &what), "{what}");
                    }
                }
            }
            follow(&mut watch, &mut table, &what).await;
            assert_eq!(watch.overruns(), 1, "{what}");
            let kernels = fdb.lock().unwrap().clone();
            assert_eq!(table, kernels, "{what}");
            let kept: Fdb = watch.entries().map(|entry| (entry.mac.octets()[5], entry.index)).collect();
            assert_eq!(kept, kernels, "{what}");
        }
    }
}

#[tokio::test]
async fn failed_list_is_reported_and_repeated() {
    let length = before().len() + 1;
    for delivery in 0..length {
        let what = format!("the first list lost its message {delivery}");
        let lists: Lists = Arc::new(move |number, list| match number {
            0 => list.with(Fault::Overrun { delivery }).unwrap(),
            _ => list,
        });
        let Kernel { conn, mut monitors, .. } = kernel(lists);
        let mut watch = FdbWatch::open(&conn).await.unwrap();
        let _monitor = monitors.recv().await.unwrap();
        let reported = within(DEADLINE, watch.next(), &what).await.unwrap();
        assert!(reported.as_ref().is_err_and(nl_core::Error::is_overrun), "{what}: {reported:?}");
        let mut table = Fdb::new();
        follow(&mut watch, &mut table, &what).await;
        assert_eq!(table, before(), "{what}");
    }
}

/// vishvananda/netlink#773: events that fill the buffer before the first list. What is queued then may be older than what was lost.
#[tokio::test]
async fn events_lost_before_the_first_list_cost_no_second_list_and_invent_nothing() {
    let Kernel { conn, mut monitors, lists, .. } = kernel(plain());
    let mut watch = FdbWatch::open(&conn).await.unwrap();
    let monitor = monitors.recv().await.unwrap();
    // That it was deleted again is lost.
    monitor.answer(&message(RTM_NEWNEIGH, 9, 11)).await.unwrap();
    monitor.deliver(&Delivery::OVERRUN).await.unwrap();
    let mut table = Fdb::new();
    follow(&mut watch, &mut table, "the first list").await;
    assert_eq!(table, before());
    assert_eq!((watch.overruns(), lists.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn many_requests_to_list_again_are_one_list() {
    let Kernel { conn, mut monitors, lists, .. } = kernel(plain());
    let mut watch = FdbWatch::open(&conn).await.unwrap();
    let _monitor = monitors.recv().await.unwrap();
    // Before the first list, and after it.
    let mut table = Fdb::new();
    for expected in 1..=2 {
        (0..10).for_each(|_| watch.resync());
        follow(&mut watch, &mut table, "the list").await;
        assert_eq!(lists.load(Ordering::SeqCst), expected);
    }
    // A watch of one device asks for the device first; requests that come meanwhile are answered by the list that follows.
    let mut watch = FdbWatch::builder(&conn).dev(11).open().await.unwrap();
    assert!(watch.next().now_or_never().is_none());
    (0..10).for_each(|_| watch.resync());
    follow(&mut watch, &mut Fdb::new(), "the list of a device").await;
    assert_eq!(lists.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn watch_ends_with_an_error_when_events_end() {
    let Kernel { conn, mut monitors, .. } = kernel(plain());
    let mut watch = FdbWatch::open(&conn).await.unwrap();
    let monitor = monitors.recv().await.unwrap();
    follow(&mut watch, &mut Fdb::new(), "the first list").await;
    drop(monitor);
    let rest: Vec<_> = within(DEADLINE, watch.collect(), "the end").await;
    assert!(matches!(rest.as_slice(), [Err(_)]), "{rest:?}");
}

#[tokio::test]
async fn event_stream_reports_overrun_and_continues() {
    let (sender, mut monitors) = mpsc::unbounded_channel();
    let source = move || -> io::Result<OwnedFd> {
        let (socket, peer) = Peer::pair()?;
        sender.send(peer).map_err(io::Error::other)?;
        Ok(socket)
    };
    let mut events = Events::builder().source(Source::FDB).sockets_from(source).open().unwrap();
    let monitor = monitors.recv().await.unwrap();
    monitor.answer(&message(RTM_NEWNEIGH, 1, 11)).await.unwrap();
    monitor.deliver(&Delivery::OVERRUN).await.unwrap();
    monitor.answer(&message(RTM_DELNEIGH, 2, 12)).await.unwrap();
    let mut reported = Vec::new();
    for _ in 0..3 {
        reported.push(match within(DEADLINE, events.next(), "an event").await.unwrap() {
            Ok(NetworkEvent::Fdb(event)) => {
                Some((event.entry().mac.octets()[5], matches!(event, FdbEvent::New(_))))
            }
            Err(error) if error.is_overrun() => None,
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(reported, [Some((1, true)), None, Some((2, false))]);
}

//! Watches and streams that are polled on one runtime and then on another, or on none.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::{Stream, StreamExt};
use nl_events::fdb::{FdbChange, FdbWatch};
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::fault::{Conversation, Peer};
use nl_testkit::within;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::support::{DEADLINE, Fdb, Kernel, Lists, RTM_NEWNEIGH, before, follow, kernel, message, plain};

/// Polls that are more than enough to see an error that is repeated for ever.
const MANY: usize = 10_000;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// For the simulated kernel.
fn background() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Polls once.
fn poll<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

/// Polls until the stream waits for something.
async fn settle<S: Stream + Unpin>(stream: &mut S) {
    std::future::poll_fn(|cx| match Pin::new(&mut *stream).poll_next(cx) {
        Poll::Ready(_) => panic!("the stream does not wait"),
        Poll::Pending => Poll::Ready(()),
    })
    .await;
}

/// The number of errors that a stream yields before it ends, or within a fixed number of polls.
fn errors<T, S: Stream<Item = nl_core::Result<T>> + Unpin>(stream: &mut S) -> (usize, bool) {
    let mut errors = 0;
    for _ in 0..MANY {
        match poll(stream) {
            Poll::Ready(Some(Err(_))) => errors += 1,
            Poll::Ready(None) => return (errors, true),
            _ => {}
        }
    }
    (errors, false)
}

#[test]
fn idle_watch_continues_after_runtime_shutdown() {
    let kernels = background();
    let Kernel { conn, mut monitors, .. } = kernels.block_on(async { kernel(plain()) });
    let first = runtime();
    let mut watch = first.block_on(async { FdbWatch::open(&conn).await.unwrap() });
    let monitor = monitors.blocking_recv().unwrap();
    first.block_on(async {
        follow(&mut watch, &mut Fdb::new(), "the first list").await;
        settle(&mut watch).await;
    });
    drop(first);
    for mac in [10, 11] {
        let next = runtime();
        next.block_on(settle(&mut watch));
        kernels.block_on(monitor.answer(&message(RTM_NEWNEIGH, mac, 11))).unwrap();
        let change = next.block_on(within(DEADLINE, watch.next(), "an event")).unwrap().unwrap();
        assert!(matches!(&change, FdbChange::Added(entry) if entry.mac.octets()[5] == mac), "{change:?}");
    }
}

/// The list's answer is missing while the runtime is shut down, and its time limit has begun.
#[test]
fn listing_watch_continues_after_runtime_shutdown() {
    let kernels = background();
    let silent: Lists = Arc::new(|number, list| match number {
        0 => Conversation::of([]),
        _ => list,
    });
    let Kernel { conn, mut monitors, .. } = kernels.block_on(async { kernel(silent) });
    // The limit of the silent list, after which it is repeated.
    let conn = conn.with_timeout(std::time::Duration::from_millis(50));
    let first = runtime();
    let mut watch = first.block_on(async { FdbWatch::open(&conn).await.unwrap() });
    let _monitor = monitors.blocking_recv().unwrap();
    first.block_on(settle(&mut watch));
    drop(first);
    runtime().block_on(async {
        let error = within(DEADLINE, watch.next(), "the time limit").await.unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error}");
        let mut table = Fdb::new();
        follow(&mut watch, &mut table, "the second list").await;
        assert_eq!(table, before());
    });
}

/// The pause before a listing is repeated does not depend on the runtime either.
#[test]
fn pausing_watch_continues_after_runtime_shutdown() {
    let kernels = background();
    let Kernel { conn, mut monitors, refuse, .. } = kernels.block_on(async { kernel(plain()) });
    refuse.store(libc::EMFILE, std::sync::atomic::Ordering::Relaxed);
    let first = runtime();
    let mut watch = first.block_on(async { FdbWatch::open(&conn).await.unwrap() });
    let _monitor = monitors.blocking_recv().unwrap();
    first.block_on(async {
        assert!(watch.next().await.unwrap().is_err());
        settle(&mut watch).await;
    });
    drop(first);
    refuse.store(0, std::sync::atomic::Ordering::Relaxed);
    let mut table = Fdb::new();
    runtime().block_on(follow(&mut watch, &mut table, "the second list"));
    assert_eq!(table, before());
}

#[test]
fn watch_without_a_runtime_ends_after_one_error() {
    let kernels = background();
    let Kernel { conn, mut monitors, .. } = kernels.block_on(async { kernel(plain()) });
    let mut watch = runtime().block_on(async { FdbWatch::open(&conn).await.unwrap() });
    let _monitor = monitors.blocking_recv().unwrap();
    assert_eq!(errors(&mut watch), (1, true));
}

#[test]
fn watch_on_a_runtime_that_lacks_time_or_io_ends_after_one_error() {
    let builders: [fn(&mut Builder) -> &mut Builder; 2] = [Builder::enable_io, Builder::enable_time];
    for enable in builders {
        let kernels = background();
        let silent: Lists = Arc::new(|_, _| Conversation::of([]));
        let Kernel { conn, mut monitors, .. } = kernels.block_on(async { kernel(silent) });
        let mut watch = runtime().block_on(async { FdbWatch::open(&conn).await.unwrap() });
        let _monitor = monitors.blocking_recv().unwrap();
        let lacking = enable(&mut Builder::new_current_thread()).build().unwrap();
        let outcome = lacking.block_on(async { errors(&mut watch) });
        assert_eq!(outcome, (1, true));
    }
}

#[test]
fn watch_on_a_runtime_that_was_shut_down_ends_after_one_error() {
    let kernels = background();
    let Kernel { conn, mut monitors, .. } = kernels.block_on(async { kernel(plain()) });
    let first = runtime();
    let mut watch = first.block_on(async { FdbWatch::open(&conn).await.unwrap() });
    let _monitor = monitors.blocking_recv().unwrap();
    first.block_on(follow(&mut watch, &mut Fdb::new(), "the first list"));
    let handle = first.handle().clone();
    drop(first);
    let _entered = handle.enter();
    assert_eq!(errors(&mut watch), (1, true));
}

#[test]
fn event_stream_continues_after_runtime_shutdown() {
    let kernels = background();
    let (sender, mut monitors) = mpsc::unbounded_channel();
    let handle = kernels.handle().clone();
    let source = move || -> io::Result<OwnedFd> {
        let _entered = handle.enter();
        let (socket, peer) = Peer::pair()?;
        sender.send(peer).map_err(io::Error::other)?;
        Ok(socket)
    };
    let mut events = Events::builder().source(Source::FDB).sockets_from(source).open().unwrap();
    let monitor = monitors.blocking_recv().unwrap();
    for mac in 1..4 {
        let next = runtime();
        next.block_on(settle(&mut events));
        kernels.block_on(monitor.answer(&message(RTM_NEWNEIGH, mac, 11))).unwrap();
        let event = next.block_on(within(DEADLINE, events.next(), "an event")).unwrap().unwrap();
        assert!(
            matches!(&event, NetworkEvent::Fdb(event) if event.entry().mac.octets()[5] == mac),
            "{event:?}"
        );
    }
    assert_eq!(errors(&mut events), (1, true));
}

#[test]
fn futures_and_streams_can_be_sent_to_other_threads() {
    fn assert_send<T: Send>(_: &T) {}
    let kernels = background();
    let Kernel { conn, monitors: _monitors, .. } = kernels.block_on(async { kernel(plain()) });
    let opening = FdbWatch::open(&conn);
    assert_send(&opening);
    let watch = runtime().block_on(opening).unwrap();
    assert_send(&watch);
    let mut watch = watch;
    assert_send(&watch.next());
}

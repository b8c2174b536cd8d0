//! Answers that are not ready when a request was sent: who waits, for how long, and in which runtime.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt, poll};
use nl_core::link::Link;
use nl_core::monitor::Monitor;
use nl_core::{Connection, Protocol};
use nl_testkit::fault::{Answer, Conversation, Peer};
use nl_testkit::within;
use tokio::runtime::{Builder, Runtime};

use crate::{DEADLINE, NAMES, change, link, only, played, table};

fn connection(socket: OwnedFd) -> Connection {
    Connection::builder(Protocol::Route).sockets_from(only(socket)).timeout(DEADLINE).open().unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn asked(peer: &Peer) -> Vec<u8> {
    peer.asked().await.unwrap().unwrap().only().unwrap().to_vec()
}

#[tokio::test]
async fn a_late_answer_is_a_timeout_and_the_next_request_is_answered() {
    let (socket, peer) = Peer::pair().unwrap();
    let conn = connection(socket);
    let error = conn.with_timeout(Duration::from_millis(20)).link("lo").await.unwrap_err();
    assert!(error.is_timeout() && !error.is_not_found(), "{error:?}");
    assert_eq!(error.to_string(), "get link lo: no answer within 20ms");
    let late = asked(&peer).await;
    peer.answer(&link("lo", &late)).await.unwrap();
    peer.answer(&Answer::ack(&late)).await.unwrap();
    let next = async {
        let request = asked(&peer).await;
        peer.answer(&link("lo", &request)).await.unwrap();
        peer.answer(&Answer::ack(&request)).await.unwrap();
    };
    let (link, ()) =
        within(DEADLINE, async { tokio::join!(conn.link("lo"), next) }, "the next request").await;
    assert_eq!(link.unwrap().name, "lo");
}

#[tokio::test]
async fn a_dump_that_is_not_answered_times_out() {
    let conn = played(|_, _| std::iter::empty().collect());
    let dump = conn.with_timeout(Duration::from_millis(20)).links().collect_all();
    let error = within(DEADLINE, dump, "the time limit").await.unwrap_err();
    assert_eq!(error.to_string(), "list links: no answer within 20ms");
}

#[tokio::test]
async fn without_a_limit_an_answer_is_waited_for() {
    for limit in [None, Some(Duration::MAX)] {
        let (socket, peer) = Peer::pair().unwrap();
        let conn = connection(socket).with_timeout(limit);
        let mut pending = pin!(conn.ack(change("x")));
        assert!(poll!(pending.as_mut()).is_pending());
        peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap();
        within(DEADLINE, pending, "the answer").await.unwrap();
        let mut pending = pin!(conn.ack(change("x")).timeout(Duration::MAX));
        assert!(poll!(pending.as_mut()).is_pending());
        peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap();
        within(DEADLINE, pending, "the answer").await.unwrap();
    }
}

#[tokio::test]
async fn without_a_limit_a_list_and_a_batch_are_waited_for() {
    for limit in [None, Some(Duration::MAX)] {
        // The peer answers in a task of its own, so the first poll finds nothing.
        let conn = played(|_, request| table(request)).with_timeout(limit);
        let links = within(DEADLINE, conn.links().collect_all(), "the list").await.unwrap();
        assert_eq!(links.len(), NAMES.len());
        let conn = played(|_, request| Conversation::of([Answer::ack(request)])).with_timeout(limit);
        let done = within(DEADLINE, conn.batch([change("x")]).summarize(1), "the batch").await;
        assert_eq!(done.unwrap().into_result().unwrap(), 1);
    }
}

/// A consumer that is busy elsewhere for longer than the limit.
#[tokio::test]
async fn an_answer_that_is_there_is_no_timeout_however_late_it_is_taken() {
    const LIMIT: Duration = Duration::from_millis(20);
    let (socket, peer) = Peer::pair().unwrap();
    let (first, second) = (socket.try_clone().unwrap(), socket);
    let sockets = std::sync::Mutex::new(vec![second, first]);
    let conn = Connection::builder(Protocol::Route)
        .sockets_from(move || Ok(sockets.lock().unwrap().pop().unwrap()))
        .timeout(LIMIT)
        .open()
        .unwrap();
    let mut links = conn.links();
    let mut first = pin!(links.next());
    assert!(poll!(first.as_mut()).is_pending());
    let request = asked(&peer).await;
    peer.answer(&link("a", &request)).await.unwrap();
    assert_eq!(within(DEADLINE, first, "the first entry").await.unwrap().unwrap().name, "a");
    {
        let mut second = pin!(links.next());
        // The limit begins here, and is over when the answer is taken.
        assert!(poll!(second.as_mut()).is_pending());
    }
    peer.answer(&link("b", &request)).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(LIMIT * 3).await;
    tokio::time::resume();
    assert_eq!(links.next().await.unwrap().unwrap().name, "b");
}

#[tokio::test]
async fn when_the_caller_that_waits_for_the_socket_is_dropped_another_takes_over() {
    const CALLERS: usize = 5;
    for dropped in 0..CALLERS {
        let (socket, peer) = Peer::pair().unwrap();
        let conn = connection(socket);
        let mut callers: Vec<_> = (0..CALLERS).map(|_| Box::pin(conn.ack(change("x")))).collect();
        for caller in &mut callers {
            // The last to be polled is the one that the socket wakes.
            assert!(poll!(caller.as_mut()).is_pending());
        }
        // As tasks, each with a waker of its own.
        let gone = callers.remove(dropped);
        let rest: Vec<_> = callers.into_iter().map(tokio::spawn).collect();
        tokio::task::yield_now().await;
        drop(gone);
        for _ in 0..CALLERS {
            peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap();
        }
        for outcome in within(DEADLINE, join_all(rest), "the others").await {
            outcome.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn each_caller_gets_its_own_verdict_whatever_the_order() {
    // No more than are in flight at a time.
    const CALLERS: usize = 20;
    let (socket, peer) = Peer::pair().unwrap();
    let conn = connection(socket);
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(conn.ack(change("x")))).collect();
    let mut requests = Vec::new();
    for _ in 0..CALLERS {
        requests.push(asked(&peer).await);
    }
    for (number, request) in requests.iter().enumerate().rev() {
        let answer = match number % 3 {
            0 => Answer::error(libc::EEXIST, request),
            _ => Answer::ack(request),
        };
        peer.answer(&answer).await.unwrap();
    }
    for (number, outcome) in within(DEADLINE, join_all(callers), "all").await.into_iter().enumerate() {
        let outcome = outcome.unwrap();
        assert_eq!(outcome.is_err(), number % 3 == 0, "{number}: {outcome:?}");
    }
}

/// More callers than the receive buffer has room for answers wait for their turn, and one that leaves the queue harms none.
#[tokio::test]
async fn callers_beyond_the_window_are_served_in_turn() {
    const CALLERS: usize = 1000;
    let (socket, peer) = Peer::pair().unwrap();
    let conn = connection(socket);
    let mut callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(conn.ack(change("x")))).collect();
    tokio::task::yield_now().await;
    for gone in callers.drain(500..520) {
        gone.abort();
    }
    let served = async {
        let mut served = 0;
        while served < CALLERS - 20 {
            peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap();
            served += 1;
        }
    };
    let (outcomes, ()) =
        within(DEADLINE, async { tokio::join!(join_all(callers), served) }, "all callers").await;
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().is_ok()));
}

#[test]
fn a_connection_outlives_the_runtime_it_waited_in() {
    let (ours, theirs) = socketpair();
    let conn = connection(ours);
    for _ in 0..3 {
        let runtime = runtime();
        let theirs = theirs.try_clone().unwrap();
        let conn = conn.clone();
        runtime.block_on(async move {
            let peer = Peer::over(theirs).unwrap();
            let kernel = async { peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap() };
            let (outcome, ()) =
                within(DEADLINE, async { tokio::join!(conn.ack(change("x")), kernel) }, "an answer").await;
            outcome.unwrap();
        });
        // It ends here, with the socket registered.
    }
}

#[test]
fn a_monitor_outlives_the_runtime_it_waited_in() {
    let (ours, theirs) = socketpair();
    let mut monitor = Monitor::builder(Protocol::Route)
        .sockets_from(only(ours))
        .open(|message| Ok(Some(Link::decode(message)?.name)))
        .unwrap();
    for name in NAMES {
        runtime().block_on(async {
            let peer = Peer::over(theirs.try_clone().unwrap()).unwrap();
            assert!(monitor.next().now_or_never().is_none());
            peer.answer(&link(name, &[0; 16])).await.unwrap();
            let event = within(DEADLINE, monitor.next(), "an event").await;
            assert_eq!(event.unwrap().unwrap(), name);
        });
    }
}

/// A runtime that nobody drives wakes nobody.
#[test]
fn what_waited_in_a_runtime_goes_on_in_another_while_the_first_rests() {
    let (ours, theirs) = socketpair();
    let mut monitor = Monitor::builder(Protocol::Route)
        .sockets_from(only(ours))
        .open(|message| Ok(Some(Link::decode(message)?.name)))
        .unwrap();
    let (requests, kernel) = socketpair();
    let conn = connection(requests);
    let runtimes = [runtime(), runtime()];
    for (name, runtime) in NAMES.iter().zip(runtimes.iter().cycle()) {
        runtime.block_on(async {
            let peer = Peer::over(theirs.try_clone().unwrap()).unwrap();
            assert!(monitor.next().now_or_never().is_none());
            peer.answer(&link(name, &[0; 16])).await.unwrap();
            let event = within(DEADLINE, monitor.next(), "an event").await;
            assert_eq!(event.unwrap().unwrap(), *name);

            let peer = Peer::over(kernel.try_clone().unwrap()).unwrap();
            let mut request = pin!(conn.ack(change(name)));
            assert!(poll!(request.as_mut()).is_pending());
            peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap();
            within(DEADLINE, request, "the answer").await.unwrap();
        });
    }
}

/// Each of them waits where it is, although they share the socket.
#[test]
fn requests_of_two_runtimes_at_once_are_both_answered() {
    let (ours, theirs) = socketpair();
    let conn = connection(ours);
    let ready = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        let callers = [0, 1].map(|_| {
            scope.spawn(|| {
                runtime().block_on(async {
                    let mut request = pin!(conn.ack(change("x")));
                    assert!(poll!(request.as_mut()).is_pending());
                    ready.wait();
                    within(DEADLINE, request, "the answer").await
                })
            })
        });
        ready.wait();
        runtime().block_on(async {
            let peer = Peer::over(theirs).unwrap();
            for _ in 0..2 {
                peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap();
            }
        });
        for caller in callers {
            caller.join().unwrap().unwrap();
        }
    });
}

#[test]
fn waiting_without_a_runtime_is_an_error_that_says_what_to_do() {
    let (ours, theirs) = socketpair();
    let error = connection(ours).ack(change("x")).now_or_never().unwrap().unwrap_err();
    drop(theirs);
    assert!(error.is_usage(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("tokio runtime") && text.contains("blocking"), "{text}");
}

#[test]
fn a_runtime_without_io_or_time_is_an_error_that_says_what_to_enable() {
    for (io, time, missing) in [(false, true, "enable_io"), (true, false, "enable_time")] {
        let mut builder = Builder::new_current_thread();
        if io {
            builder.enable_io();
        }
        if time {
            builder.enable_time();
        }
        let runtime = builder.build().unwrap();
        let (ours, theirs) = socketpair();
        let sockets = std::sync::Mutex::new(vec![ours.try_clone().unwrap(), ours]);
        let conn = Connection::builder(Protocol::Route)
            .sockets_from(move || Ok(sockets.lock().unwrap().pop().unwrap()))
            .open()
            .unwrap();
        let error = runtime.block_on(conn.ack(change("x"))).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(missing), "{error}");
        let error = runtime.block_on(conn.links().next()).unwrap().unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(missing), "{error}");
        drop(theirs);
    }
}

/// Its socket has an address of another family, in which nothing is a port.
#[tokio::test]
async fn a_simulated_kernel_behind_a_named_listener_is_believed() {
    let folder = std::env::temp_dir().join(format!("nl-core-listener-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("kernel");
    let (ours, theirs) = nl_testkit::fault::connected(&path).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let conn = connection(ours);
    let peer = Peer::over(theirs).unwrap();
    let kernel = async { peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap() };
    let both = async { tokio::join!(conn.ack(change("x")), kernel) };
    within(DEADLINE, both, "an answer").await.0.unwrap();
}

#[test]
fn a_future_that_is_never_polled_sends_nothing() {
    let (ours, theirs) = socketpair();
    let conn = connection(ours);
    drop(conn.ack(change("x")));
    drop(conn);
    let mut theirs = std::os::unix::net::UnixStream::from(theirs);
    assert_eq!(std::io::Read::read(&mut theirs, &mut [0; 64]).unwrap(), 0, "not the end");
}

#[cfg(feature = "blocking")]
mod blocking {
    use futures_util::stream::FuturesUnordered;

    use super::*;

    /// Answers the next requests on a thread of its own.
    fn kernel(theirs: OwnedFd, answers: usize) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            runtime().block_on(async {
                let peer = Peer::over(theirs).unwrap();
                for _ in 0..answers {
                    peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap();
                }
            });
        })
    }

    #[test]
    fn a_thread_sleeps_until_its_answer_comes() {
        let (ours, theirs) = socketpair();
        let kernel = kernel(theirs, 3);
        let conn = connection(ours);
        for _ in 0..3 {
            conn.ack(change("x")).wait().unwrap();
        }
        kernel.join().unwrap();
    }

    #[test]
    fn threads_that_share_a_connection_wake_each_other() {
        const THREADS: usize = 8;
        const CALLS: usize = 50;
        let (ours, theirs) = socketpair();
        let kernel = kernel(theirs, THREADS * CALLS);
        let conn = connection(ours);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..CALLS).for_each(|_| drop(conn.ack(change("x")).wait().unwrap())));
            }
        });
        kernel.join().unwrap();
    }

    #[test]
    fn threads_and_tasks_share_a_connection() {
        const CALLS: usize = 100;
        let (ours, theirs) = socketpair();
        let kernel = kernel(theirs, 3 * CALLS);
        let conn = connection(ours);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..CALLS).for_each(|_| drop(conn.ack(change("x")).wait().unwrap())));
            }
            runtime().block_on(async {
                for _ in 0..CALLS {
                    within(DEADLINE, conn.ack(change("x")), "an answer").await.unwrap();
                }
            });
        });
        kernel.join().unwrap();
    }

    /// Such a combinator polls only those of its parts that were woken.
    #[test]
    fn operations_of_operations_are_woken_one_by_one() {
        const CALLS: usize = 10;
        let (ours, theirs) = socketpair();
        let kernel = kernel(theirs, CALLS);
        let conn = connection(ours);
        let all = nl_core::Pending::new(async move {
            let calls: FuturesUnordered<_> = (0..CALLS).map(|_| conn.ack(change("x"))).collect();
            Ok(calls.collect::<Vec<_>>().await)
        });
        let outcomes = all.wait().unwrap();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), CALLS, "{outcomes:?}");
        kernel.join().unwrap();
    }

    #[test]
    fn without_a_limit_an_answer_is_waited_for() {
        for limit in [None, Some(Duration::MAX)] {
            let (ours, theirs) = socketpair();
            let kernel = kernel(theirs, 2);
            let conn = connection(ours).with_timeout(limit);
            conn.ack(change("x")).wait().unwrap();
            conn.ack(change("x")).timeout(Duration::MAX).wait().unwrap();
            kernel.join().unwrap();
        }
    }

    #[test]
    fn a_late_answer_is_a_timeout() {
        let (ours, theirs) = socketpair();
        let conn = connection(ours).with_timeout(Duration::from_millis(20));
        let error = conn.ack(change("x")).wait().unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        drop(theirs);
    }

    #[test]
    fn a_list_is_a_loop() {
        let runtime = runtime();
        let conn = {
            let _inside = runtime.enter();
            played(|_, request| table(request))
        };
        std::thread::scope(|scope| {
            let (conn, handle) = (&conn, runtime.handle());
            let list = scope.spawn(move || {
                // For the simulated kernel, which each new socket makes a task of.
                let _inside = handle.enter();
                conn.links().into_iter().map(|link| link.map(|link| link.name)).collect::<Result<Vec<_>, _>>()
            });
            // Something has to run the simulated kernel.
            while !list.is_finished() {
                runtime.block_on(tokio::task::yield_now());
            }
            assert_eq!(list.join().unwrap().unwrap(), NAMES);
        });
    }
}

/// Two ends that keep datagrams apart, of which none is on a reactor yet.
fn socketpair() -> (OwnedFd, OwnedFd) {
    nl_testkit::fault::pair().unwrap()
}

#[test]
fn polling_after_the_waker_is_gone_is_harmless() {
    let (ours, theirs) = socketpair();
    let conn = connection(ours);
    let runtime = runtime();
    let _inside = runtime.enter();
    let mut pending = pin!(conn.ack(change("x")));
    assert!(matches!(pending.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    runtime.block_on(async {
        let peer = Peer::over(theirs).unwrap();
        peer.answer(&Answer::ack(&asked(&peer).await)).await.unwrap();
        within(DEADLINE, pending, "the answer").await.unwrap();
    });
}

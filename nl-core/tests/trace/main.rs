//! What a subscriber of `tracing` receives: one span for each request, and a bounded number of events about losses.
//!
//! Each test has a subscriber of its own, for its thread alone. No test sends a request without one: `tracing` remembers whether
//! anybody is interested in a span, and asks the thread that comes by first.
#![expect(clippy::unwrap_used, reason = "tests panic with context")]

#[cfg(all(feature = "address", feature = "watch"))]
#[path = "../watch/addresses.rs"]
mod addresses;
mod recorder;
#[cfg(all(feature = "address", feature = "watch"))]
mod resync;

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::message::{FixedHeader, IfInfoMsg};
use nl_core::monitor::Monitor;
use nl_core::{Connection, Protocol, Request};
use nl_testkit::fault::{Answer, Conversation, Delivery, Fault, Peer};
use nl_testkit::within;

use recorder::recorded;

const RTM_NEWLINK: u16 = 16;
const IFLA_IFNAME: u16 = 3;
const DEADLINE: Duration = Duration::from_secs(20);
const NAMES: [&str; 3] = ["a", "bb", "ccc"];
const KEY: &[u8; 16] = b"correct horse 16";

/// A connection whose sockets are played by this, given the number of the socket.
fn played<F: Future<Output = ()> + Send + 'static>(
    timeout: Duration,
    kernel: impl Fn(usize, Peer) -> F + Send + Sync + 'static,
) -> Connection {
    let made = AtomicUsize::new(0);
    let source = move || -> io::Result<OwnedFd> {
        let (socket, peer) = Peer::pair()?;
        tokio::spawn(kernel(made.fetch_add(1, Ordering::Relaxed), peer));
        Ok(socket)
    };
    Connection::builder(Protocol::Route).sockets_from(source).timeout(timeout).open().unwrap()
}

/// One that reads requests and answers none.
fn silent(timeout: Duration) -> Connection {
    played(timeout, |_, peer| async move { while let Ok(Some(_)) = peer.asked().await {} })
}

/// A table of links, whose first reading has this fault.
fn listing(fault: Option<Fault>) -> Connection {
    played(DEADLINE, move |number, peer| async move {
        // Socket 0 is the connection's own.
        let mut asked = 0;
        let script = move |request: &[u8]| {
            asked += 1;
            match fault {
                Some(fault) if (number, asked) == (1, 1) => table(request).with(fault).unwrap(),
                _ => table(request),
            }
        };
        drop(peer.serve(script).await);
    })
}

fn table(request: &[u8]) -> Conversation {
    let link = |name: &str| {
        let mut header = Vec::new();
        IfInfoMsg { index: 1, ..IfInfoMsg::default() }.write(&mut header);
        let name = [name.as_bytes(), &[0]].concat();
        Answer::new(RTM_NEWLINK, &header).attr(IFLA_IFNAME, &name).answers(request).multi()
    };
    Conversation::of(NAMES.into_iter().map(link).chain([Answer::done(0).answers(request).multi()]))
}

/// A request that `describe` calls `netlink request of type 16`.
fn change() -> Request {
    let mut request = Request::unnamed(RTM_NEWLINK).with_header(&IfInfoMsg::default());
    request.attrs().str(IFLA_IFNAME, "x");
    request
}

#[test]
fn a_request_for_an_object_is_one_span_with_its_words_and_outcome() {
    let (link, recorded) = recorded(async {
        let conn = Connection::open(Protocol::Route).unwrap();
        conn.link("lo").await
    });
    assert_eq!(link.unwrap().index, 1);
    let span = recorded.only_span();
    assert_eq!((span.name, span.field("operation"), span.field("outcome")), ("request", "get link lo", "ok"));
    assert_eq!(span.field("errno"), "");
    span.field("duration_us").parse::<u64>().unwrap();
    assert!(recorded.events.is_empty(), "{recorded:#?}");
}

#[test]
fn a_refused_request_is_one_span_with_the_words_of_its_error() {
    let (link, recorded) = recorded(async {
        let conn = Connection::open(Protocol::Route).unwrap();
        conn.link("no-such-dev").await
    });
    let error = link.unwrap_err();
    let span = recorded.only_span();
    assert_eq!(Some(span.field("operation")), error.operation());
    assert_eq!((span.field("outcome"), span.field("errno")), ("refused", "19"));
}

/// The number of a device is its name, as in errors.
#[test]
fn a_device_is_called_by_its_name() {
    let (link, recorded) = recorded(async {
        let conn = Connection::open(Protocol::Route).unwrap();
        conn.link(1_u32).await
    });
    link.unwrap();
    assert_eq!(recorded.only_span().field("operation"), "get link lo");
}

#[test]
fn a_request_that_was_never_sent_is_a_span_only_if_it_was_tried() {
    let ((), recorded) = recorded(async {
        let conn = Connection::open(Protocol::Route).unwrap();
        drop(conn.ack(change()));
        let refused = change().invalid_if(Err("no".into()));
        assert!(conn.ack(refused).await.unwrap_err().is_usage());
    });
    let span = recorded.only_span();
    assert_eq!((span.field("operation"), span.field("outcome")), ("netlink request of type 16", "invalid"));
}

#[test]
fn a_request_whose_waiting_is_dropped_is_one_cancelled_span() {
    let ((), recorded) = recorded(async {
        let conn = silent(DEADLINE);
        let mut request = conn.ack(change());
        assert!(futures_util::poll!(&mut request).is_pending());
        assert!(futures_util::poll!(&mut request).is_pending());
        drop(request);
    });
    let span = recorded.only_span();
    assert_eq!((span.name, span.field("outcome"), span.field("errno")), ("request", "cancelled", ""));
    span.field("duration_us").parse::<u64>().unwrap();
}

#[test]
fn a_request_without_an_answer_is_one_span_that_says_so() {
    let (outcome, recorded) = recorded(async { silent(Duration::from_millis(20)).ack(change()).await });
    assert!(outcome.unwrap_err().is_timeout());
    assert_eq!(recorded.only_span().field("outcome"), "timeout");
}

#[test]
fn a_list_is_one_span_however_it_is_read() {
    let (links, all) = recorded(async { listing(None).links().collect_all().await });
    assert_eq!(links.unwrap().len(), NAMES.len());
    let span = all.only_span();
    assert_eq!((span.name, span.field("operation"), span.field("outcome")), ("list", "list links", "ok"));

    let (links, streamed) = recorded(async { listing(None).links().collect::<Vec<_>>().await });
    assert_eq!(links.len(), NAMES.len());
    assert_eq!(streamed.only_span().field("outcome"), "ok");

    let (first, dropped) = recorded(async { listing(None).links().next().await });
    assert!(first.unwrap().is_ok());
    assert_eq!(dropped.only_span().field("outcome"), "cancelled");
}

#[test]
fn a_list_that_is_read_again_is_one_span_with_an_event_for_each_time() {
    // At the first entry it is started again by itself, behind it by `collect_all` or `collect_partial`.
    for delivery in 0..=NAMES.len() {
        let interrupted = Some(Fault::Interrupted { delivery });
        let (links, all) = recorded(async { listing(interrupted).links().collect_all().await });
        assert_eq!(links.unwrap().len(), NAMES.len());
        let (links, partial) = recorded(async { listing(interrupted).links().collect_partial().await });
        assert!(links.unwrap().is_complete());
        for recorded in [all, partial] {
            assert_eq!(recorded.only_span().field("outcome"), "ok");
            let [event] = recorded.events.as_slice() else { panic!("{recorded:#?}") };
            assert_eq!((event.field("times"), event.parent), ("1", Some(1)));
        }
    }
    let interrupted = Some(Fault::Interrupted { delivery: 1 });
    let (links, streamed) = recorded(async { listing(interrupted).links().collect::<Vec<_>>().await });
    assert!(links.last().unwrap().as_ref().unwrap_err().is_interrupted());
    assert_eq!(streamed.only_span().field("outcome"), "interrupted");
    assert!(streamed.events.is_empty(), "{streamed:#?}");
}

#[test]
fn a_batch_is_one_span_that_counts_its_failures() {
    let (summary, recorded) = recorded(async {
        let conn = played(DEADLINE, |_, peer| async move {
            let Ok(Some(asked)) = peer.asked().await else { return };
            let [_, second, third] = asked.requests.as_slice() else { return };
            let answers = Conversation::of([Answer::error(libc::EEXIST, second), Answer::ack(third)]);
            // Both ends stay open until the code under test closes its own.
            if let Ok(Some(peer)) = peer.play(&answers).await {
                drop(peer.asked().await);
            }
        });
        conn.batch([change(), change(), change()]).summarize(1).await
    });
    assert_eq!(summary.unwrap().failed, 1);
    let span = recorded.only_span();
    assert_eq!((span.name, span.field("operation")), ("batch", "netlink request of type 16"));
    assert_eq!((span.field("requests"), span.field("failed")), ("3", "1"));
    assert_eq!((span.field("outcome"), span.field("errno")), ("refused", "17"));
}

#[test]
fn an_empty_batch_asks_nothing_and_is_no_span() {
    let (summary, recorded) = recorded(async { silent(DEADLINE).batch([]).summarize(1).await });
    assert_eq!(summary.unwrap().succeeded, 0);
    assert!(recorded.spans.is_empty(), "{recorded:#?}");
}

#[test]
fn overruns_are_counted_and_reported_a_bounded_number_of_times() {
    const OVERRUNS: usize = 1000;
    let ((), recorded) = recorded(async {
        let (socket, peer) = Peer::pair().unwrap();
        let socket = Mutex::new(Some(socket));
        let mut monitor = Monitor::builder(Protocol::Route)
            .group(1)
            .sockets_from(move || socket.lock().unwrap().take().ok_or_else(|| io::ErrorKind::Other.into()))
            .open(|_| Ok(Some(())))
            .unwrap();
        for _ in 0..OVERRUNS {
            peer.deliver(&Delivery::OVERRUN).await.unwrap();
            let event = within(DEADLINE, monitor.next(), "an overrun").await.unwrap();
            assert!(event.unwrap_err().is_overrun());
        }
    });
    assert!(recorded.spans.is_empty(), "{recorded:#?}");
    let reported: Vec<u64> =
        recorded.events.iter().map(|event| event.field("overruns").parse().unwrap()).collect();
    // Each power of two, and more only if that takes minutes.
    for power in (0..10).map(|power| 1 << power) {
        assert!(reported.contains(&power), "{power} is not in {reported:?}");
    }
    assert!(reported.len() < 20, "{reported:?}");
    assert!(recorded.events.iter().all(|event| event.field("protocol") == "NETLINK_ROUTE"), "{recorded:#?}");
}

/// However a request with a secret travels, and whatever becomes of it.
#[test]
fn nothing_that_is_recorded_holds_a_secret() {
    let with_key = || {
        let mut request = change().sensitive();
        request.attrs().bytes(1000, KEY);
        request
    };
    let ((), recorded) = recorded(async {
        let refusing = played(DEADLINE, |_, peer| async move {
            let script = |request: &[u8]| Conversation::of([Answer::error(libc::EINVAL, request)]);
            drop(peer.serve(script).await);
        });
        assert!(refusing.ack(with_key()).await.is_err());
        assert!(refusing.get(with_key(), |_| Ok(())).await.is_err());
        assert!(refusing.ack(with_key().invalid_if(Err("no".into()))).await.is_err());
        assert_eq!(refusing.batch([with_key(), with_key()]).summarize(2).await.unwrap().failed, 2);
        let dump = refusing.dump(with_key(), |_| Ok(Some(())));
        assert!(dump.collect_all().await.is_err());
    });
    assert_eq!(recorded.spans.len(), 5, "{recorded:#?}");
    let text = format!("{recorded:?}");
    for secret in ["correct", "horse", "63, 6f", "99, 111", "636f72"] {
        assert!(!text.contains(secret), "{text} holds {secret}");
    }
}

//! A kernel that has no memory for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use nl_core::error::Errno;
use nl_core::message::NLM_F_ACK;
use nl_core::{Connection, Error};
use nl_testkit::fault::{Answer, Conversation};
use nl_testkit::within;

use crate::{DEADLINE, change, played};

/// How often each request came, by the bytes behind its header.
type Asked = Arc<Mutex<HashMap<Vec<u8>, u32>>>;

/// Refuses each request whose name begins with `x` the given number of times, one that begins with `y` because it exists, and carries out the
/// others.
fn short_of_memory(times: u32) -> (Connection, Asked) {
    let asked = Asked::default();
    let counted = Arc::clone(&asked);
    let conn = played(move |_, request| {
        // Behind the headers of the message, of the link and of the attribute.
        let first = request.get(36).copied();
        let seen = {
            let mut counted = counted.lock().unwrap();
            let seen = counted.entry(request.get(16..).unwrap_or_default().to_vec()).or_insert(0);
            *seen += 1;
            *seen
        };
        let flags = request.get(6..).and_then(|rest| rest.first_chunk());
        let wants_ack = flags.is_some_and(|flags| u16::from_ne_bytes(*flags) & NLM_F_ACK != 0);
        match first {
            Some(b'x') if seen <= times => Conversation::of([Answer::error(libc::ENOMEM, request)]),
            Some(b'y') => Conversation::of([Answer::error(libc::EEXIST, request)]),
            _ if wants_ack => Conversation::of([Answer::ack(request)]),
            _ => Conversation::of([]),
        }
    });
    (conn, asked)
}

fn errnos(outcomes: &[Result<nl_core::error::Ack, Error>]) -> Vec<Option<Errno>> {
    outcomes.iter().map(|outcome| outcome.as_ref().err().and_then(Error::errno)).collect()
}

#[tokio::test]
async fn requests_without_memory_are_sent_again_where_it_is_asked_for() {
    let names = ["a", "x1", "y", "x2", "b", "x3"];
    let (conn, asked) = short_of_memory(3);
    let batch = conn.batch(names.map(change)).retry_enomem();
    let outcomes: Vec<_> = within(DEADLINE, batch.collect(), "the outcomes").await;
    assert_eq!(errnos(&outcomes), [None, None, Some(Errno::EEXIST), None, None, None], "{outcomes:?}");
    let mut counts: Vec<_> = asked.lock().unwrap().values().copied().collect();
    counts.sort_unstable();
    // What was carried out, or refused for another reason, was sent once.
    assert_eq!(counts, [1, 1, 1, 4, 4, 4]);

    let (conn, _asked) = short_of_memory(1);
    let outcomes: Vec<_> = within(DEADLINE, conn.batch(names.map(change)).collect(), "the outcomes").await;
    let refused = Some(Errno::ENOMEM);
    assert_eq!(errnos(&outcomes), [None, refused, Some(Errno::EEXIST), refused, None, refused]);
}

#[tokio::test]
async fn requests_in_datagrams_of_their_own_keep_their_order_when_memory_is_short() {
    let (conn, asked) = short_of_memory(2);
    let batch = conn.batch(["a", "x1", "y", "x2"].map(change)).stop_at_first_failure().retry_enomem();
    let outcomes: Vec<_> = within(DEADLINE, batch.collect(), "the outcomes").await;
    assert_eq!(errnos(&outcomes), [None, None, Some(Errno::EEXIST)], "{outcomes:?}");
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_kernel_that_never_has_memory_is_given_up() {
    let (conn, asked) = short_of_memory(u32::MAX);
    let batch = conn.batch(["x1", "a", "x2"].map(change)).retry_enomem();
    let outcomes: Vec<_> = within(DEADLINE, batch.collect(), "the outcomes").await;
    assert_eq!(errnos(&outcomes), [Some(Errno::ENOMEM), None, Some(Errno::ENOMEM)], "{outcomes:?}");
    assert!(asked.lock().unwrap().values().all(|count| *count <= 101));
}

#[tokio::test]
async fn datagrams_hold_fewer_requests_after_memory_was_short() {
    let fences = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&fences);
    let conn = played(move |_, request| {
        let flags = request.get(6..).and_then(|rest| rest.first_chunk());
        let wants_ack = flags.is_some_and(|flags| u16::from_ne_bytes(*flags) & NLM_F_ACK != 0);
        let mut seen = seen.lock().unwrap();
        seen.push(wants_ack);
        match (request.get(36), seen.iter().filter(|fence| **fence).count()) {
            // Only in the first datagram.
            (Some(b'x'), 0) => Conversation::of([Answer::error(libc::ENOMEM, request)]),
            _ if wants_ack => Conversation::of([Answer::ack(request)]),
            _ => Conversation::of([]),
        }
    });
    let names = (0..1000).map(|number| if number == 100 { "x" } else { "a" });
    let summary = within(DEADLINE, conn.batch(names.map(change)).retry_enomem().summarize(1), "the summary");
    assert_eq!(summary.await.unwrap().succeeded, 1000);
    let datagrams: Vec<usize> =
        fences.lock().unwrap().split_inclusive(|fence| *fence).map(<[bool]>::len).collect();
    let [first, again, rest @ ..] = datagrams.as_slice() else { panic!("{datagrams:?}") };
    assert_eq!((*again, first + rest.iter().sum::<usize>()), (1, 1000), "{datagrams:?}");
    assert_eq!(rest.iter().max(), Some(&((first - 1) / 4 * 3)), "{datagrams:?}");
}

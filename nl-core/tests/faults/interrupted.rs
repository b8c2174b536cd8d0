//! Tables that change while they are read: where the list goes on.
//!
//! The kernel's buffer for a dump is as large as the largest receive buffer that the socket has used. So a list is read again on the
//! socket on which it was interrupted, once that was read to the end of the dump.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use nl_core::Connection;
use nl_core::dump::MAX_RESTARTS;
use nl_testkit::fault::{Answer, Conversation, Delivery, Fault};
use nl_testkit::within;

use crate::{DEADLINE, NAMES, at_first, played, table};

/// The number of the socket on which each request came.
type Asked = Arc<Mutex<Vec<usize>>>;

/// A kernel that answers the first request like this and each later one with the whole table.
fn first(answer: impl Fn(&[u8]) -> Conversation + Clone + Send + Sync + 'static) -> (Connection, Asked) {
    noted(at_first(answer))
}

fn noted(
    script: impl Fn(usize, &[u8]) -> Conversation + Clone + Send + Sync + 'static,
) -> (Connection, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let conn = played(move |number, request| {
        noted.lock().unwrap().push(number);
        script(number, request)
    });
    (conn, asked)
}

fn interrupted(delivery: usize, request: &[u8]) -> Conversation {
    table(request).with(Fault::Interrupted { delivery }).unwrap()
}

async fn names(conn: &Connection) -> Vec<String> {
    let links = within(DEADLINE, conn.links().collect_all(), "the list").await.unwrap();
    links.into_iter().map(|link| link.name.into()).collect()
}

#[tokio::test]
async fn an_interrupted_dump_is_read_again() {
    // Its end says so too.
    for delivery in 0..=NAMES.len() {
        let (conn, asked) = first(move |request| interrupted(delivery, request));
        assert_eq!(names(&conn).await, NAMES, "interrupted at {delivery}");
        let (conn, _) = first(move |request| interrupted(delivery, request));
        // All are number 1, and the last is the one that stays.
        let by_index = within(DEADLINE, conn.link_names(), "the names").await.unwrap();
        assert_eq!(by_index.into_iter().collect::<Vec<_>>(), [(1, NAMES[3].to_owned())]);
        let (conn, partial) = first(move |request| interrupted(delivery, request));
        let links = within(DEADLINE, conn.links().collect_partial(), "the list").await.unwrap();
        assert!(links.is_complete() && links.entries.len() == NAMES.len(), "interrupted at {delivery}");
        // The second time on the same socket.
        assert_eq!(*asked.lock().unwrap(), [1, 1], "interrupted at {delivery}");
        assert_eq!(*partial.lock().unwrap(), [1, 1], "interrupted at {delivery}");
    }
}

#[tokio::test]
async fn an_interrupted_dump_that_yielded_nothing_is_read_again_on_its_socket() {
    // At the first entry, and where there is none.
    let empty = |request: &[u8]| Conversation::of([Answer::done(0).answers(request).interrupted()]);
    for (conn, asked) in [first(|request| interrupted(0, request)), first(empty)] {
        let links: Vec<_> = within(DEADLINE, conn.links().collect(), "the list").await;
        let links: Vec<_> = links.into_iter().map(|link| link.unwrap().name).collect();
        assert_eq!(links, NAMES);
        // And the next list too.
        assert_eq!(names(&conn).await, NAMES);
        assert_eq!(*asked.lock().unwrap(), [1, 1, 1]);
    }
    let (conn, asked) = first(|request| interrupted(0, request));
    let count = conn.links().visit(0, |count, _| *count += 1);
    assert_eq!(within(DEADLINE, count, "the visit").await.unwrap(), NAMES.len());
    assert_eq!(*asked.lock().unwrap(), [1, 1]);
}

#[tokio::test]
async fn a_stream_that_is_interrupted_behind_entries_leaves_its_socket_to_the_next() {
    let (conn, asked) = first(|request| interrupted(2, request));
    let links: Vec<_> = within(DEADLINE, conn.links().collect(), "the list").await;
    let (last, entries) = links.split_last().unwrap();
    assert!(last.as_ref().unwrap_err().is_interrupted(), "{last:?}");
    assert!(entries.len() == NAMES.len() && entries.iter().all(Result::is_ok), "{entries:?}");
    assert_eq!(names(&conn).await, NAMES);
    assert_eq!(*asked.lock().unwrap(), [1, 1]);
}

#[tokio::test]
async fn a_table_that_never_holds_still_is_asked_for_on_one_socket() {
    let times = usize::try_from(MAX_RESTARTS).unwrap() + 1;
    for delivery in 0..=NAMES.len() {
        let (conn, asked) = noted(move |_, request| interrupted(delivery, request));
        let error = within(DEADLINE, conn.links().collect_all(), "the list").await.unwrap_err();
        assert!(error.is_interrupted(), "{error}");
        assert_eq!(*asked.lock().unwrap(), vec![1; times], "interrupted at {delivery}");
        let partial = within(DEADLINE, conn.links().collect_partial(), "the list").await.unwrap();
        assert!(partial.error.is_some_and(|error| error.is_interrupted()));
        assert_eq!(partial.entries.len(), NAMES.len());
        assert_eq!(*asked.lock().unwrap(), vec![1; 2 * times], "interrupted at {delivery}");
    }
}

/// On such a socket something of the interrupted dump may still come.
#[tokio::test]
async fn a_socket_on_which_the_end_of_an_interrupted_dump_is_not_known_is_not_used_again() {
    for fault in [Fault::Overrun { delivery: 2 }, Fault::MessageLength { delivery: 2, length: 3 }] {
        let (conn, asked) = first(move |request| interrupted(0, request).with(fault).unwrap());
        assert_eq!(names(&conn).await, NAMES, "{fault:?}");
        assert_eq!(*asked.lock().unwrap(), [1, 2], "{fault:?}");
    }
    // Behind the end there is more in its datagram.
    for delivery in [0, 2] {
        let (conn, asked) = first(move |request| {
            let whole = interrupted(delivery, request);
            let (end, entries) = whole.deliveries().split_last().unwrap();
            let Delivery::Datagram(end) = end else { panic!("{end:?}") };
            let more = [end.clone(), Answer::done(0).answers(request).to_bytes()].concat();
            entries.iter().cloned().chain([Delivery::Datagram(more)]).collect()
        });
        assert_eq!(names(&conn).await, NAMES);
        assert_eq!(*asked.lock().unwrap(), [1, 2]);
    }
}

#[tokio::test]
async fn an_interrupted_dump_that_the_kernel_ends_with_an_error_is_that_error() {
    let (conn, asked) = first(|request| {
        let whole = interrupted(0, request);
        let entries = whole.deliveries().iter().take(NAMES.len()).cloned();
        let end = Conversation::of([Answer::done(libc::ENOMEM).answers(request).multi()]);
        entries.chain(end.deliveries().to_vec()).collect()
    });
    let error = within(DEADLINE, conn.links().collect_all(), "the list").await.unwrap_err();
    assert_eq!(error.errno(), Some(nl_core::error::Errno::ENOMEM), "{error}");
    assert_eq!(*asked.lock().unwrap(), [1]);
}

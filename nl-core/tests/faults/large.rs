//! Messages that are larger than a receive buffer usually is.

use futures_util::StreamExt;
use nl_core::Request;
use nl_core::message::GenlHeader;
use nl_core::monitor::Monitor;
use nl_core::{Connection, Protocol};
use nl_testkit::fault::{Answer, Conversation, Peer};
use nl_testkit::within;

use crate::{DEADLINE, NAMES, link, only, played, table};

/// 16 MiB were seen in public for a generic event; a local socket carries no more than this at once.
const LARGE: usize = 150_000;

fn large(request: &[u8]) -> Answer {
    Answer::new(40, &[7; LARGE]).answers(request)
}

fn get() -> Request {
    Request::unnamed(41).with_header(&GenlHeader::default())
}

#[tokio::test]
async fn an_object_of_any_size_is_read_whole() {
    let conn = played(|_, request| Conversation::of([large(request), Answer::ack(request)]));
    let size = conn.get(get(), |message| Ok(message.payload().len()));
    assert_eq!(within(DEADLINE, size, "the object").await.unwrap(), LARGE);
    let reply = within(DEADLINE, conn.exchange(get()), "the answer").await.unwrap();
    assert_eq!(reply.messages.iter().map(|message| message.payload().len()).collect::<Vec<_>>(), [LARGE]);
}

/// One caller reads what another is waiting for.
#[tokio::test]
async fn an_object_read_by_another_caller_is_whole_too() {
    let (socket, peer) = Peer::pair().unwrap();
    let conn = Connection::builder(Protocol::Generic).sockets_from(only(socket)).open().unwrap();
    let kernel = async {
        let first = peer.asked().await.unwrap().unwrap().only().unwrap().to_vec();
        let second = peer.asked().await.unwrap().unwrap().only().unwrap().to_vec();
        for request in [&second, &first] {
            peer.answer(&large(request)).await.unwrap();
            peer.answer(&Answer::ack(request)).await.unwrap();
        }
    };
    let get = || conn.get(get(), |message| Ok(message.payload().len()));
    let all = async { tokio::join!(get(), get(), kernel) };
    let (first, second, ()) = within(DEADLINE, all, "both objects").await;
    assert_eq!((first.unwrap(), second.unwrap()), (LARGE, LARGE));
}

/// Another caller receives the object, and its own caller the verdict.
#[tokio::test]
async fn an_object_and_its_verdict_may_be_received_by_two_callers() {
    let (socket, peer) = Peer::pair().unwrap();
    let conn = Connection::builder(Protocol::Generic).sockets_from(only(socket)).open().unwrap();
    let mut first = Box::pin(conn.get(get(), |message| Ok(message.payload().len())));
    let mut second = Box::pin(conn.get(get(), |message| Ok(message.payload().len())));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    let mut requests = Vec::new();
    for _ in 0..2 {
        requests.push(peer.asked().await.unwrap().unwrap().only().unwrap().to_vec());
    }
    peer.answer(&large(&requests[0])).await.unwrap();
    assert!(futures_util::poll!(second.as_mut()).is_pending(), "it received the object of the first");
    peer.answer(&Answer::ack(&requests[0])).await.unwrap();
    assert_eq!(within(DEADLINE, first, "the first").await.unwrap(), LARGE);
    peer.answer(&large(&requests[1])).await.unwrap();
    peer.answer(&Answer::ack(&requests[1])).await.unwrap();
    assert_eq!(within(DEADLINE, second, "the second").await.unwrap(), LARGE);
}

#[tokio::test]
async fn a_list_with_a_large_datagram_is_read_again_with_room_for_it() {
    let conn = played(|_, request| {
        let large = std::iter::once(large(request).multi());
        Conversation::of(large.chain([link("a", request), Answer::done(0).answers(request).multi()]))
    });
    let sizes = conn.dump(get(), |message| Ok(Some(message.payload().len()))).collect_all();
    assert_eq!(within(DEADLINE, sizes, "the list").await.unwrap()[0], LARGE);

    // Behind entries that were yielded it is an error, and collecting starts again.
    let conn = played(|_, request| {
        let entries = table(request);
        let count = entries.deliveries().len();
        let large = Conversation::of([large(request).multi()]);
        let all = entries.deliveries().iter().take(count - 1).chain(large.deliveries());
        all.chain(entries.deliveries().last()).cloned().collect()
    });
    let list = || conn.dump(get(), |message| Ok(Some(message.payload().len())));
    let outcomes: Vec<_> = within(DEADLINE, list().collect(), "the list").await;
    let (last, entries) = outcomes.split_last().unwrap();
    assert!(entries.len() == NAMES.len() && entries.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(
        last.as_ref().unwrap_err().to_string(),
        format!(
            "netlink request of type 41: the kernel sent a message of {} bytes, the limit is 32768",
            LARGE + 16
        )
    );
    let all = within(DEADLINE, list().collect_all(), "the list").await.unwrap();
    assert_eq!(all.len(), NAMES.len() + 1);
}

#[tokio::test]
async fn a_generic_event_of_any_size_is_read_whole() {
    let (socket, peer) = Peer::pair().unwrap();
    let monitor = Monitor::builder(Protocol::Generic).sockets_from(only(socket));
    let mut monitor = monitor.open(|message| Ok(Some(message.payload().len()))).unwrap();
    for _ in 0..2 {
        peer.answer(&large(&[0; 16])).await.unwrap();
        assert_eq!(within(DEADLINE, monitor.next(), "an event").await.unwrap().unwrap(), LARGE);
    }
}

/// An attribute, such as the next hops of a route, has up to 64 KiB.
#[tokio::test]
async fn a_large_event_of_another_protocol_is_read_whole() {
    const SIZE: usize = 100_000;
    let (socket, peer) = Peer::pair().unwrap();
    let monitor = Monitor::builder(Protocol::Route).sockets_from(only(socket));
    let mut monitor = monitor.open(|message| Ok(Some(message.payload().len()))).unwrap();
    for _ in 0..2 {
        peer.answer(&Answer::new(40, &[7; SIZE]).answers(&[0; 16])).await.unwrap();
        assert_eq!(within(DEADLINE, monitor.next(), "an event").await.unwrap().unwrap(), SIZE);
    }
}

#[tokio::test]
async fn an_even_larger_event_of_another_protocol_is_reported_as_lost_once() {
    let (socket, peer) = Peer::pair().unwrap();
    let monitor = Monitor::builder(Protocol::Route).sockets_from(only(socket));
    let mut monitor = monitor.open(|message| Ok(Some(message.payload().len()))).unwrap();
    for attempt in 0..3 {
        peer.answer(&large(&[0; 16])).await.unwrap();
        let event = within(DEADLINE, monitor.next(), "an event").await.unwrap();
        match attempt {
            0 => assert!(event.unwrap_err().is_overrun()),
            _ => assert_eq!(event.unwrap(), LARGE),
        }
    }
}

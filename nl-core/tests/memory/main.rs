//! What stays in memory, and what is left in memory that is given back.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "tests panic with context")]

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt;
use nl_core::Request;
use nl_core::message::IfInfoMsg;
use nl_core::{Connection, Protocol};
use nl_testkit::alloc::Watching;
use nl_testkit::fault::{Answer, Delivery, Peer};

#[global_allocator]
static ALLOCATOR: Watching = Watching::new();

const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const KEY: [u8; 16] = *b"a secret of 16 B";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A change of a device that does not exist.
fn change() -> Request {
    let header = IfInfoMsg { index: i32::MAX.cast_unsigned(), ..IfInfoMsg::default() };
    Request::unnamed(RTM_SETLINK).with_header(&header)
}

/// The same with a key, behind which the request grows several times, and a length that is not aligned.
fn with_key() -> Request {
    let mut request = change().sensitive();
    request.attrs().bytes(1000, &KEY).bytes(1001, &[1; 200]).bytes(1002, &[2; 999]);
    request
}

#[test]
fn the_allocator_finds_a_key_that_is_left_behind() {
    let found = ALLOCATOR.find(&KEY, || {
        let mut request = change();
        request.attrs().bytes(1000, &KEY);
        drop(request);
    });
    assert_eq!(found, 1);
}

#[test]
fn no_block_that_a_sensitive_request_passed_through_holds_its_key() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let conn = Connection::open(Protocol::Route).unwrap();
    let found = ALLOCATOR.find(&KEY, || {
        runtime.block_on(async {
            assert!(conn.ack(with_key()).await.is_err());
            assert!(conn.get(with_key(), |_| Ok(())).await.is_err());
            assert!(conn.exchange(with_key().clone()).await.is_err());
            drop(conn.ack(with_key()));
            let refused = with_key().invalid_if(Err("no".into()));
            assert!(conn.ack(refused).await.is_err());
            // More than one datagram holds.
            let outcomes: Vec<_> = conn.batch((0..40).map(|_| with_key())).collect().await;
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 40);
            let mut batch = conn.batch((0..40).map(|_| with_key()));
            assert!(batch.next().await.unwrap().is_err());
            drop(batch);
            let mut dump = conn.dump(with_key(), |_| Ok(Some(())));
            assert!(dump.next().await.unwrap().is_err());
        });
        drop(conn);
    });
    assert_eq!(found, 0, "blocks that still hold the key");
}

#[test]
fn a_request_that_ends_in_an_overrun_keeps_no_memory() {
    const REQUESTS: usize = 2000;
    let runtime = runtime();
    let _inside = runtime.enter();
    let (socket, peer) = Peer::pair().unwrap();
    let conn = Connection::builder(Protocol::Route).sockets_from(only(socket)).open().unwrap();
    let run = |count: usize| {
        runtime.block_on(async {
            let kernel = async {
                for _ in 0..count {
                    peer.asked().await.unwrap().unwrap();
                    peer.deliver(&Delivery::OVERRUN).await.unwrap();
                }
            };
            let program = async {
                for _ in 0..count {
                    assert!(conn.ack(change()).await.unwrap_err().is_overrun());
                }
            };
            tokio::join!(kernel, program);
        });
    };
    run(10);
    let bytes = ALLOCATOR.count(|| run(REQUESTS));
    assert!(bytes.kept.unsigned_abs() < 1024, "{bytes:?} for {REQUESTS} requests");
}

/// Also with feature `tracing`: nobody listens in this program.
#[test]
fn a_request_that_is_answered_at_once_allocates_nothing() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let conn = Connection::open(Protocol::Route).unwrap();
    let lo = || Request::unnamed(RTM_GETLINK).with_header(&IfInfoMsg { index: 1, ..IfInfoMsg::default() });
    let ask = |request: Request| {
        let answer = pin!(conn.answered(request, |message| Ok(message.payload().len())));
        answer.poll(&mut Context::from_waker(Waker::noop()))
    };
    // The receive buffer and the places of requests in flight are kept.
    assert!(matches!(ask(lo()), Poll::Ready(Ok(16..))));
    let (mut request, mut answer) = (Some(lo()), None);
    let bytes = ALLOCATOR.count(|| answer = request.take().map(ask));
    assert!(matches!(answer, Some(Poll::Ready(Ok(16..)))), "{answer:?}");
    assert_eq!(bytes.peak, 0, "{bytes:?}");
}

#[test]
fn an_idle_connection_takes_less_than_a_kibibyte() {
    let conn = Connection::open(Protocol::Route).unwrap();
    let index = runtime().block_on(async { conn.link_index("lo").await.unwrap() });
    assert_eq!(index, 1);
    let mut kept = Vec::with_capacity(100);
    let bytes = ALLOCATOR.count(|| {
        for _ in 0..100 {
            kept.push(Connection::open(Protocol::Route).unwrap());
        }
    });
    assert!(bytes.kept < 100 * 1024, "{bytes:?} for 100 connections");
    let bytes = ALLOCATOR.count(|| {
        runtime().block_on(async {
            for conn in &kept {
                assert_eq!(conn.link_index("lo").await.unwrap(), 1);
            }
        });
    });
    assert!(bytes.kept < 100 * 1024, "{bytes:?} for 100 connections that were used");
}

/// `198.51.100.0/24 via 192.0.2.1 dev #3 metric 5`, as a kernel lists it.
#[cfg(feature = "route")]
#[test]
fn a_plain_route_is_read_without_an_allocation() {
    use nl_core::message::MessageRef;
    use nl_core::route::{Route, RouteVerb};

    let route = Route::new("198.51.100.0/24".parse().unwrap()).via("192.0.2.1".parse().unwrap());
    let mut request = route.oif(3).metric(5).table(254).request(RouteVerb::Add);
    let bytes = request.encoded().unwrap();
    let message = MessageRef::parse(bytes).unwrap();
    let mut read = None;
    let counted = ALLOCATOR.count(|| read = Some(Route::decode(message)));
    assert_eq!((counted.kept, counted.peak), (0, 0));
    assert_eq!(read.unwrap().unwrap().oif, Some(3));
}

/// This socket and no other.
fn only(socket: OwnedFd) -> impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static {
    let socket = Mutex::new(Some(socket));
    move || socket.lock().unwrap().take().ok_or_else(|| io::Error::from_raw_os_error(libc::EMFILE))
}

/// An acknowledgement is what a kernel answers that knows the device.
#[test]
fn a_sensitive_request_gets_its_object() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let (socket, peer) = Peer::pair().unwrap();
    let conn = Connection::builder(Protocol::Route).sockets_from(only(socket)).open().unwrap();
    let outcome = runtime.block_on(async {
        let kernel = async {
            let asked = peer.asked().await.unwrap().unwrap();
            let request = asked.only().unwrap();
            peer.answer(&Answer::new(16, &[7; 16]).answers(request)).await.unwrap();
            peer.answer(&Answer::ack(request)).await.unwrap();
        };
        tokio::join!(conn.get(with_key(), |message| Ok(message.payload().len())), kernel).0
    });
    assert_eq!(outcome.unwrap(), 16);
}

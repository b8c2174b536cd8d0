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

/// A program may make a runtime for each call.
#[test]
fn a_connection_that_waited_in_many_runtimes_keeps_none_that_is_gone() {
    let (ours, theirs) = nl_testkit::fault::pair().unwrap();
    let conn = Connection::builder(Protocol::Route).sockets_from(only(ours)).open().unwrap();
    let run = |count: usize| {
        for _ in 0..count {
            runtime().block_on(async {
                let peer = Peer::over(theirs.try_clone().unwrap()).unwrap();
                let kernel = async {
                    let asked = peer.asked().await.unwrap().unwrap();
                    peer.answer(&Answer::ack(asked.only().unwrap())).await.unwrap();
                };
                // The caller is polled first, so it waits.
                tokio::join!(conn.ack(change()), kernel).0.unwrap();
            });
        }
    };
    run(3);
    let bytes = ALLOCATOR.count(|| run(50));
    assert!(bytes.kept.unsigned_abs() < 1024, "{bytes:?} for 50 runtimes");
}

/// A kernel that answers with the request, as it does on a socket without `NETLINK_CAP_ACK`.
#[test]
fn no_caller_that_receives_the_refusal_of_another_leaves_his_key_behind() {
    use std::io::{Read, Write};

    /// `struct nlmsgerr` with `-EPERM` and the request, on the stack.
    fn refuse(kernel: &mut std::fs::File) {
        let mut request = [0; 4096];
        let length = kernel.read(&mut request).unwrap();
        let mut answer = [0; 4096];
        let whole = 20 + length;
        answer[..4].copy_from_slice(&u32::try_from(whole).unwrap().to_ne_bytes());
        answer[4..6].copy_from_slice(&2_u16.to_ne_bytes());
        answer[8..16].copy_from_slice(&request[8..16]);
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        answer[20..whole].copy_from_slice(&request[..length]);
        assert_eq!(kernel.write(&answer[..whole]).unwrap(), whole);
    }

    for cancelled in [false, true] {
        let found = ALLOCATOR.find(&KEY, || {
            // What a thread received into is given back when the thread ends.
            let thread = std::thread::spawn(move || {
                let runtime = runtime();
                let (ours, theirs) = nl_testkit::fault::pair().unwrap();
                let mut kernel = std::fs::File::from(theirs);
                let conn = Connection::builder(Protocol::Route).sockets_from(only(ours)).open().unwrap();
                runtime.block_on(async {
                    let mut secret = Some(Box::pin(conn.ack(with_key())));
                    assert!(futures_util::poll!(secret.as_mut().unwrap()).is_pending());
                    refuse(&mut kernel);
                    if cancelled {
                        secret = None;
                    }
                    // It receives the refusal of the other.
                    let mut plain = Box::pin(conn.ack(change()));
                    assert!(futures_util::poll!(&mut plain).is_pending());
                    refuse(&mut kernel);
                    assert!(plain.await.is_err());
                    if let Some(secret) = secret {
                        assert!(secret.await.is_err());
                    }
                });
            });
            thread.join().unwrap();
        });
        assert_eq!(found, 0, "blocks that still hold the key, cancelled: {cancelled}");
    }
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
    let (object, reply) = runtime.block_on(async {
        let kernel = async || {
            let asked = peer.asked().await.unwrap().unwrap();
            let request = asked.only().unwrap();
            peer.answer(&Answer::new(16, &[7; 16]).answers(request)).await.unwrap();
            peer.answer(&Answer::ack(request)).await.unwrap();
        };
        let object = tokio::join!(conn.get(with_key(), |message| Ok(message.payload().len())), kernel()).0;
        (object, tokio::join!(conn.exchange(with_key()), kernel()).0)
    });
    assert_eq!(object.unwrap(), 16);
    let messages = reply.unwrap().messages;
    assert_eq!(messages.iter().map(|message| message.payload().len()).collect::<Vec<_>>(), [16]);
}

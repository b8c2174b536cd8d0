//! Something else plays the kernel and does whatever a kernel can do: no hang, no panic, and no success that the answers do
//! not bear out.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "tests panic with context")]

mod interrupted;
mod large;
mod memory;
mod monitor;
#[cfg(all(
    feature = "address",
    feature = "link",
    feature = "neighbour",
    feature = "nexthop",
    feature = "rule"
))]
mod objects;
mod overrun;
mod waiting;

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::Request;
use nl_core::error::Errno;
use nl_core::message::{FixedHeader, IfInfoMsg};
use nl_core::{Connection, Protocol};
use nl_testkit::fault::{Answer, Conversation, Fault, Peer};
use nl_testkit::within;

const RTM_NEWLINK: u16 = 16;
const IFLA_IFNAME: u16 = 3;
/// How long the code under test waits for an answer that does not come.
const PATIENCE: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_secs(20);
const NAMES: [&str; 4] = ["a", "bb", "ccc", "dddd"];

/// A connection whose sockets are played: the first is the connection's own, the others are those of dumps and batches,
/// and each answers its requests as the script for its number says.
fn played(script: impl Fn(usize, &[u8]) -> Conversation + Clone + Send + Sync + 'static) -> Connection {
    played_with(move |number, peer| {
        let script = script.clone();
        // It ends with an error when the code under test closes its end first, which it may.
        async move { drop(peer.serve(move |request| script(number, request)).await) }
    })
}

/// The same with anything at the other end of each socket.
fn played_with<F: Future<Output = ()> + Send + 'static>(
    kernel: impl Fn(usize, Peer) -> F + Send + Sync + 'static,
) -> Connection {
    let made = AtomicUsize::new(0);
    let source = move || -> io::Result<OwnedFd> {
        let number = made.fetch_add(1, Ordering::Relaxed);
        let (socket, peer) = Peer::pair()?;
        tokio::spawn(kernel(number, peer));
        Ok(socket)
    };
    Connection::builder(Protocol::Route).sockets_from(source).timeout(PATIENCE).open().unwrap()
}

/// This socket and no other.
fn only(socket: OwnedFd) -> impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static {
    let socket = Mutex::new(Some(socket));
    move || socket.lock().unwrap().take().ok_or_else(|| io::Error::from_raw_os_error(libc::EMFILE))
}

fn link(name: &str, request: &[u8]) -> Answer {
    let mut header = Vec::new();
    IfInfoMsg { index: 1, ..IfInfoMsg::default() }.write(&mut header);
    Answer::new(RTM_NEWLINK, &header)
        .attr(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat())
        .answers(request)
        .multi()
}

fn table(request: &[u8]) -> Conversation {
    let done = Answer::done(0).answers(request).multi();
    Conversation::of(NAMES.iter().map(|name| link(name, request)).chain([done]))
}

/// A script that answers the first request like this, and each later one, on whichever socket, with the whole table.
fn at_first(
    first: impl Fn(&[u8]) -> Conversation + Clone + Send + Sync + 'static,
) -> impl Fn(usize, &[u8]) -> Conversation + Clone + Send + Sync + 'static {
    let asked = Arc::new(AtomicUsize::new(0));
    move |_, request| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => first(request),
        _ => table(request),
    }
}

/// All that can go wrong with these answers.
fn faults(answers: &Conversation) -> Vec<Fault> {
    let headers = |kind| (kind == RTM_NEWLINK).then_some(IfInfoMsg::LEN);
    answers.faults_with(headers).map(|(fault, _)| fault).collect()
}

/// Whether a reader cannot know: the kernel loses nothing without saying so, and keeps the order.
fn unknowable(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Lost { .. }
            | Fault::Duplicated { .. }
            | Fault::Swapped { .. }
            | Fault::WrongSequence { .. }
            | Fault::AttrLength { .. }
    )
}

#[tokio::test]
async fn a_dump_with_any_fault_ends_and_is_no_success_unless_complete() {
    let all = faults(&table(&[0; 16]));
    assert!(all.len() > 50, "{} faults", all.len());
    let mut failed = 0;
    for fault in all {
        // The first dump has the fault; one that is started again has none.
        let conn =
            played(at_first(move |request| table(request).with(fault).unwrap_or_else(|| table(request))));
        let links = within(DEADLINE, conn.links().collect_all(), &format!("a dump with {fault:?}")).await;
        match links {
            Ok(links) => {
                let names: Vec<_> = links.into_iter().map(|link| link.name).collect();
                assert!(names == NAMES || unknowable(fault), "{fault:?} gave {names:?}");
            }
            Err(_) => failed += 1,
        }
    }
    assert!(failed > 20, "only {failed} faults were noticed");
}

#[tokio::test]
async fn visited_entries_are_those_of_the_list_and_what_ends_it_is_an_error() {
    let conn = played(|_, request| table(request));
    let names = conn.links().visit(Vec::new(), |names, link| names.push(link.name.as_str().to_owned()));
    assert_eq!(within(DEADLINE, names, "the visit").await.unwrap(), NAMES);
    let conn = played(|_, request| table(request).with(Fault::Overrun { delivery: 2 }).unwrap());
    let visit = conn.links().visit(0_u8, |_, _| ());
    assert!(within(DEADLINE, visit, "the visit").await.unwrap_err().is_overrun());
}

fn change(name: &str) -> Request {
    let mut request = Request::unnamed(RTM_NEWLINK).with_header(&IfInfoMsg::default());
    request.attrs().str(IFLA_IFNAME, name);
    request
}

#[tokio::test]
async fn a_request_with_any_fault_in_its_answer_ends_and_the_next_one_is_answered() {
    let all = faults(&Conversation::of([Answer::ack(&[0; 16])]));
    let mut failed = 0;
    for fault in all {
        let asked = Arc::new(AtomicUsize::new(0));
        let conn = played(move |_, request| {
            let good = Conversation::of([Answer::ack(request)]);
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => good.with(fault).unwrap_or(good),
                _ => good,
            }
        });
        let first = within(DEADLINE, conn.ack(change("x")), &format!("a request with {fault:?}")).await;
        failed += usize::from(first.is_err());
        if first.is_ok() {
            let harmless = match fault {
                // The acknowledgement was there, whole or in what counts.
                Fault::Ended { delivery } | Fault::Overrun { delivery } => delivery > 0,
                Fault::Duplicated { .. } | Fault::Interrupted { .. } => true,
                Fault::MessageLength { length, .. } => length >= 20,
                _ => false,
            };
            assert!(harmless, "{fault:?} passed for a success");
        }
        let second = within(DEADLINE, conn.ack(change("y")), "the next request").await;
        match fault {
            Fault::Ended { .. } => assert!(second.is_err(), "a connection that ended answered"),
            _ => assert!(second.is_ok(), "{fault:?} spoilt the next request: {second:?}"),
        }
    }
    assert!(failed > 3, "only {failed} faults were noticed");
}

/// Three requests; the second is refused, the third is the fence.
fn verdicts(requests: &[Vec<u8>]) -> Option<Conversation> {
    let [_, second, third] = requests else { return None };
    Some(Conversation::of([Answer::error(libc::EEXIST, second), Answer::ack(third)]))
}

#[tokio::test]
async fn a_batch_with_any_fault_in_its_answers_gives_every_request_its_outcome() {
    let requests = vec![vec![0; 16]; 3];
    for fault in faults(&verdicts(&requests).unwrap()) {
        let conn = played_with(move |_, peer| async move {
            let Ok(Some(asked)) = peer.asked().await else { return };
            let good = verdicts(&asked.requests).unwrap();
            let kept = peer.play(&good.with(fault).unwrap_or(good)).await;
            // Both ends stay open until the code under test closes its own.
            if let Ok(Some(peer)) = kept {
                let _ = peer.asked().await;
            }
        });
        let batch = conn.batch([change("x"), change("y"), change("z")]);
        let outcomes: Vec<_> =
            within(DEADLINE, batch.collect::<Vec<_>>(), &format!("a batch with {fault:?}")).await;
        assert_eq!(outcomes.len(), 3, "{fault:?}");
        let refused = outcomes.get(1).unwrap();
        if let Err(error) = refused {
            let known = error.errno() == Some(Errno::EEXIST);
            assert!(known || error.errno().is_none(), "{fault:?} made up {error}");
        } else {
            let hidden = unknowable(fault);
            assert!(hidden, "{fault:?} hid the refusal");
        }
    }
}

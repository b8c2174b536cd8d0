//! A played kernel loses events at every point; the watch ends with the kernel's table all the same.
#![cfg(all(feature = "tokio", feature = "fdb"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::message::NLM_F_DUMP;
use nl_core::{Connection, Protocol};
use nl_events::fdb::{FdbChange, FdbEvent, FdbWatch};
use nl_events::stream::Events;
use nl_events::{NetworkEvent, RtnetlinkGroup};
use nl_testkit::fault::{Answer, Conversation, Delivery, Fault, Peer};
use nl_testkit::within;
use tokio::sync::mpsc;

const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const NDA_LLADDR: u16 = 2;
const NDA_MASTER: u16 = 9;
const ENOENT: i32 = 2;
const BRIDGE: u32 = 3;
const DEADLINE: Duration = Duration::from_secs(20);

/// The last byte of an address, and the port it is behind.
type Fdb = BTreeMap<u8, u32>;

fn message(kind: u16, mac: u8, port: u32) -> Answer {
    // struct ndmsg: family, padding, index, state (NUD_REACHABLE), flags, type.
    let header = [&[7, 0, 0, 0][..], &port.to_ne_bytes(), &2_u16.to_ne_bytes(), &[0, 0]].concat();
    let answer = Answer::new(kind, &header).attr(NDA_LLADDR, &[2, 0, 0, 0, 0, mac]);
    answer.attr(NDA_MASTER, &BRIDGE.to_ne_bytes())
}

/// What happens in the kernel: an address appears or moves, or goes.
const HISTORY: [(u8, Option<u32>); 6] =
    [(4, Some(11)), (1, Some(12)), (2, None), (5, Some(12)), (4, None), (3, Some(12))];

fn before() -> Fdb {
    Fdb::from([(1, 11), (2, 11), (3, 11)])
}

/// How the kernel answers its `number`th list.
type Lists = Arc<dyn Fn(usize, Conversation) -> Conversation + Send + Sync>;

struct Kernel {
    fdb: Arc<Mutex<Fdb>>,
    conn: Connection,
    monitors: mpsc::UnboundedReceiver<Peer>,
}

/// The first socket is the connection's, the second the monitor's, the others are those of lists.
fn kernel(lists: Lists) -> Kernel {
    let fdb = Arc::new(Mutex::new(before()));
    let (sender, monitors) = mpsc::unbounded_channel();
    let made = AtomicUsize::new(0);
    let table = Arc::clone(&fdb);
    let source = move || -> io::Result<OwnedFd> {
        let (socket, peer) = Peer::pair()?;
        let (table, lists) = (Arc::clone(&table), Arc::clone(&lists));
        match made.fetch_add(1, Ordering::Relaxed) {
            1 => sender.send(peer).map_err(io::Error::other)?,
            number => drop(tokio::spawn(async move {
                // It ends with an error when the watch closes its end first, which it may.
                let script = move |request: &[u8]| answer(&table.lock().unwrap(), request, number, &lists);
                drop(peer.serve(script).await);
            })),
        }
        Ok(socket)
    };
    let conn = Connection::builder(Protocol::Route).sockets_from(source).timeout(DEADLINE).open().unwrap();
    Kernel { fdb, conn, monitors }
}

fn answer(table: &Fdb, request: &[u8], socket: usize, lists: &Lists) -> Conversation {
    let flags = u16::from_ne_bytes(*request.get(6..).and_then(|rest| rest.first_chunk()).unwrap());
    if flags & NLM_F_DUMP == NLM_F_DUMP {
        let entries =
            table.iter().map(|(mac, port)| message(RTM_NEWNEIGH, *mac, *port).answers(request).multi());
        let list = Conversation::of(entries.chain([Answer::done(0).answers(request)]));
        return lists(socket.saturating_sub(2), list);
    }
    // A question about one entry: NDA_LLADDR is the first attribute.
    let mac = *request.get(28 + 4 + 5).unwrap();
    match table.get(&mac) {
        Some(port) => {
            Conversation::of([message(RTM_NEWNEIGH, mac, *port).answers(request), Answer::ack(request)])
        }
        None => Conversation::of([Answer::error(ENOENT, request)]),
    }
}

/// Applies the changes until the watch says that it is in step, and returns how the table is for who believed them.
async fn follow(watch: &mut FdbWatch, believed: &mut Fdb, what: &str) {
    loop {
        let change = within(DEADLINE, watch.next(), what).await.unwrap();
        if apply(believed, change.unwrap_or_else(|error| panic!("{what}: {error}")), what) {
            return;
        }
    }
}

fn apply(believed: &mut Fdb, change: FdbChange, what: &str) -> bool {
    let of = |entry: &nl_bridge::fdb::FdbEntry| (entry.mac.octets()[5], entry.index);
    match change {
        FdbChange::Added(entry) => assert_eq!(believed.insert(of(&entry).0, of(&entry).1), None, "{what}"),
        FdbChange::Deleted(entry) => assert_eq!(believed.remove(&of(&entry).0), Some(of(&entry).1), "{what}"),
        FdbChange::Moved { from, to } => {
            assert_eq!(believed.insert(of(&to).0, of(&to).1), Some(of(&from).1), "{what}");
        }
        FdbChange::Synced => return true,
        other => panic!("{what}: {other:?}"),
    }
    false
}

fn plain() -> Lists {
    Arc::new(|_, list| list)
}

#[tokio::test]
async fn events_lost_at_any_point_are_made_up_for() {
    for lost_from in 0..HISTORY.len() {
        for lost in 1..=HISTORY.len() - lost_from {
            let what = format!("{lost} events lost from {lost_from} on");
            let Kernel { fdb, conn, mut monitors } = kernel(plain());
            let mut watch = FdbWatch::open(&conn).await.unwrap();
            let monitor = monitors.recv().await.unwrap();
            let mut believed = Fdb::new();
            follow(&mut watch, &mut believed, &what).await;
            assert_eq!(believed, before(), "{what}");
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
                    // The watch has read it before the next one comes, except for what comes with an overrun.
                    if number < lost_from {
                        let change = within(DEADLINE, watch.next(), &what).await.unwrap().unwrap();
                        assert!(!apply(&mut believed, change, &what), "{what}");
                    }
                }
            }
            follow(&mut watch, &mut believed, &what).await;
            assert_eq!(watch.overruns(), 1, "{what}");
            let kernels = fdb.lock().unwrap().clone();
            assert_eq!(believed, kernels, "{what}");
            let kept: Fdb = watch.entries().map(|entry| (entry.mac.octets()[5], entry.index)).collect();
            assert_eq!(kept, kernels, "{what}");
        }
    }
}

#[tokio::test]
async fn a_list_that_fails_at_any_point_is_told_and_repeated() {
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
        let told = within(DEADLINE, watch.next(), &what).await.unwrap();
        assert!(told.as_ref().is_err_and(nl_core::Error::is_overrun), "{what}: {told:?}");
        let mut believed = Fdb::new();
        follow(&mut watch, &mut believed, &what).await;
        assert_eq!(believed, before(), "{what}");
    }
}

#[tokio::test]
async fn a_watch_whose_events_end_says_so_and_ends() {
    let Kernel { conn, mut monitors, .. } = kernel(plain());
    let mut watch = FdbWatch::open(&conn).await.unwrap();
    let monitor = monitors.recv().await.unwrap();
    follow(&mut watch, &mut Fdb::new(), "the first list").await;
    drop(monitor);
    let rest: Vec<_> = within(DEADLINE, watch.collect(), "the end").await;
    assert!(matches!(rest.as_slice(), [Err(_)]), "{rest:?}");
}

#[tokio::test]
async fn a_stream_tells_that_events_were_lost_and_goes_on() {
    let (sender, mut monitors) = mpsc::unbounded_channel();
    let source = move || -> io::Result<OwnedFd> {
        let (socket, peer) = Peer::pair()?;
        sender.send(peer).map_err(io::Error::other)?;
        Ok(socket)
    };
    let mut events = Events::builder().group(RtnetlinkGroup::BridgeFdb).sockets_from(source).open().unwrap();
    let monitor = monitors.recv().await.unwrap();
    monitor.answer(&message(RTM_NEWNEIGH, 1, 11)).await.unwrap();
    monitor.deliver(&Delivery::OVERRUN).await.unwrap();
    monitor.answer(&message(RTM_DELNEIGH, 2, 12)).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(match within(DEADLINE, events.next(), "an event").await.unwrap() {
            Ok(NetworkEvent::Fdb(event)) => {
                Some((event.entry().mac.octets()[5], matches!(event, FdbEvent::New(_))))
            }
            Err(error) if error.is_overrun() => None,
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(told, [Some((1, true)), None, Some((2, false))]);
}

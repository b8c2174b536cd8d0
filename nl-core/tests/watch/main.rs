//! A watch of another family than nl-events has, over a simulated kernel that loses events.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests panic with context")]

mod addresses;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::Request;
use nl_core::address::{RTM_DELADDR, RTM_NEWADDR};
use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;
use nl_core::watch::{Change, Event, Source, Watch};
use nl_core::{Connection, Protocol};
use nl_testkit::fault::{Answer, Conversation, Delivery, Peer, pair};
use nl_testkit::within;
use tokio::sync::mpsc;

use addresses::{Address, Addresses, IFA_ADDRESS, IFA_CACHEINFO};

const DEADLINE: Duration = Duration::from_secs(20);

/// The last byte of an address, and its flags.
type Table = BTreeMap<u8, u8>;

/// `age` seconds are left of the address's lifetime.
fn message(kind: u16, last: u8, flags: u8, age: u32) -> Answer {
    // struct ifaddrmsg: family, prefix length, flags, scope, index.
    let header = [&[2, 24, flags, 0][..], &7_u32.to_ne_bytes()].concat();
    let lifetimes = [age, age, 0, 0].map(u32::to_ne_bytes).concat();
    Answer::new(kind, &header).attr(IFA_ADDRESS, &[192, 0, 2, last]).attr(IFA_CACHEINFO, &lifetimes)
}

/// A kernel with this table. The first socket is the connection's, the second the monitor's, the others are those of lists.
fn kernel(table: &Arc<Mutex<Table>>) -> (Connection, mpsc::UnboundedReceiver<OwnedFd>) {
    let (sender, monitors) = mpsc::unbounded_channel();
    let (made, table) = (AtomicUsize::new(0), Arc::clone(table));
    let source = move || -> io::Result<OwnedFd> {
        let (socket, peer) = pair()?;
        if made.fetch_add(1, Ordering::Relaxed) == 1 {
            sender.send(peer).map_err(io::Error::other)?;
        } else {
            let peer = Peer::over(peer)?;
            let table = Arc::clone(&table);
            let list = move |request: &[u8]| {
                let table = table.lock().unwrap();
                let entry = |(last, flags): (&u8, &u8)| {
                    message(RTM_NEWADDR, *last, *flags, 9).answers(request).multi()
                };
                Conversation::of(table.iter().map(entry).chain([Answer::done(0).answers(request)]))
            };
            // It ends with an error when the watch closes its end first, which it may.
            tokio::spawn(async move { drop(peer.serve(list).await) });
        }
        Ok(socket)
    };
    let conn = Connection::builder(Protocol::Route).sockets_from(source).timeout(DEADLINE).open().unwrap();
    (conn, monitors)
}

async fn next(watch: &mut Watch<Addresses>) -> Change<Address> {
    within(DEADLINE, watch.next(), "a change").await.unwrap().unwrap()
}

/// Applies the changes until the watch is synced.
async fn follow(watch: &mut Watch<Addresses>, table: &mut Table) {
    let of = |address: &Address| match address.ip {
        std::net::IpAddr::V4(ip) => (ip.octets()[3], u8::try_from(address.flags).unwrap()),
        other => panic!("{other}"),
    };
    loop {
        match next(watch).await {
            Change::Added(new) => assert_eq!(table.insert(of(&new).0, of(&new).1), None),
            Change::Changed { before, after } => {
                assert_eq!(table.insert(of(&after).0, of(&after).1), Some(of(&before).1));
            }
            Change::Deleted(old) => assert_eq!(table.remove(&of(&old).0), Some(of(&old).1)),
            Change::Synced => return,
        }
    }
}

#[tokio::test]
async fn watch_of_another_family_reports_the_differences_after_lost_events() {
    let table = Arc::new(Mutex::new(Table::from([(1, 0), (2, 0), (3, 0)])));
    let (conn, mut monitors) = kernel(&table);
    let mut watch = Watch::open(&conn, Addresses).unwrap();
    let monitor = Peer::over(monitors.recv().await.unwrap()).unwrap();
    let mut believed = Table::new();
    follow(&mut watch, &mut believed).await;
    assert_eq!(believed, *table.lock().unwrap());

    // One is changed, one deleted and one added, and no event says so.
    *table.lock().unwrap() = Table::from([(1, 0x80), (3, 0), (4, 0)]);
    monitor.deliver(&Delivery::OVERRUN).await.unwrap();
    follow(&mut watch, &mut believed).await;
    assert_eq!(believed, *table.lock().unwrap());
    assert_eq!((watch.overruns(), watch.len()), (1, 3));
}

#[tokio::test]
async fn watch_of_another_family_reports_events_but_not_ages() {
    let table = Arc::new(Mutex::new(Table::from([(1, 0)])));
    let (conn, mut monitors) = kernel(&table);
    let mut watch = Watch::open(&conn, Addresses).unwrap();
    let monitor = Peer::over(monitors.recv().await.unwrap()).unwrap();
    follow(&mut watch, &mut Table::new()).await;
    // Only its lifetime differs.
    monitor.answer(&message(RTM_NEWADDR, 1, 0, 5)).await.unwrap();
    monitor.answer(&message(RTM_NEWADDR, 1, 0x80, 5)).await.unwrap();
    monitor.answer(&message(RTM_DELADDR, 1, 0x80, 5)).await.unwrap();
    let Change::Changed { before, after } = next(&mut watch).await else { panic!("not changed") };
    assert_eq!((before.ip, before.flags, after.flags), (Ipv4Addr::new(192, 0, 2, 1).into(), 0, 0x80));
    assert_ne!(before.lifetimes, None);
    let Change::Deleted(deleted) = next(&mut watch).await else { panic!("not deleted") };
    assert_eq!(deleted.flags, 0x80);
    assert!(watch.is_empty());
}

/// Addresses, with something that happens while a list is read.
#[derive(Clone)]
struct Meanwhile(Arc<dyn Fn() + Send + Sync>);

impl Source for Meanwhile {
    type Entry = Address;
    const PROTOCOL: Protocol = Addresses::PROTOCOL;
    const ENTRIES: &'static str = Addresses::ENTRIES;

    fn groups(&self) -> Vec<u32> {
        Addresses.groups()
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Address>>, DecodeError> {
        Addresses.decode_event(message)
    }

    fn list(&self) -> Request {
        Addresses.list()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Address>, DecodeError> {
        (self.0)();
        Addresses.decode_entry(message)
    }

    fn question(&self, entry: &Address) -> Option<Request> {
        Addresses.question(entry)
    }
}

/// A list skips an entry for each one that is deleted while it is read, also if the watch reads of the deletion later.
#[tokio::test]
async fn list_is_repeated_after_a_deletion_whose_event_is_read_behind_its_end() {
    let table = Arc::new(Mutex::new(Table::from([(1, 0), (2, 0)])));
    let (conn, mut monitors) = kernel(&table);
    let (monitor, read) = (Arc::new(OnceLock::<UnixDatagram>::new()), Arc::new(AtomicUsize::new(0)));
    let (sender, counter) = (Arc::clone(&monitor), Arc::clone(&read));
    let source = Meanwhile(Arc::new(move || {
        // The last entry of the first list.
        if counter.fetch_add(1, Ordering::Relaxed) == 1 {
            sender.get().unwrap().send(&message(RTM_DELADDR, 9, 0, 5).to_bytes()).unwrap();
        }
    }));
    let mut watch = Watch::open(&conn, source).unwrap();
    monitor.set(monitors.recv().await.unwrap().into()).unwrap();
    let synced = async { while watch.next().await.unwrap().unwrap() != Change::Synced {} };
    within(DEADLINE, synced, "the watch to be synced").await;
    assert_eq!((watch.len(), read.load(Ordering::Relaxed)), (2, 4));
}

/// Addresses of a kernel that removes from its list a moment after it has reported.
#[derive(Clone)]
struct Settling;

impl Source for Settling {
    type Entry = Address;
    const PROTOCOL: Protocol = Addresses::PROTOCOL;
    const ENTRIES: &'static str = Addresses::ENTRIES;
    const SETTLING: Duration = Duration::from_millis(300);

    fn groups(&self) -> Vec<u32> {
        Addresses.groups()
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Address>>, DecodeError> {
        Addresses.decode_event(message)
    }

    fn list(&self) -> Request {
        Addresses.list()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Address>, DecodeError> {
        Addresses.decode_entry(message)
    }

    fn question(&self, entry: &Address) -> Option<Request> {
        Addresses.question(entry)
    }
}

#[tokio::test]
async fn list_is_read_after_the_kernel_has_settled() {
    let table = Arc::new(Mutex::new(Table::from([(1, 0), (2, 0)])));
    let (conn, _monitors) = kernel(&table);
    let mut watch = Watch::open(&conn, Settling).unwrap();
    assert!(futures_util::poll!(watch.next()).is_pending());
    // A list would be answered meanwhile.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    table.lock().unwrap().remove(&1);
    let synced = async { while watch.next().await.unwrap().unwrap() != Change::Synced {} };
    within(DEADLINE, synced, "the watch to be synced").await;
    assert_eq!(watch.len(), 1);
}

#[tokio::test]
async fn watch_over_another_protocol_is_refused() {
    let conn = Connection::open(Protocol::Generic).unwrap();
    let error = Watch::open(&conn, Addresses).unwrap_err();
    assert_eq!(error.to_string(), "addresses are on NETLINK_ROUTE, not NETLINK_GENERIC");
}

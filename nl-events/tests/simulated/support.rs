//! A simulated kernel with a forwarding database.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::message::NLM_F_DUMP;
use nl_core::{Connection, Protocol};
use nl_events::fdb::{FdbChange, FdbWatch};
use nl_testkit::fault::{Answer, Conversation, Delivery, Peer};
use nl_testkit::within;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub(crate) const RTM_NEWNEIGH: u16 = 28;
pub(crate) const RTM_DELNEIGH: u16 = 29;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const NDA_LLADDR: u16 = 2;
const NDA_MASTER: u16 = 9;
const BRIDGE: u32 = 3;
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The last byte of an address, and the port it is behind.
pub(crate) type Fdb = BTreeMap<u8, u32>;

pub(crate) fn message(kind: u16, mac: u8, port: u32) -> Answer {
    // struct ndmsg: family, padding, index, state (NUD_REACHABLE), flags, type.
    let header = [&[7, 0, 0, 0][..], &port.to_ne_bytes(), &2_u16.to_ne_bytes(), &[0, 0]].concat();
    let answer = Answer::new(kind, &header).attr(NDA_LLADDR, &[2, 0, 0, 0, 0, mac]);
    answer.attr(NDA_MASTER, &BRIDGE.to_ne_bytes())
}

pub(crate) fn before() -> Fdb {
    Fdb::from([(1, 11), (2, 11), (3, 11)])
}

/// How the kernel answers a list, given the number of the list's socket.
pub(crate) type Lists = Arc<dyn Fn(usize, Conversation) -> Conversation + Send + Sync>;

pub(crate) fn plain() -> Lists {
    Arc::new(|_, list| list)
}

/// A message behind the end of the list, so that its socket is not used again.
pub(crate) fn with_sockets_of_their_own() -> Lists {
    Arc::new(|_, list| {
        let noop = Conversation::of([Answer::new(1, &[])]);
        list.deliveries().iter().chain(noop.deliveries()).cloned().collect::<Conversation>().packed(4096)
    })
}

pub(crate) struct Kernel {
    pub(crate) fdb: Arc<Mutex<Fdb>>,
    pub(crate) conn: Connection,
    pub(crate) monitors: mpsc::UnboundedReceiver<Peer>,
    /// An error number with which sockets for lists are refused; 0 for none.
    pub(crate) refuse: Arc<AtomicI32>,
    /// How many lists were asked for.
    pub(crate) lists: Arc<AtomicUsize>,
    /// How many questions about one entry fail in the socket with this error number.
    pub(crate) broken: Arc<Mutex<Vec<i32>>>,
}

/// The first socket is the connection's, the second the monitor's, the others are those of lists. The kernel lives on the
/// current runtime.
pub(crate) fn kernel(lists: Lists) -> Kernel {
    let fdb = Arc::new(Mutex::new(before()));
    let (sender, monitors) = mpsc::unbounded_channel();
    let (refuse, listed, broken) = (Arc::default(), Arc::default(), Arc::default());
    let script =
        Script { fdb: Arc::clone(&fdb), lists, listed: Arc::clone(&listed), broken: Arc::clone(&broken) };
    let (made, runtime, refused) = (AtomicUsize::new(0), Handle::current(), Arc::clone(&refuse));
    let source = move || -> io::Result<OwnedFd> {
        let number = made.load(Ordering::Relaxed);
        match AtomicI32::load(&refused, Ordering::Relaxed) {
            errno if errno != 0 && number >= 2 => return Err(io::Error::from_raw_os_error(errno)),
            _ => drop(made.fetch_add(1, Ordering::Relaxed)),
        }
        let _entered = runtime.enter();
        let (socket, peer) = Peer::pair()?;
        if number == 1 {
            sender.send(peer).map_err(io::Error::other)?;
        } else {
            let script = script.clone();
            runtime.spawn(async move {
                // It ends with an error when the watch closes its end first, which it may.
                drop(peer.serve(|request| script.answer(request, number)).await);
            });
        }
        Ok(socket)
    };
    let conn = Connection::builder(Protocol::Route).sockets_from(source).timeout(DEADLINE).open().unwrap();
    Kernel { fdb, conn, monitors, refuse, lists: listed, broken }
}

#[derive(Clone)]
struct Script {
    fdb: Arc<Mutex<Fdb>>,
    lists: Lists,
    listed: Arc<AtomicUsize>,
    broken: Arc<Mutex<Vec<i32>>>,
}

impl Script {
    fn answer(&self, request: &[u8], socket: usize) -> Conversation {
        let table = self.fdb.lock().unwrap();
        let short =
            |at: usize| u16::from_ne_bytes(*request.get(at..).and_then(|rest| rest.first_chunk()).unwrap());
        if short(6) & NLM_F_DUMP == NLM_F_DUMP {
            self.listed.fetch_add(1, Ordering::SeqCst);
            let entries =
                table.iter().map(|(mac, port)| message(RTM_NEWNEIGH, *mac, *port).answers(request).multi());
            let list = Conversation::of(entries.chain([Answer::done(0).answers(request)]));
            return (self.lists)(socket.saturating_sub(2), list);
        }
        if short(4) == RTM_GETLINK {
            // struct ifinfomsg: family, padding, type, index, flags, change.
            let header = [&[0; 4][..], request.get(20..24).unwrap(), &[0; 8]].concat();
            let link = Answer::new(RTM_NEWLINK, &header).attr(IFLA_IFNAME, b"swp1\0").answers(request);
            return Conversation::of([link, Answer::ack(request)]);
        }
        if let Some(errno) = self.broken.lock().unwrap().pop() {
            return [Delivery::Error(errno)].into_iter().collect();
        }
        // A question about one entry: NDA_LLADDR is the first attribute.
        let mac = *request.get(28 + 4 + 5).unwrap();
        match table.get(&mac) {
            Some(port) => {
                Conversation::of([message(RTM_NEWNEIGH, mac, *port).answers(request), Answer::ack(request)])
            }
            None => Conversation::of([Answer::error(libc::ENOENT, request)]),
        }
    }
}

/// Applies the changes until the watch is synced.
pub(crate) async fn follow(watch: &mut FdbWatch, table: &mut Fdb, what: &str) {
    loop {
        let change = within(DEADLINE, watch.next(), what).await.unwrap();
        if apply(table, change.unwrap_or_else(|error| panic!("{what}: {error}")), what) {
            return;
        }
    }
}

pub(crate) fn apply(table: &mut Fdb, change: FdbChange, what: &str) -> bool {
    let of = |entry: &nl_bridge::fdb::FdbEntry| (entry.mac.octets()[5], entry.index);
    match change {
        FdbChange::Added(entry) => assert_eq!(table.insert(of(&entry).0, of(&entry).1), None, "{what}"),
        FdbChange::Deleted(entry) => assert_eq!(table.remove(&of(&entry).0), Some(of(&entry).1), "{what}"),
        FdbChange::Moved { from, to } => {
            assert_eq!(table.insert(of(&to).0, of(&to).1), Some(of(&from).1), "{what}");
        }
        FdbChange::Synced => return true,
        other => panic!("{what}: {other:?}"),
    }
    false
}

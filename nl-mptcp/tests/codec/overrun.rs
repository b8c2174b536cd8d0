//! A simulated kernel loses events at every point; the path manager's table converges to the kernel's.
#![cfg_attr(
    not(feature = "tokio"),
    expect(dead_code, unused_imports, reason = "for tests that wait in tokio")
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::{Connection, Protocol};
use nl_mptcp::Mptcp;
use nl_mptcp::path_manager::{PathEvent, PathManager, Policy, Report, Table};
use nl_testkit::fault::{Answer, Conversation, Delivery, Fault, Peer};
use nl_testkit::within;
use tokio::sync::mpsc;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
const NLCTRL: u16 = 0x10;
const FAMILY: u16 = 0x1c;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
/// The number of an RTM_NEWADDR too, but on another protocol.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const ETH1: u32 = 3;
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, 2), 443);

/// The state of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct World {
    /// By token: whether it is established, and the ports of its further subflows.
    connections: BTreeMap<u32, (bool, BTreeSet<u16>)>,
    addresses: BTreeSet<Ipv4Addr>,
}

/// What happens in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Created(u32),
    Established(u32),
    Joined(u32, u16),
    Left(u32, u16),
    Closed(u32),
    Address(u8),
    NoAddress(u8),
}

const HISTORY: [Step; 10] = [
    Step::Created(0xa),
    Step::Established(0xa),
    Step::Joined(0xa, 4001),
    Step::Address(7),
    Step::Created(0xb),
    Step::Established(0xb),
    Step::Left(0xa, 4001),
    Step::NoAddress(1),
    Step::Closed(0xc),
    Step::Joined(0xb, 4002),
];

fn before() -> World {
    World {
        connections: BTreeMap::from([(0xc, (true, BTreeSet::from([4000])))]),
        addresses: BTreeSet::from([address(1)]),
    }
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, last)
}

/// The local end of a subflow; the port of the initial one is derived from the token.
fn local(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address(1), port)
}

fn first(token: u32) -> SocketAddrV4 {
    local(1000 + u16::try_from(token).unwrap())
}

impl Step {
    fn happens(self, world: &mut World) {
        let connections = &mut world.connections;
        match self {
            Self::Created(token) => drop(connections.insert(token, (false, BTreeSet::new()))),
            Self::Established(token) => connections.get_mut(&token).unwrap().0 = true,
            Self::Joined(token, port) => assert!(connections.get_mut(&token).unwrap().1.insert(port)),
            Self::Left(token, port) => assert!(connections.get_mut(&token).unwrap().1.remove(&port)),
            Self::Closed(token) => assert!(connections.remove(&token).is_some()),
            Self::Address(last) => assert!(world.addresses.insert(address(last))),
            Self::NoAddress(last) => assert!(world.addresses.remove(&address(last))),
        }
    }

    /// The kernel's event for it.
    pub(crate) fn event(self) -> Answer {
        let event =
            |number: u8, token: u32| Answer::new(FAMILY, &[number, 1, 0, 0]).attr(1, &token.to_ne_bytes());
        let ends = |event: Answer, local: SocketAddrV4| {
            let event = event.attr(2, &2_u16.to_ne_bytes()).attr(5, &local.ip().octets());
            let event = event.attr(7, &SERVER.ip().octets()).attr(9, &local.port().to_be_bytes());
            event.attr(10, &SERVER.port().to_be_bytes()).attr(3, &[0]).attr(4, &[0])
        };
        match self {
            Self::Created(token) => ends(event(1, token), first(token)),
            Self::Established(token) => ends(event(2, token), first(token)),
            Self::Joined(token, port) => ends(event(10, token), local(port)).attr(11, &[0]),
            Self::Left(token, port) => ends(event(11, token), local(port)).attr(11, &[0]),
            Self::Closed(token) => event(3, token),
            Self::Address(last) => of_address(RTM_NEWADDR, address(last)),
            Self::NoAddress(last) => of_address(RTM_DELADDR, address(last)),
        }
    }

    /// Whether the path manager reports it with this event. It does not report a connection before it is established.
    pub(crate) fn is_reported_as(self, reported: &PathEvent) -> bool {
        match (self, reported) {
            (Self::Established(a), PathEvent::Established { token: b })
            | (Self::Joined(a, _), PathEvent::SubflowEstablished { token: b, .. })
            | (Self::Left(a, _), PathEvent::SubflowClosed { token: b, .. })
            | (Self::Closed(a), PathEvent::Closed { token: b }) => a == b.get(),
            (Self::Address(_), PathEvent::AddressAdded { .. })
            | (Self::NoAddress(_), PathEvent::AddressRemoved { .. }) => true,
            _ => false,
        }
    }

    fn is_of_mptcp(self) -> bool {
        !matches!(self, Self::Address(_) | Self::NoAddress(_))
    }
}

fn of_address(kind: u16, address: Ipv4Addr) -> Answer {
    // struct ifaddrmsg: family, prefix, flags, scope, index. IFA_LOCAL.
    let header = [&[2, 24, 0, 0][..], &ETH1.to_ne_bytes()].concat();
    Answer::new(kind, &header).attr(2, &address.octets())
}

/// `struct inet_diag_msg` of an established socket, and its attributes.
fn socket(local: SocketAddrV4, inode: u32) -> Answer {
    let mut body = vec![2, 1, 0, 0];
    body.extend(local.port().to_be_bytes());
    body.extend(SERVER.port().to_be_bytes());
    for address in [local.ip(), SERVER.ip()] {
        body.extend(address.octets());
        body.extend([0; 12]);
    }
    // Interface, cookie, expires, queues, uid.
    body.extend([0; 28]);
    body.extend(inode.to_ne_bytes());
    Answer::new(SOCK_DIAG_BY_FAMILY, &body)
}

fn mptcp_socket(token: u32) -> Answer {
    let mut info = [0; 96];
    info[8] = 2;
    info[12..16].copy_from_slice(&token.to_ne_bytes());
    socket(first(token), token).attr(2, &info)
}

/// An attribute inside of another.
fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn subflow(token: u32, local: SocketAddrV4, established: bool) -> Answer {
    let (by_this_side, id) = if local == first(token) { (1 << 1, 0) } else { (1 << 3, 7) };
    let flags: u32 = by_this_side | u32::from(established) << 6 | 1 << 7;
    let mptcp =
        [attr(2, &token.to_ne_bytes()), attr(8, &flags.to_ne_bytes()), attr(9, &[0]), attr(10, &[id])];
    let ulp = [attr(1, b"mptcp\0"), attr(3, &mptcp.concat())].concat();
    socket(local, token).attr(19, &ulp)
}

fn answer(world: &World, request: &[u8]) -> Conversation {
    let list = |entries: Vec<Answer>| {
        let entries = entries.into_iter().map(|entry| entry.answers(request).multi());
        Conversation::of(entries.chain([Answer::done(0).answers(request)]))
    };
    match u16::from_ne_bytes([request[4], request[5]]) {
        NLCTRL => {
            // One group in a nest: CTRL_ATTR_MCAST_GRP_NAME and _ID.
            let group = [attr(1, b"mptcp_pm_events\0"), attr(2, &9_u32.to_ne_bytes())].concat();
            let groups = attr(1, &group);
            let family =
                Answer::new(NLCTRL, &[1, 2, 0, 0]).attr(2, b"mptcp_pm\0").attr(1, &FAMILY.to_ne_bytes());
            Conversation::of([family.attr(7, &groups).answers(request), Answer::ack(request)])
        }
        RTM_GETLINK => {
            // struct ifinfomsg: family, type, index, flags (up and running), change. IFLA_IFNAME.
            let header = [&[0, 0, 1, 0][..], &ETH1.to_ne_bytes(), &0x41_u32.to_ne_bytes(), &[0; 4]].concat();
            let link = Answer::new(RTM_NEWLINK, &header).attr(3, b"eth1\0");
            match u16::from_ne_bytes([request[6], request[7]]) & NLM_F_DUMP {
                NLM_F_DUMP => list(vec![link]),
                // The watch of addresses waits for the answer, whichever link it is about.
                _ => Conversation::of([link.answers(request), Answer::ack(request)]),
            }
        }
        RTM_GETADDR => {
            list(world.addresses.iter().map(|address| of_address(RTM_NEWADDR, *address)).collect())
        }
        SOCK_DIAG_BY_FAMILY if request[16] != 2 => list(Vec::new()),
        // struct inet_diag_req_v2: family, protocol.
        SOCK_DIAG_BY_FAMILY if request[17] != 6 => {
            list(world.connections.keys().map(|token| mptcp_socket(*token)).collect())
        }
        SOCK_DIAG_BY_FAMILY => {
            let of = |(token, (established, further)): (&u32, &(bool, BTreeSet<u16>))| {
                let (token, established) = (*token, *established);
                let ends = [first(token)].into_iter().chain(further.iter().map(|port| local(*port)));
                ends.map(|end| subflow(token, end, established)).collect::<Vec<_>>()
            };
            list(world.connections.iter().flat_map(of).collect())
        }
        FAMILY => Conversation::of([Answer::ack(request)]),
        other => panic!("nobody asks for {other}"),
    }
}

pub(crate) struct Kernel {
    world: Arc<Mutex<World>>,
    pub(crate) mptcp: Mptcp,
    pub(crate) monitors: mpsc::UnboundedReceiver<Peer>,
}

/// Sockets are opened in this order: the connection's, one to rtnetlink, the monitors of Multipath TCP, links and addresses, one to
/// sock_diag, and those of lists.
const MONITORS: [usize; 3] = [2, 3, 4];
const NLM_F_DUMP: u16 = 0x300;

/// `lists` changes the answer to the `number`th list. The kernel is simulated on the runtime where this is called.
pub(crate) fn kernel(lists: impl Fn(usize, Conversation) -> Conversation + Send + Sync + 'static) -> Kernel {
    let world = Arc::new(Mutex::new(before()));
    let (sender, monitors) = mpsc::unbounded_channel();
    let (made, table, lists) = (AtomicUsize::new(0), Arc::clone(&world), Arc::new(lists));
    let listed = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Handle::current();
    let source = move || -> io::Result<OwnedFd> {
        let _here = runtime.enter();
        let (socket, peer) = Peer::pair()?;
        let (table, lists, listed) = (Arc::clone(&table), Arc::clone(&lists), Arc::clone(&listed));
        match made.fetch_add(1, Ordering::Relaxed) {
            number if MONITORS.contains(&number) => sender.send(peer).map_err(io::Error::other)?,
            _ => drop(tokio::spawn(async move {
                // It ends with an error when the code under test closes its end first, which it may.
                let script = |request: &[u8]| {
                    let answers = answer(&table.lock().unwrap(), request);
                    match u16::from_ne_bytes([request[6], request[7]]) & NLM_F_DUMP {
                        NLM_F_DUMP => lists(listed.fetch_add(1, Ordering::Relaxed), answers),
                        _ => answers,
                    }
                };
                drop(peer.serve(script).await);
            })),
        }
        Ok(socket)
    };
    let conn = Connection::builder(Protocol::Generic).sockets_from(source).timeout(DEADLINE).open().unwrap();
    Kernel { world, mptcp: Mptcp::new(conn), monitors }
}

/// Polls until this is reported.
pub(crate) async fn until<P: Policy>(
    manager: &mut PathManager<P>,
    what: &str,
    wanted: impl Fn(&PathEvent) -> bool,
) {
    let reported = async {
        loop {
            match manager.next().await.unwrap() {
                Ok(Report::Event(event)) if wanted(&event) => return,
                Ok(_) => {}
                Err(error) => panic!("{what}: {error}"),
            }
        }
    };
    within(DEADLINE, reported, what).await;
}

/// The other ends of the monitors, in their order.
pub(crate) async fn peers(monitors: &mut mpsc::UnboundedReceiver<Peer>) -> [Peer; 3] {
    [monitors.recv().await.unwrap(), monitors.recv().await.unwrap(), monitors.recv().await.unwrap()]
}

/// The table in the words of the kernel.
fn known(table: &Table) -> World {
    let mut world = World::default();
    for connection in table.connections() {
        let token = connection.token.get();
        assert_eq!((connection.local, connection.remote), (first(token).into(), SERVER.into()));
        let mut ports: BTreeSet<_> = connection.subflows.iter().map(|subflow| subflow.local.port()).collect();
        assert!(ports.remove(&first(token).port()), "{connection:?}");
        world.connections.insert(token, (connection.established, ports));
    }
    let all = table.interfaces().flat_map(|interface| interface.addresses.keys());
    world.addresses = all.map(|address| address.to_string().parse().unwrap()).collect();
    world
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn table_recovers_from_events_lost_at_any_point() {
    for lost_from in 0..HISTORY.len() {
        for lost in 1..=HISTORY.len() - lost_from {
            let what = format!("{lost} events lost from {lost_from} on");
            let Kernel { world, mptcp, mut monitors } = kernel(|_, list| list);
            let mut manager = PathManager::open(&mptcp, ()).await.unwrap();
            let [of_mptcp, _of_links, of_addresses] = peers(&mut monitors).await;
            until(&mut manager, &what, |event| *event == PathEvent::Synced).await;
            assert_eq!(known(manager.table()), before(), "{what}");
            for (number, step) in HISTORY.into_iter().enumerate() {
                step.happens(&mut world.lock().unwrap());
                let monitor = if step.is_of_mptcp() { &of_mptcp } else { &of_addresses };
                if (lost_from..lost_from + lost).contains(&number) {
                    // Each monitor reports its overrun once.
                    let earlier = &HISTORY[lost_from..number];
                    if earlier.iter().all(|other| other.is_of_mptcp() != step.is_of_mptcp()) {
                        monitor.deliver(&Delivery::OVERRUN).await.unwrap();
                    }
                } else {
                    monitor.answer(&step.event()).await.unwrap();
                    // It is read before the next one is sent, except for events around an overrun.
                    if number < lost_from && !matches!(step, Step::Created(_)) {
                        until(&mut manager, &what, |event| step.is_reported_as(event)).await;
                    }
                }
            }
            until(&mut manager, &what, |event| *event == PathEvent::Synced).await;
            let lost = &HISTORY[lost_from..lost_from + lost];
            let both =
                lost.iter().any(|step| step.is_of_mptcp()) && !lost.iter().all(|step| step.is_of_mptcp());
            assert_eq!(manager.overruns(), 1 + u64::from(both), "{what}");
            let kernels = world.lock().unwrap().clone();
            assert_eq!(known(manager.table()), kernels, "{what}");
        }
    }
}

/// The lists of links and addresses, and those of sockets.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn lost_list_is_reported_and_repeated() {
    for lost in 0..3 {
        let what = format!("list {lost} is lost");
        let Kernel { mptcp, mut monitors, .. } = kernel(move |number, list| match number == lost {
            true => list.with(Fault::Overrun { delivery: 0 }).unwrap(),
            false => list,
        });
        let mut manager = PathManager::open(&mptcp, ()).await.unwrap();
        let _monitors = peers(&mut monitors).await;
        let reported = within(DEADLINE, manager.next(), &what).await.unwrap();
        assert!(reported.as_ref().is_err_and(nl_core::Error::is_overrun), "{what}: {reported:?}");
        until(&mut manager, &what, |event| *event == PathEvent::Synced).await;
        assert_eq!(known(manager.table()), before(), "{what}");
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn path_manager_ends_with_an_error_when_events_end() {
    for ends in 0..3 {
        let Kernel { mptcp, mut monitors, .. } = kernel(|_, list| list);
        let mut manager = PathManager::open(&mptcp, ()).await.unwrap();
        let mut peers = Vec::from(peers(&mut monitors).await);
        until(&mut manager, "the first list", |event| *event == PathEvent::Synced).await;
        drop(peers.remove(ends));
        let rest: Vec<_> = within(DEADLINE, manager.collect(), "the end").await;
        assert!(matches!(rest.as_slice(), [Err(_)]), "{rest:?}");
    }
}

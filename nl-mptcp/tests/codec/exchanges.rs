//! Operations of several requests over a simulated kernel: with every fault of every answer, and dropped at every await point.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use nl_core::{Connection, Protocol};
use nl_mptcp::diag::SockDiag;
use nl_mptcp::{AddressId, Mptcp};
use nl_testkit::fault::{
    Answer, Conversation, Operation, Played, each_at_every_await, each_with_every_fault, in_words,
};

use crate::old_kernels::{NLCTRL, family, listing};

/// That of `listing`.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
const DEADLINE: Duration = Duration::from_secs(20);
/// Where there is a fault, an answer may not come.
const PATIENCE: Duration = Duration::from_millis(20);
/// Of a connection: its own, and those of lists that are kept to be used again.
const SOCKETS: usize = 5;

/// A kernel with the endpoint 10.0.1.2 id 7 subflow backup, which carries out whatever it is asked.
fn kernel(request: &[u8]) -> Conversation {
    let number = u16::from_ne_bytes([request[4], request[5]]);
    match (number, request[16]) {
        (NLCTRL, _) => family(request, 0),
        // `MPTCP_PM_CMD_GET_ADDR`, as a list.
        (_, 3) => listing(request),
        // `MPTCP_PM_CMD_GET_LIMITS`: MPTCP_PM_ATTR_RCV_ADD_ADDRS and MPTCP_PM_ATTR_SUBFLOWS.
        (_, 6) => {
            let limits = Answer::new(number, &[6, 1, 0, 0])
                .attr(2, &4_u32.to_ne_bytes())
                .attr(3, &2_u32.to_ne_bytes());
            Conversation::of([limits.answers(request), Answer::ack(request)])
        }
        _ => Conversation::of([Answer::ack(request)]),
    }
}

fn ends() -> [SocketAddr; 2] {
    [SocketAddr::new(IpAddr::V4(ADDRESS), 4000), SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1)), 80)]
}

const OPERATIONS: &[Operation<Mptcp>] = &[
    ("read the limits", |mptcp| in_words(mptcp.limits().get())),
    ("set the limits", |mptcp| in_words(mptcp.limits().subflows(3).set())),
    ("add an endpoint", |mptcp| in_words(mptcp.endpoint(ADDRESS).subflow().add())),
    ("read an endpoint", |mptcp| in_words(mptcp.endpoint(ADDRESS).get())),
    ("change an endpoint", |mptcp| in_words(mptcp.endpoint(ADDRESS).nobackup().change())),
    ("delete an endpoint by address", |mptcp| in_words(mptcp.endpoint(ADDRESS).delete())),
    ("delete an endpoint by id", |mptcp| in_words(mptcp.endpoint(AddressId::new(7)).delete())),
    ("drop initial subflows", |mptcp| in_words(mptcp.endpoint(ADDRESS).drop_initial())),
    ("list endpoints", |mptcp| in_words(async move { mptcp.endpoints().list().await?.collect_all().await })),
    ("flush endpoints", |mptcp| in_words(mptcp.endpoints().flush())),
    ("announce an address", |mptcp| {
        in_words(mptcp.mptcp_connection(1).address(ADDRESS.into(), 5).announce())
    }),
    ("withdraw an address", |mptcp| in_words(mptcp.mptcp_connection(1).withdraw(5))),
    ("create a subflow", |mptcp| {
        let [near, far] = ends();
        in_words(mptcp.mptcp_connection(1).subflow(near, far).id(5).create())
    }),
    ("destroy a subflow", |mptcp| {
        let [near, far] = ends();
        in_words(mptcp.mptcp_connection(1).subflow(near, far).destroy())
    }),
    ("read an endpoint by id", |mptcp| in_words(mptcp.endpoint(AddressId::new(7)).get())),
    ("change a subflow", |mptcp| {
        let [near, far] = ends();
        in_words(mptcp.mptcp_connection(1).subflow(near, far).backup().change())
    }),
];

/// A kernel without sockets.
fn sock_diag_kernel(request: &[u8]) -> Conversation {
    Conversation::of([Answer::done(0).answers(request)])
}

const DIAG_OPERATIONS: &[Operation<SockDiag>] = &[
    ("list sockets", |diag| in_words(async move { diag.sockets().list().collect_all().await })),
    ("list subflows", |diag| in_words(async move { diag.subflows().list().collect_all().await })),
    ("list connections", |diag| in_words(diag.connections().list())),
];

fn sock_diag(kernel: &Played) -> SockDiag {
    SockDiag::new(connection(kernel, Protocol::SockDiag))
}

fn mptcp(kernel: &Played) -> Mptcp {
    Mptcp::new(connection(kernel, Protocol::Generic))
}

fn connection(kernel: &Played, protocol: Protocol) -> Connection {
    let patience = if kernel.has_fault() { PATIENCE } else { DEADLINE };
    let sockets = kernel.clone();
    let builder = Connection::builder(protocol).sockets_from(move || sockets.socket());
    builder.timeout(patience).open().unwrap()
}

#[tokio::test]
async fn operation_with_any_fault_ends_and_is_no_false_success() {
    each_with_every_fault(OPERATIONS, kernel, |_| None, DEADLINE, mptcp).await;
    each_with_every_fault(DIAG_OPERATIONS, sock_diag_kernel, |_| None, DEADLINE, sock_diag).await;
}

#[tokio::test]
async fn operation_dropped_at_any_await_leaves_the_connection_usable_and_nothing_else() {
    let works = async |mptcp: &Mptcp| assert_eq!(mptcp.limits().get().await.unwrap().subflows, 2);
    each_at_every_await(OPERATIONS, kernel, SOCKETS, DEADLINE, mptcp, works).await;
    let works = async |diag: &SockDiag| assert_eq!(diag.connections().list().await.unwrap(), []);
    each_at_every_await(DIAG_OPERATIONS, sock_diag_kernel, SOCKETS, DEADLINE, sock_diag, works).await;
}

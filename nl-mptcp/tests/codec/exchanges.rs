//! Operations of several requests over a simulated kernel: with every fault of every answer, and dropped at every await point.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use nl_core::{Connection, Protocol};
use nl_mptcp::{AddressId, Mptcp};
use nl_testkit::fault::{Answer, Conversation, InWords, Played, every_await, every_fault, in_words};

use crate::old_kernels::{NLCTRL, family, listing};

/// That of `listing`.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
const DEADLINE: Duration = Duration::from_secs(20);
/// Where there is a fault, an answer may not come.
const PATIENCE: Duration = Duration::from_millis(20);
/// Of a connection: its own, and those of lists that are kept to be used again.
const SOCKETS: usize = 5;

type Operation = fn(Mptcp) -> InWords;

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

const OPERATIONS: &[(&str, Operation)] = &[
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
];

fn mptcp(kernel: &Played) -> Mptcp {
    let patience = if kernel.has_fault() { PATIENCE } else { DEADLINE };
    let sockets = kernel.clone();
    let builder = Connection::builder(Protocol::Generic).sockets_from(move || sockets.socket());
    Mptcp::new(builder.timeout(patience).open().unwrap())
}

#[tokio::test]
async fn operation_with_any_fault_ends_and_is_no_false_success() {
    let mut wrong = Vec::new();
    for (what, operation) in OPERATIONS {
        let faults = every_fault(kernel, |_| None, DEADLINE, |kernel| operation(mptcp(&kernel))).await;
        assert!(faults.expected.is_ok(), "{what}: {:?}", faults.expected);
        assert!(faults.tried > 40 && faults.noticed > 20, "{what}: {faults:?}");
        wrong.extend(faults.false_successes.iter().map(|success| format!("{what}: {success}")));
    }
    assert!(wrong.is_empty(), "{} false successes:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn operation_dropped_at_any_await_leaves_the_connection_usable_and_nothing_else() {
    for (what, operation) in OPERATIONS {
        let kernel = Played::new(kernel);
        let mptcp = mptcp(&kernel);
        let works = async || assert_eq!(mptcp.limits().get().await.unwrap().subflows, 2);
        let run = || operation(mptcp.clone());
        let (outcome, points) = every_await(&kernel, SOCKETS, DEADLINE, run, works).await;
        outcome.unwrap();
        // Before its first poll, and while it waits for an answer.
        assert!(points >= 2, "{what}: {points} points");
        drop(mptcp);
        let closed = async || (kernel.open_sockets() == 0).then_some(());
        nl_testkit::eventually(DEADLINE, closed, &format!("the sockets of {what}")).await;
    }
}

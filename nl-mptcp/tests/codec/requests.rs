//! The requests that a verb sends to a simulated kernel, and the sockets that it opens.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nl_core::{Connection, Protocol};
use nl_mptcp::Mptcp;
use nl_testkit::fault::{Answer, Conversation, Peer};

use crate::attributes;
use crate::old_kernels::{NLCTRL, family};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
pub(crate) const FAMILY: u16 = 0x1c;
const ETH1: u32 = 3;
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);

/// The types of the requests, by the socket they were sent on.
pub(crate) type Log = Arc<Mutex<Vec<Vec<u16>>>>;

/// A kernel with the device `eth1` that does what it is asked, simulated on the runtime where this is called.
pub(crate) fn simulated() -> (Mptcp, Log) {
    let log = Log::default();
    let (sockets, runtime) = (Arc::clone(&log), tokio::runtime::Handle::current());
    let source = move || -> io::Result<OwnedFd> {
        let _here = runtime.enter();
        let (socket, peer) = Peer::pair()?;
        let number = sockets.lock().unwrap().len();
        sockets.lock().unwrap().push(Vec::new());
        let log = Arc::clone(&sockets);
        tokio::spawn(peer.serve(move |request| {
            let kind = u16::from_ne_bytes([request[4], request[5]]);
            log.lock().unwrap()[number].push(kind);
            answer(kind, request)
        }));
        Ok(socket)
    };
    (Mptcp::new(Connection::builder(Protocol::Generic).sockets_from(source).open().unwrap()), log)
}

fn answer(kind: u16, request: &[u8]) -> Conversation {
    match kind {
        NLCTRL => family(request, 0),
        RTM_GETLINK => {
            // struct ifinfomsg: family, type, index, flags, change. IFLA_IFNAME, IFLA_MTU.
            let header = [&[0, 0, 1, 0][..], &ETH1.to_ne_bytes(), &[0; 8]].concat();
            let link = Answer::new(RTM_NEWLINK, &header).attr(3, b"eth1\0").attr(4, &1500_u32.to_ne_bytes());
            Conversation::of([link.answers(request), Answer::ack(request)])
        }
        _ => Conversation::of([Answer::ack(request)]),
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn adding_endpoint_sends_one_request() {
    let (mptcp, log) = simulated();
    for expected in [&[NLCTRL, FAMILY][..], &[NLCTRL, FAMILY, FAMILY]] {
        mptcp.endpoint(ADDRESS).dev(ETH1).subflow().backup().add().await.unwrap();
        assert_eq!(*log.lock().unwrap(), [expected]);
    }
    // Another handle of the same connection asks for the number of the family no more.
    mptcp.clone().endpoint(ADDRESS).signal().add().await.unwrap();
    assert_eq!(log.lock().unwrap()[0].len(), 4);
}

/// A simulated kernel cannot be asked whether a device still has its name, so each use is looked up; on one socket.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn interface_names_are_resolved_on_one_further_socket() {
    let (mptcp, log) = simulated();
    mptcp.endpoint(ADDRESS).dev("eth1").subflow().add().await.unwrap();
    assert_eq!(*log.lock().unwrap(), [vec![NLCTRL, FAMILY], vec![RTM_GETLINK]]);
    mptcp.endpoint(ADDRESS).dev("eth1").subflow().add().await.unwrap();
    assert_eq!(*log.lock().unwrap(), [vec![NLCTRL, FAMILY, FAMILY], vec![RTM_GETLINK; 2]]);
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn pending_verb_can_be_spawned() {
    let (mptcp, log) = simulated();
    let added = tokio::spawn(mptcp.endpoint(ADDRESS).subflow().add());
    drop(mptcp);
    added.await.unwrap().unwrap();
    assert_eq!(*log.lock().unwrap(), [[NLCTRL, FAMILY]]);
}

pub(crate) const LIMIT: Duration = Duration::from_millis(20);

pub(crate) fn subflow(mptcp: &Mptcp) -> nl_mptcp::subflow::SubflowEntry {
    mptcp.mptcp_connection(7).subflow("10.0.1.2:0".parse().unwrap(), "10.0.1.1:80".parse().unwrap()).id(5)
}

/// The family of [`simulated`] has no group for events.
pub(crate) fn with_events() -> Mptcp {
    crate::old_kernels::played(|kind, _, request| match kind {
        NLCTRL => {
            // One group in a nest: CTRL_ATTR_MCAST_GRP_NAME and _ID.
            let group = attributes(&[(1, b"mptcp_pm_events\0"), (2, &9_u32.to_ne_bytes())]);
            let group = attributes(&[(1, &group)]);
            let answer =
                Answer::new(NLCTRL, &[1, 2, 0, 0]).attr(2, b"mptcp_pm\0").attr(1, &FAMILY.to_ne_bytes());
            Conversation::of([answer.attr(7, &group).answers(request), Answer::ack(request)])
        }
        _ => Conversation::of([Answer::ack(request)]),
    })
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn create_established_without_answer_is_a_timeout() {
    let error = subflow(&with_events()).create_established(LIMIT).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let text = "create mptcp subflow 10.0.1.2 id 5 to 10.0.1.1:80 token 00000007: no answer within 20ms";
    assert_eq!(error.to_string(), text);
}

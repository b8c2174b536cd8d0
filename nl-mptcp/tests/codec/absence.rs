//! Only the kernel's refusal means that something does not exist. The same error number from a socket does not.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nl_core::error::ErrorKind;
use nl_core::{Connection, Error, Protocol};
use nl_mptcp::diag::SockDiag;
use nl_mptcp::{Mptcp, Token};
use nl_testkit::fault::{Answer, Conversation, Delivery, Peer};

use crate::old_kernels::{NLCTRL, family, listing};
use crate::unhex;

const EINVAL: i32 = 22;
const ENOENT: i32 = 2;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_DUMP: u16 = 0x300;

fn is_io(error: &Error, errno: i32) -> bool {
    matches!(error.kind(), ErrorKind::Io(io) if io.raw_os_error() == Some(errno))
}

/// The first socket is opened by the connection, the second by the first list. `refused` is what opening it fails with.
fn opened(
    refused: i32,
    script: impl Fn(&[u8]) -> Conversation + Clone + Send + Sync + 'static,
) -> Connection {
    let opened = AtomicUsize::new(0);
    let source = move || -> io::Result<OwnedFd> {
        if opened.fetch_add(1, Ordering::Relaxed) == 1 {
            return Err(io::Error::from_raw_os_error(refused));
        }
        let (socket, peer) = Peer::pair()?;
        tokio::spawn(peer.serve(script.clone()));
        Ok(socket)
    };
    Connection::builder(Protocol::Generic).sockets_from(source).open().unwrap()
}

/// Linux 6.1 ignores the token, and lists the endpoints of the namespace. A kernel that reports the addresses of a connection
/// refuses token 0 with `EINVAL`; a socket that cannot be opened is no such refusal.
#[tokio::test]
async fn einval_of_socket_does_not_imply_address_reports() {
    let conn = opened(EINVAL, |request| match u16::from_ne_bytes([request[4], request[5]]) {
        NLCTRL => family(request, 6),
        _ => listing(request),
    });
    let connection = Mptcp::new(conn).mptcp_connection(0x0a1b_2c3d);
    let error = connection.get(7).await.unwrap_err();
    assert!(is_io(&error, EINVAL), "{error}");
    let error = connection.get(7).await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    let error = connection.list().await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
}

/// How often it was asked for one socket, and how often for a list.
#[derive(Default)]
struct Asked {
    look_ups: AtomicUsize,
    lists: AtomicUsize,
}

impl Asked {
    fn counts(&self) -> (usize, usize) {
        (self.look_ups.load(Ordering::Relaxed), self.lists.load(Ordering::Relaxed))
    }
}

/// A subflow whose connection is not listed, and the answer to the look-up of the connection by its token.
fn diag(look_up: impl Fn(&[u8]) -> Conversation + Clone + Send + Sync + 'static) -> (SockDiag, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let count = Arc::clone(&asked);
    let script = move |request: &[u8]| {
        let flags = u16::from_ne_bytes([request[6], request[7]]);
        if flags & NLM_F_DUMP != NLM_F_DUMP {
            count.look_ups.fetch_add(1, Ordering::Relaxed);
            return look_up(request);
        }
        count.lists.fetch_add(1, Ordering::Relaxed);
        // struct inet_diag_req_v2: family, protocol (6: TCP).
        let subflow = (request[16], request[17]) == (2, 6);
        let entries = subflow.then(|| subflow_of(7).answers(request).multi());
        Conversation::of(entries.into_iter().chain([Answer::done(0).answers(request)]))
    };
    let source = move || {
        let (socket, peer) = Peer::pair()?;
        tokio::spawn(peer.serve(script.clone()));
        Ok(socket)
    };
    let conn = Connection::builder(Protocol::SockDiag).sockets_from(source).open().unwrap();
    (SockDiag::new(conn), asked)
}

/// `struct inet_diag_msg` of an established TCP socket, and INET_DIAG_ULP_INFO with the local token.
fn subflow_of(token: u32) -> Answer {
    let ends = "02010000 03e9 01bb 0a000101000000000000000000000000 0a000102000000000000000000000000";
    let mut body = unhex(ends);
    body.resize(72, 0);
    let attr = |kind: u16, value: &[u8]| {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let mptcp = [attr(2, &token.to_ne_bytes()), attr(8, &2_u32.to_ne_bytes())].concat();
    let ulp = [attr(1, b"mptcp\0"), attr(3, &mptcp)].concat();
    Answer::new(SOCK_DIAG_BY_FAMILY, &body).attr(19, &ulp)
}

#[tokio::test]
async fn enoent_of_socket_does_not_mean_connection_closed() {
    let (diag, asked) = diag(|_| [Delivery::Error(ENOENT)].into_iter().collect());
    let error = diag.connections().list().await.unwrap_err();
    assert!(is_io(&error, ENOENT) && !error.is_not_found(), "{error}");
    // Sockets and subflows of IPv4 and IPv6. Nothing else is listed to interpret the error.
    assert_eq!(asked.counts(), (1, 4));
}

#[tokio::test]
async fn unlisted_connection_is_returned_with_its_subflows() {
    let (diag, asked) = diag(|request| Conversation::of([Answer::error(ENOENT, request)]));
    let listed = diag.connections().list().await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((listed[0].token, listed[0].socket.is_none()), (Token::new(7), true));
    // One more list, to distinguish it from a kernel that cannot list such sockets.
    assert_eq!(asked.counts(), (1, 5));
    let error = diag.socket(Token::new(8)).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

/// What is looked for in a complete list of the kernel and is not in it does not exist.
#[tokio::test]
async fn unlisted_endpoint_is_not_found() {
    let mptcp = crate::old_kernels::played(|kind, _, request| match kind {
        NLCTRL => family(request, 0),
        _ => listing(request),
    });
    let endpoint = || mptcp.endpoint(std::net::Ipv4Addr::new(10, 9, 9, 9));
    for error in [endpoint().get().await.unwrap_err(), endpoint().delete().await.unwrap_err()] {
        assert!(error.is_not_found(), "{error}");
    }
}

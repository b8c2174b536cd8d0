//! Simulated kernels: older ones, ones without Multipath TCP, and ones that refuse. A test on a real kernel covers only that kernel, so
//! these are simulated.
#![cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "for tests that wait in tokio"))]

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use nl_core::{Connection, Protocol};
use nl_mptcp::Mptcp;
use nl_testkit::fault::{Answer, Conversation, Peer};

use crate::attributes;

pub(crate) const NLCTRL: u16 = 0x10;
const NUMBER: u16 = 0x1c;
const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
/// Each request is answered by this, given its type, its command and itself.
pub(crate) fn played(
    kernel: impl Fn(u16, u8, &[u8]) -> Conversation + Clone + Send + Sync + 'static,
) -> Mptcp {
    let runtime = tokio::runtime::Handle::current();
    let source = move || -> io::Result<OwnedFd> {
        let _here = runtime.enter();
        let (socket, peer) = Peer::pair()?;
        let kernel = kernel.clone();
        tokio::spawn(async move {
            // It ends with an error when the code under test closes its end first, which it may.
            let answer = move |request: &[u8]| kernel(kind(request), request[16], request);
            drop(peer.serve(answer).await)
        });
        Ok(socket)
    };
    Mptcp::new(Connection::builder(Protocol::Generic).sockets_from(source).open().unwrap())
}

fn kind(request: &[u8]) -> u16 {
    u16::from_ne_bytes([request[4], request[5]])
}

/// The family, with the number of attributes that a kernel reports: 6 before Linux 6.7, 0 since.
pub(crate) fn family(request: &[u8], attributes: u32) -> Conversation {
    let family = Answer::new(NLCTRL, &[1, 2, 0, 0])
        .attr(2, b"mptcp_pm\0")
        .attr(1, &NUMBER.to_ne_bytes())
        .attr(5, &attributes.to_ne_bytes())
        .answers(request);
    Conversation::of([family, Answer::ack(request)])
}

fn refusal(errno: i32, request: &[u8]) -> Conversation {
    Conversation::of([Answer::error(errno, request)])
}

/// 10.0.1.2 id 7 subflow backup.
pub(crate) fn listing(request: &[u8]) -> Conversation {
    let endpoint = attributes(&[
        (1, &2_u16.to_ne_bytes()),
        (5, &[0; 2]),
        (2, &[7]),
        (6, &6_u32.to_ne_bytes()),
        (3, &ADDRESS.octets()),
    ]);
    let endpoint = Answer::new(NUMBER, &[3, 1, 0, 0]).attr(0x8001, &endpoint).answers(request).multi();
    Conversation::of([endpoint, Answer::done(0).answers(request)])
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn kernel_without_multipath_tcp_is_unsupported() {
    let mptcp = played(|_, _, request| refusal(ENOENT, request));
    for error in [
        mptcp.limits().get().await.unwrap_err(),
        mptcp.limits().subflows(1).set().await.unwrap_err(),
        mptcp.endpoint(ADDRESS).subflow().add().await.unwrap_err(),
        mptcp.endpoints().list().await.unwrap_err(),
        mptcp.endpoints().flush().await.unwrap_err(),
        mptcp.events().await.unwrap_err(),
        mptcp.mptcp_connection(1).withdraw(1).await.unwrap_err(),
    ] {
        assert!(error.is_unsupported() && error.to_string().contains("mptcp_pm"), "{error}");
    }
    let error = mptcp.endpoint(ADDRESS).subflow().add().await.unwrap_err().to_string();
    assert!(error.starts_with("add mptcp endpoint 10.0.1.2 subflow: "), "{error}");
    #[cfg(feature = "settings")]
    assert_eq!(mptcp.status().await.unwrap(), nl_mptcp::settings::Status::Absent);
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn eperm_names_the_operation() {
    let mptcp = played(|kind, _, request| match kind {
        NLCTRL => family(request, 0),
        _ => refusal(EPERM, request),
    });
    for (error, text) in [
        (
            mptcp.endpoint(ADDRESS).signal().add().await.unwrap_err(),
            "add mptcp endpoint 10.0.1.2 signal: Operation not permitted (EPERM)",
        ),
        (
            mptcp.mptcp_connection(0x0a1b_2c3d).withdraw(5).await.unwrap_err(),
            "withdraw mptcp address id 5 token 0a1b2c3d: Operation not permitted (EPERM)",
        ),
        (
            mptcp.limits().subflows(1).set().await.unwrap_err(),
            "set mptcp limits subflows 1: Operation not permitted (EPERM)",
        ),
        (
            mptcp.endpoints().flush().await.unwrap_err(),
            "flush mptcp endpoints: Operation not permitted (EPERM)",
        ),
    ] {
        assert!(error.is_permission(), "{error}");
        assert_eq!(error.to_string(), text);
    }
}

/// Linux 6.1 ignores the token, and answers with the namespace's endpoints: they must not be taken for the connection's.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn addresses_on_a_kernel_that_ignores_tokens_are_unsupported() {
    let mptcp = played(|kind, _, request| match kind {
        NLCTRL => family(request, 6),
        _ => listing(request),
    });
    let connection = mptcp.mptcp_connection(0x0a1b_2c3d);
    for error in [connection.list().await.unwrap_err(), connection.get(7).await.unwrap_err()] {
        assert!(error.is_unsupported() && error.to_string().contains("6.10"), "{error}");
    }
    // Without a token that is what was asked for.
    assert_eq!(mptcp.endpoints().list().await.unwrap().collect_all().await.unwrap().len(), 1);
}

/// It also ignores flags and interface of a new subflow.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn subflow_flags_on_old_kernel_are_unsupported() {
    let mptcp = played(|kind, _, request| match kind {
        NLCTRL => family(request, 6),
        _ => Conversation::of([Answer::ack(request)]),
    });
    let (near, far) = ("10.0.1.2:0".parse().unwrap(), "10.0.1.1:80".parse().unwrap());
    let connection = mptcp.mptcp_connection(1);
    for subflow in [connection.subflow(near, far).id(5).backup(), connection.subflow(near, far).id(5).dev(3)]
    {
        let error = subflow.create().await.unwrap_err();
        assert!(error.is_unsupported(), "{error}");
    }
    connection.subflow(near, far).id(5).create().await.unwrap();
    connection.subflow(near, far).backup().change().await.unwrap();
}

/// An endpoint whose flag was dropped is taken away again, by its id.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn dropped_flag_is_unsupported_and_endpoint_deleted() {
    let deleted = std::sync::Arc::new(std::sync::atomic::AtomicU8::new(0));
    let seen = std::sync::Arc::clone(&deleted);
    let mptcp = played(move |kind, command, request| match (kind, command) {
        (NLCTRL, _) => family(request, 0),
        // `MPTCP_PM_CMD_GET_ADDR`
        (_, 3) => listing(request),
        // `MPTCP_PM_CMD_DEL_ADDR`: the one attribute in the nest is the id.
        (_, 2) => {
            seen.store(request[28], std::sync::atomic::Ordering::Relaxed);
            Conversation::of([Answer::ack(request)])
        }
        _ => Conversation::of([Answer::ack(request)]),
    });
    let error = mptcp.endpoint(ADDRESS).subflow().backup().laminar().add().await.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("laminar"), "{error}");
    let unknown = nl_mptcp::endpoint::EndpointFlags::from_bits_retain(1 << 30);
    let error = mptcp.endpoint(ADDRESS).subflow().flags(unknown).add().await.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("0x40000000"), "{error}");
    assert!(!error.to_string().contains("laminar"), "{error}");
    assert_eq!(deleted.load(std::sync::atomic::Ordering::Relaxed), 7);
}

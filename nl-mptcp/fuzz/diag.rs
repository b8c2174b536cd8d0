// What must hold for any bytes that are taken for sockets. Shared by the fuzz target and by the tests.

use nl_core::message::{MessageRef, Messages};
use nl_mptcp::diag::{MptcpConnection, MptcpInfo, MptcpSocket, SOCK_DIAG_BY_FAMILY, Subflow, TcpInfo};
use nl_mptcp::mib::Mib;
use nl_mptcp::socket::SubflowAddrs;

/// Reads the bytes as a datagram, as the payload of one message, as the structures in it and as text.
pub(crate) fn check(data: &[u8]) {
    for message in Messages::new(data).map_while(Result::ok) {
        check_message(message);
    }
    check_message(MessageRef::from_parts(SOCK_DIAG_BY_FAMILY, 0, data));
    if let Ok(info) = MptcpInfo::decode(data) {
        // Bytes after the known fields do not change the result.
        let known = data.get(..96).unwrap_or(data);
        assert_eq!(MptcpInfo::decode(known), Ok(info));
    }
    if let Ok(info) = TcpInfo::decode(data) {
        let known = data.get(..248).unwrap_or(data);
        assert_eq!(TcpInfo::decode(known), Ok(info));
    }
    let _ = SubflowAddrs::decode(data);
    if let Ok(Ok(Some(mib))) = std::str::from_utf8(data).map(Mib::parse) {
        assert!(mib.since(&mib).iter().all(|(name, value)| value == 0 || name == "MPCurrEstab"));
    }
}

fn check_message(message: MessageRef<'_>) {
    let socket = MptcpSocket::decode(message).ok();
    let subflow = Subflow::decode(message).ok().flatten();
    if let Some(socket) = &socket {
        assert!(!socket.to_string().is_empty());
    }
    if let Some(subflow) = &subflow {
        assert!(!subflow.to_string().is_empty());
    }
    let joined = MptcpConnection::join(socket, subflow);
    // Nothing that has to do with a connection is lost.
    let of_subflows = joined.iter().map(|connection| connection.subflows.len()).sum::<usize>();
    assert_eq!(of_subflows, usize::from(subflow.is_some_and(|subflow| subflow.mptcp.is_some())));
    for connection in joined {
        assert!(!connection.to_string().is_empty());
        if let (Some(socket), [subflow]) = (connection.socket, &connection.subflows[..]) {
            assert_eq!(socket.token(), subflow.token());
        }
    }
}

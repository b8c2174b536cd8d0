use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use super::{MptcpSocket, Subflow};
use crate::Token;

/// An MPTCP connection with its subflows.
/// They come from two lists, and connections change in between: [`socket`](Self::socket) is `None` if only subflows were listed, and
/// [`subflows`](Self::subflows) is empty if none was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MptcpConnection {
    /// The token, which identifies the connection to a path manager. 0 if the kernel reports none.
    pub token: Token,
    /// The MPTCP socket.
    pub socket: Option<MptcpSocket>,
    /// Its subflows, in no particular order.
    pub subflows: Vec<Subflow>,
}

impl MptcpConnection {
    /// Joins sockets and subflows by token. No connection is dropped; listeners are omitted.
    #[must_use]
    pub fn join(
        sockets: impl IntoIterator<Item = MptcpSocket>,
        subflows: impl IntoIterator<Item = Subflow>,
    ) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut by_token = HashMap::new();
        for socket in sockets {
            let Some(info) = socket.info else { continue };
            if socket.socket.state == super::TcpState::Listen {
                continue;
            }
            by_token.insert(info.token, all.len());
            all.push(Self { token: info.token, socket: Some(socket), subflows: Vec::new() });
        }
        for subflow in subflows {
            let Some(mptcp) = subflow.mptcp else { continue };
            let token = mptcp.token_loc;
            // Subflows without a token do not belong together.
            let known = by_token.get(&token).filter(|_| token.get() != 0);
            match known.and_then(|at| all.get_mut(*at)) {
                Some(connection) => connection.subflows.push(subflow),
                None => {
                    by_token.insert(token, all.len());
                    all.push(Self { token, socket: None, subflows: vec![subflow] });
                }
            }
        }
        all
    }

    /// The local address and port: of the connection, or of its initial subflow.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.ends().map(|(local, _)| local)
    }

    /// The remote address and port: of the connection, or of its initial subflow.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        self.ends().map(|(_, remote)| remote)
    }

    /// Bytes the program sent, without retransmissions. Linux 6.5.
    #[must_use]
    pub fn bytes_sent(&self) -> Option<u64> {
        self.socket?.bytes_sent()
    }

    /// Bytes received in order. Linux 6.5.
    #[must_use]
    pub fn bytes_received(&self) -> Option<u64> {
        self.socket?.bytes_received()
    }

    /// Bytes the peer acknowledged. Linux 6.5.
    #[must_use]
    pub fn bytes_acked(&self) -> Option<u64> {
        self.socket?.bytes_acked()
    }

    /// Retransmissions at the MPTCP level. Linux 6.5. Those of TCP are in [`Subflow::tcp`].
    #[must_use]
    pub fn retransmits(&self) -> Option<u32> {
        self.socket?.retransmits()
    }

    /// Whether it fell back to plain TCP; `None` if only subflows were listed.
    #[must_use]
    pub fn is_fallback(&self) -> Option<bool> {
        Some(self.socket?.info?.is_fallback())
    }

    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let first = || self.subflows.iter().find(|s| s.mptcp.is_some_and(|m| m.is_first()));
        let socket = self.socket.map(|socket| socket.socket).or_else(|| first().map(|s| s.socket))?;
        Some((socket.local, socket.remote))
    }
}

/// A line for the connection, and one for each subflow.
impl fmt::Display for MptcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(socket) => write!(f, "{socket}")?,
            None => write!(f, "token {}", self.token)?,
        }
        for subflow in &self.subflows {
            write!(f, "\n  {subflow}")?;
        }
        Ok(())
    }
}

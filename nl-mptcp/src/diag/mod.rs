//! Socket statistics: every MPTCP connection of a namespace with its subflows, as `ss -M -i` and `ss -t -i` tell them together.
//!
//! Three lists, each with the filters the kernel has (addresses, ports, states):
//!
//! | list | entries | what is told |
//! |---|---|---|
//! | [`SockDiag::sockets`] | MPTCP sockets, listeners too | [`MptcpInfo`]: token, bytes, retransmissions, limits |
//! | [`SockDiag::subflows`] | TCP sockets that are subflows | [`SubflowInfo`]: tokens, flags, address numbers; [`TcpInfo`]: round-trip time, rates |
//! | [`SockDiag::connections`] | the two joined by token | [`Connection`] |
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_mptcp::diag::{SockDiag, States};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let diag = SockDiag::new(Connection::open(Protocol::SockDiag)?);
//!
//! // ss -M -i state established dport = :443
//! let mut sockets = diag.sockets().states(States::ESTABLISHED).remote_port(443).list();
//! while let Some(socket) = sockets.try_next().await? {
//!     println!("{socket}");
//! }
//! for connection in diag.connections().list().await? {
//!     let rtts = connection.subflows.iter().filter_map(|subflow| Some(subflow.tcp?.rtt));
//!     println!("{}: round-trip times {:?} us", connection.token, rtts.collect::<Vec<_>>());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is told to whom
//! Of MPTCP sockets everybody is told everything but marks. Of subflows everybody is told everything but marks and sequence numbers
//! by newer kernels (6.18, not 6.12); the rest takes `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
//! **Older kernels do not tell others which TCP sockets are subflows**: the list of subflows is empty for them, and connections have
//! none, without an error, for nothing tells these sockets from plain TCP.
//!
//! A connection that fell back to plain TCP is listed like others, with [`InfoFlags::FALLBACK`], if this end asked for MPTCP and
//! the peer did not. Where the peer asked for plain TCP, a listener's program gets a plain TCP socket.
//!
//! Kernel: `struct inet_diag_req_v2`, `struct inet_diag_msg` and `INET_DIAG_*` of [`include/uapi/linux/inet_diag.h`],
//! `net/mptcp/mptcp_diag.c`, `net/mptcp/diag.c`.
//!
//! [`include/uapi/linux/inet_diag.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/inet_diag.h?h=v6.12

mod connection;
mod filter;
mod handle;
mod message;
mod socket;

pub use connection::Connection;
pub use filter::{End, SocketFilter, States};
pub use handle::{Listing, Select, SockDiag};
pub use message::{AF_INET, AF_INET6, InetDiagMsg, InetDiagReq, InetDiagSockId, SOCK_DIAG_BY_FAMILY};
pub use socket::{InetSocket, MptcpSocket, Subflow, SubflowFlags, SubflowInfo, TcpState};

pub use crate::info::{InfoFlags, MptcpInfo, TcpInfo, TcpOptions};

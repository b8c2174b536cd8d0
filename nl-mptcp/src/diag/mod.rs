//! Socket statistics: every MPTCP connection of a namespace with its subflows, as `ss -M -i` and `ss -t -i` show them together.
//!
//! Three lists, each with the filters the kernel has (addresses, ports, states):
//!
//! | list | entries | contents |
//! |---|---|---|
//! | [`SockDiag::sockets`] | MPTCP sockets, listeners too | [`MptcpInfo`]: token, bytes, retransmissions, limits |
//! | [`SockDiag::subflows`] | TCP sockets that are subflows | [`SubflowInfo`]: tokens, flags, address numbers; [`TcpInfo`]: round-trip time, rates |
//! | [`SockDiag::connections`] | the two joined by token | [`MptcpConnection`] |
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
//! # Privileges
//! MPTCP sockets are listed without privilege, except for marks. Newer kernels (6.18, not 6.12) list subflows without privilege,
//! except for marks and sequence numbers. The rest needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
//! **Older kernels do not report to others which TCP sockets are subflows**: without privilege the list of subflows is empty, and
//! connections have none, without an error, because the answer does not distinguish them from plain TCP.
//! A connection that fell back to plain TCP is listed like others, with [`InfoFlags::FALLBACK`], if this end requested MPTCP and
//! the peer did not support it. If the peer requested plain TCP, the listener's program gets a plain TCP socket.
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

pub use connection::MptcpConnection;
pub use filter::{End, SocketFilter, States};
pub use handle::{Listing, Select, SockDiag};
pub use message::{AF_INET, AF_INET6, InetDiagMsg, InetDiagReq, InetDiagSockId, SOCK_DIAG_BY_FAMILY};
pub use socket::{InetSocket, MptcpSocket, Subflow, SubflowFlags, SubflowInfo, TcpState};

pub use crate::info::{InfoFlags, MptcpInfo, TcpInfo, TcpOptions};

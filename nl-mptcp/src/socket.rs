//! Statistics of the program's own MPTCP sockets, with `getsockopt(2)`. Needs no privilege and no netlink.
//!
//! ```no_run
//! use nl_mptcp::socket;
//!
//! # fn example(stream: std::net::TcpStream) -> nl_core::Result<()> {
//! let info = socket::info(&stream)?;
//! println!("token {}, {} extra subflows", info.token, info.extra_subflows);
//! for subflow in socket::subflow_addrs(&stream)? {
//!     println!("{} - {}", subflow.local, subflow.remote);
//! }
//! # Ok(())
//! # }
//! ```
//! Any socket type of the standard library or of tokio works, if the socket was created with protocol `IPPROTO_MPTCP` (262), for
//! example with crate socket2, or accepted by such a listener from a peer that supports MPTCP. A listener has no token, and one
//! listening subflow.
//!
//! | function | option of `SOL_MPTCP` | since |
//! |---|---|---|
//! | [`info`] | `MPTCP_INFO` | Linux 5.16 |
//! | [`tcp_infos`] | `MPTCP_TCPINFO` | Linux 5.16 |
//! | [`subflow_addrs`] | `MPTCP_SUBFLOW_ADDRS` | Linux 5.16 |
//! | [`full_info`] | `MPTCP_FULL_INFO` | Linux 6.5 |
//! If `getsockopt(2)` fails, the error distinguishes the reasons: not an MPTCP socket ([`is_usage`](Error::is_usage)), a connection
//! that fell back to TCP (likewise), or a kernel without the option
//! ([`is_unsupported`](Error::is_unsupported)).
//!
//! Kernel: [`include/uapi/linux/mptcp.h`], `net/mptcp/sockopt.c`.
//!
//! [`include/uapi/linux/mptcp.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/mptcp.h?h=v6.12

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nl_core::attr::DecodeError;
use nl_core::error::{Errno, Error, Result, Since};
use nl_core::sockopt::{self, Array};

pub use crate::info::{InfoFlags, MptcpInfo, TcpInfo, TcpOptions};

/// The two ends of a subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SubflowAddrs {
    /// Local address and port.
    pub local: SocketAddr,
    /// Remote address and port.
    pub remote: SocketAddr,
}

/// A subflow in a [`FullInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SubflowDetails {
    /// A number that is unique among all past and future subflows of the connection; the initial one has 1.
    pub id: u32,
    /// Its addresses.
    pub addrs: SubflowAddrs,
    /// Its TCP statistics.
    pub tcp: TcpInfo,
}

/// The statistics of a connection and its subflows at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FullInfo {
    /// The connection.
    pub mptcp: MptcpInfo,
    /// Its subflows.
    pub subflows: Vec<SubflowDetails>,
}

/// Whether the socket is an MPTCP socket that has not fallen back to TCP. A listener counts.
///
/// # Errors
/// It is not a socket.
pub fn is_mptcp(socket: impl AsFd) -> Result<bool> {
    let socket = socket.as_fd();
    is_still_mptcp(socket).map_err(|error| Error::from(error).during(|| describe("MPTCP_INFO", socket)))
}

/// The statistics of the connection: `MPTCP_INFO`.
///
/// # Errors
/// See [the module](self).
pub fn info(socket: impl AsFd) -> Result<MptcpInfo> {
    let socket = socket.as_fd();
    let ask = |value: &mut [u8]| sockopt::mptcp(socket, MPTCP_INFO, value);
    let mut value = [0; ROOM_FOR_INFO];
    let len = ask(&mut value).map_err(|error| explain(error, socket, "MPTCP_INFO", Since::linux(5, 16)))?;
    read(socket, "MPTCP_INFO", MptcpInfo::decode(value.get(..len).unwrap_or_default()))
}

/// The TCP statistics of each subflow: `MPTCP_TCPINFO`.
/// The order is that of [`subflow_addrs`] unless subflows change between the two calls; [`full_info`] returns both at once.
///
/// # Errors
/// See [the module](self).
pub fn tcp_infos(socket: impl AsFd) -> Result<Vec<TcpInfo>> {
    let socket = socket.as_fd();
    let answer = subflow_data(socket, MPTCP_TCPINFO, "MPTCP_TCPINFO", ROOM_FOR_TCP_INFO)?;
    read(socket, "MPTCP_TCPINFO", answer.elements().map(TcpInfo::decode).collect())
}

/// The addresses of each subflow: `MPTCP_SUBFLOW_ADDRS`.
///
/// # Errors
/// See [the module](self).
pub fn subflow_addrs(socket: impl AsFd) -> Result<Vec<SubflowAddrs>> {
    let socket = socket.as_fd();
    let answer = subflow_data(socket, MPTCP_SUBFLOW_ADDRS, "MPTCP_SUBFLOW_ADDRS", ADDRS_LEN)?;
    read(socket, "MPTCP_SUBFLOW_ADDRS", answer.elements().map(SubflowAddrs::decode).collect())
}

/// The statistics of the connection, and addresses and TCP statistics of each subflow, at one moment: `MPTCP_FULL_INFO`. Linux 6.5.
///
/// # Errors
/// See [the module](self).
pub fn full_info(socket: impl AsFd) -> Result<FullInfo> {
    let socket = socket.as_fd();
    let what = "MPTCP_FULL_INFO";
    let mut room = FIRST_ROOM;
    loop {
        let mut value = [0; FULL_INFO_HEAD + ROOM_FOR_INFO];
        let mut subflows = vec![0; room * SUBFLOW_INFO_LEN];
        let mut tcp_infos = vec![0; room * ROOM_FOR_TCP_INFO];
        let len = sockopt::mptcp_full_info(
            socket,
            &mut value,
            Array { bytes: &mut subflows, element: size(SUBFLOW_INFO_LEN) },
            Array { bytes: &mut tcp_infos, element: size(ROOM_FOR_TCP_INFO) },
        )
        .map_err(|error| explain(error, socket, what, Since::linux(6, 5)))?;
        let number = |at: usize| {
            let bytes = value.get(at..).and_then(|b| b.first_chunk());
            bytes.map_or(0, |b| usize::try_from(u32::from_ne_bytes(*b)).unwrap_or(usize::MAX))
        };
        // The number of subflows, some of which may not have fitted.
        let count = number(16);
        // Between the elements: our size of one, or the kernel's where that is smaller.
        let tcp_stride = number(4).clamp(1, ROOM_FOR_TCP_INFO);
        let subflow_stride = number(12).clamp(1, SUBFLOW_INFO_LEN);
        if count > room && room < MOST_SUBFLOWS {
            room = (count + FIRST_ROOM).min(MOST_SUBFLOWS);
            continue;
        }
        let decode = || {
            let mptcp = MptcpInfo::decode(value.get(FULL_INFO_HEAD..len).unwrap_or_default())?;
            let both = subflows.chunks_exact(subflow_stride).zip(tcp_infos.chunks_exact(tcp_stride));
            let subflows = both.take(count).map(|(subflow, tcp)| {
                let (id, rest) = subflow.split_first_chunk::<4>().ok_or(SHORT)?;
                Ok(SubflowDetails {
                    id: u32::from_ne_bytes(*id),
                    addrs: SubflowAddrs::decode(rest.get(4..).unwrap_or_default())?,
                    tcp: TcpInfo::decode(tcp)?,
                })
            });
            Ok(FullInfo { mptcp, subflows: subflows.collect::<std::result::Result<_, DecodeError>>()? })
        };
        return read(socket, what, decode());
    }
}

impl SubflowAddrs {
    /// Decodes `struct mptcp_subflow_addrs`: two `struct sockaddr_storage`.
    ///
    /// # Errors
    /// Too few bytes, or an address that is neither IPv4 nor IPv6.
    pub fn decode(bytes: &[u8]) -> std::result::Result<Self, DecodeError> {
        let (local, rest) = bytes.split_first_chunk::<SOCKADDR_LEN>().ok_or(SHORT)?;
        let remote = rest.first_chunk::<SOCKADDR_LEN>().ok_or(SHORT)?;
        Ok(Self { local: address(local)?, remote: address(remote)? })
    }
}

/// `struct sockaddr_in` or `struct sockaddr_in6`
fn address(b: &[u8; SOCKADDR_LEN]) -> std::result::Result<SocketAddr, DecodeError> {
    let port = u16::from_be_bytes([b[2], b[3]]);
    match u16::from_ne_bytes([b[0], b[1]]) {
        AF_INET => Ok(SocketAddr::from((Ipv4Addr::new(b[4], b[5], b[6], b[7]), port))),
        AF_INET6 => {
            let mut ip = [0; 16];
            ip.copy_from_slice(&b[8..24]);
            let flow = u32::from_be_bytes([b[4], b[5], b[6], b[7]]);
            let scope = u32::from_ne_bytes([b[24], b[25], b[26], b[27]]);
            Ok(SocketAddr::V6(SocketAddrV6::new(ip.into(), port, flow, scope)))
        }
        _ => Err(DecodeError::Unreadable("a subflow that is neither IPv4 nor IPv6")),
    }
}

/// Elements of one size behind `struct mptcp_subflow_data`.
struct SubflowData {
    value: Vec<u8>,
    count: usize,
    /// Between the elements: our size of one, or the kernel's where that is smaller.
    stride: usize,
}

impl SubflowData {
    fn elements(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = self.value.get(SUBFLOW_DATA_LEN..).unwrap_or_default();
        bytes.chunks_exact(self.stride).take(self.count)
    }
}

fn subflow_data(socket: BorrowedFd<'_>, option: i32, what: &str, element: usize) -> Result<SubflowData> {
    let mut room = FIRST_ROOM;
    loop {
        // Header size, number of subflows (set by the kernel), the kernel's element size (likewise), our element size.
        let head = [size(SUBFLOW_DATA_LEN), 0, 0, size(element)];
        let mut value: Vec<u8> = head.iter().flat_map(|number| number.to_ne_bytes()).collect();
        value.resize(SUBFLOW_DATA_LEN + room * element, 0);
        sockopt::mptcp(socket, option, &mut value)
            .map_err(|error| explain(error, socket, what, Since::linux(5, 16)))?;
        let number = |at: usize| {
            let bytes = value.get(at..).and_then(|b| b.first_chunk());
            bytes.map_or(0, |b| usize::try_from(u32::from_ne_bytes(*b)).unwrap_or(usize::MAX))
        };
        // The number of subflows, some of which may not have fitted.
        let (count, stride) = (number(4), number(12).clamp(1, element));
        if count <= room || room >= MOST_SUBFLOWS {
            return Ok(SubflowData { value, count, stride });
        }
        room = (count + FIRST_ROOM).min(MOST_SUBFLOWS);
    }
}

/// Distinguishes the reasons for which the kernel refuses an option with the same error numbers.
fn explain(error: io::Error, socket: BorrowedFd<'_>, what: &str, since: Since) -> Error {
    let refused = matches!(
        error.raw_os_error().map(Errno::new),
        Some(Errno::EOPNOTSUPP | Errno::ENOPROTOOPT | Errno::EINVAL)
    );
    let explained = match sockopt::protocol(socket) {
        _ if !refused => Error::from(error),
        Ok(IPPROTO_MPTCP) => match is_still_mptcp(socket) {
            Ok(false) => Error::usage("the connection fell back to TCP"),
            _ => Error::unsupported(what.to_owned(), since),
        },
        Ok(protocol) => Error::usage(format!("a socket of protocol {protocol}, not of MPTCP (262)")),
        Err(_) => Error::from(error),
    };
    explained.during(|| describe(what, socket))
}

/// After a fallback the socket has only TCP's options. `TCP_IS_MPTCP` reports the same, but only on newer kernels.
fn is_still_mptcp(socket: BorrowedFd<'_>) -> io::Result<bool> {
    if sockopt::protocol(socket)? != IPPROTO_MPTCP {
        return Ok(false);
    }
    match sockopt::mptcp(socket, MPTCP_INFO, &mut [0; ROOM_FOR_INFO]) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error().map(Errno::new) {
            Some(Errno::EOPNOTSUPP | Errno::ENOPROTOOPT) => Ok(false),
            _ => Err(error),
        },
    }
}

fn read<T>(socket: BorrowedFd<'_>, what: &str, outcome: std::result::Result<T, DecodeError>) -> Result<T> {
    outcome.map_err(|error| Error::from(error).during(|| describe(what, socket)))
}

fn describe(what: &str, socket: BorrowedFd<'_>) -> String {
    format!("read {what} of socket {}", socket.as_raw_fd())
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

const SHORT: DecodeError = DecodeError::Unreadable("the addresses of a subflow are cut short");

const IPPROTO_MPTCP: usize = 262;
// `include/uapi/linux/mptcp.h`
const MPTCP_INFO: i32 = 1;
const MPTCP_TCPINFO: i32 = 2;
const MPTCP_SUBFLOW_ADDRS: i32 = 3;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// `struct sockaddr_storage`
const SOCKADDR_LEN: usize = 128;
const ADDRS_LEN: usize = 2 * SOCKADDR_LEN;
/// `struct mptcp_subflow_data`
const SUBFLOW_DATA_LEN: usize = 16;
/// `struct mptcp_subflow_info`: a number, padding, addresses.
const SUBFLOW_INFO_LEN: usize = 8 + ADDRS_LEN;
/// `struct mptcp_full_info` without the `struct mptcp_info` at its end.
const FULL_INFO_HEAD: usize = 40;
// More than the structures have today, because they grow.
const ROOM_FOR_INFO: usize = 256;
const ROOM_FOR_TCP_INFO: usize = 512;
/// Most connections have few subflows, and none has more than 256.
const FIRST_ROOM: usize = 8;
const MOST_SUBFLOWS: usize = 1024;

//! Options of sockets that a program owns, where the standard library has no way to read them.
//!
//! Not netlink: `getsockopt(2)` on any socket, for what the kernel reports there and nowhere else. The feature crates build
//! on it; a program reads MPTCP connections with nl-mptcp.

use std::io;
use std::os::fd::AsFd;

use crate::sys;

/// The socket's protocol (`SO_PROTOCOL`): 6 for TCP, 262 for MPTCP.
///
/// ```
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// assert_eq!(nl_core::sockopt::protocol(&listener)?, 6);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// `ENOTSOCK`.
pub fn protocol(socket: impl AsFd) -> io::Result<usize> {
    sys::option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_PROTOCOL)
}

/// Reads an option of `SOL_MPTCP` whose value is plain bytes into `value`, and returns how many of them the kernel filled.
///
/// `value` is also read by the kernel: `MPTCP_TCPINFO` and `MPTCP_SUBFLOW_ADDRS` begin with a header that the caller fills.
///
/// # Errors
/// What `getsockopt(2)` says; `ENOPROTOOPT` without asking it for `MPTCP_FULL_INFO`, see [`mptcp_full_info`], and for options of
/// which it is not known that no addresses are in them.
pub fn mptcp(socket: impl AsFd, option: i32, value: &mut [u8]) -> io::Result<usize> {
    sys::mptcp_option(socket.as_fd(), option, value)
}

/// An array that the kernel fills, and the size of its elements in bytes.
#[derive(Debug)]
pub struct Array<'a> {
    /// Room for the elements, one behind the other.
    pub bytes: &'a mut [u8],
    /// The size of one; the kernel leaves alone what is beyond its own.
    pub element: u32,
}

/// Reads `MPTCP_FULL_INFO` of `SOL_MPTCP` (Linux 6.5) into `value` and the two arrays, and returns how many bytes of `value` the
/// kernel filled.
///
/// The header of `value`, which is `struct mptcp_full_info` and at least 40 bytes, is filled here. As many subflows are reported as fit
/// both arrays; the header says how many there are.
///
/// # Errors
/// What `getsockopt(2)` says; `EINVAL` where `value` is too short.
pub fn mptcp_full_info(
    socket: impl AsFd,
    value: &mut [u8],
    subflows: Array<'_>,
    tcp_infos: Array<'_>,
) -> io::Result<usize> {
    sys::mptcp_full_info(
        socket.as_fd(),
        value,
        subflows.bytes,
        subflows.element,
        tcp_infos.bytes,
        tcp_infos.element,
    )
}

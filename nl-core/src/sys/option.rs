//! Options of any socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::c_int;

use super::cvt;

/// Reads an option that is an integer and not negative.
pub(crate) fn option(fd: BorrowedFd<'_>, level: c_int, option: c_int) -> io::Result<usize> {
    let mut value: c_int = 0;
    let mut len = INT_LEN;
    // SAFETY: the kernel writes at most `len` bytes to a live integer.
    cvt(unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, (&raw mut value).cast(), &raw mut len) })?;
    Ok(usize::try_from(value).unwrap_or(0))
}

/// Reads a socket option into `value`, and returns how many bytes of it the kernel filled.
///
/// # Safety
/// What is in `value` must not make the kernel write elsewhere: some options hold addresses.
unsafe fn read_option(
    fd: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    value: &mut [u8],
) -> io::Result<usize> {
    let mut len = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the kernel writes at most `len` bytes, and that is no more than the slice has; the caller vouches for the rest.
    cvt(unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, value.as_mut_ptr().cast(), &raw mut len) })?;
    Ok(usize::try_from(len).unwrap_or(usize::MAX).min(value.len()))
}

/// Reads how many messages were dropped in the life of the socket because its receive buffer was full. Linux 4.12.
pub(crate) fn dropped(fd: BorrowedFd<'_>) -> io::Result<u32> {
    // __u32 [SK_MEMINFO_VARS]; the number of drops is the last of those that 4.12 has.
    let mut value = [0; SK_MEMINFO_DROPS + size_of::<u32>()];
    // SAFETY: the value is an array of numbers and holds no address.
    let len = unsafe { read_option(fd, libc::SOL_SOCKET, SO_MEMINFO, &mut value) }?;
    let drops =
        value.get(..len).and_then(|value| value.get(SK_MEMINFO_DROPS..)).and_then(|v| v.first_chunk());
    drops
        .map(|bytes| u32::from_ne_bytes(*bytes))
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOPROTOOPT))
}

/// Reads an option of `SOL_MPTCP` whose value is plain bytes.
pub(crate) fn mptcp_option(fd: BorrowedFd<'_>, option: c_int, value: &mut [u8]) -> io::Result<usize> {
    if !PLAIN_MPTCP_OPTIONS.contains(&option) {
        return Err(io::Error::from_raw_os_error(libc::ENOPROTOOPT));
    }
    // SAFETY: the values of these options hold no addresses.
    unsafe { read_option(fd, SOL_MPTCP, option, value) }
}

/// Reads `MPTCP_FULL_INFO`, whose value tells the kernel where to write two arrays.
pub(crate) fn mptcp_full_info(
    fd: BorrowedFd<'_>,
    value: &mut [u8],
    subflows: &mut [u8],
    subflow_size: u32,
    tcp_infos: &mut [u8],
    tcp_info_size: u32,
) -> io::Result<usize> {
    let count = |array: &[u8], size: u32| {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        u32::try_from(array.len().checked_div(size).unwrap_or(0)).unwrap_or(u32::MAX)
    };
    let count = count(subflows, subflow_size).min(count(tcp_infos, tcp_info_size));
    let Some(head) = value.first_chunk_mut::<MPTCP_FULL_INFO_HEAD>() else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    // struct mptcp_full_info: the sizes the kernel has (set by it), the sizes of ours, subflows (set by the kernel), how many
    // fit, and where.
    let numbers = [0, tcp_info_size, 0, subflow_size, 0, count];
    let addresses = [address_of(subflows), address_of(tcp_infos)];
    let bytes =
        numbers.iter().flat_map(|n| n.to_ne_bytes()).chain(addresses.iter().flat_map(|a| a.to_ne_bytes()));
    for (to, from) in head.iter_mut().zip(bytes) {
        *to = from;
    }
    // SAFETY: the kernel writes at most `count` elements of these sizes to the arrays, which have room for `count`, are
    // borrowed mutably and live until the call is over.
    unsafe { read_option(fd, SOL_MPTCP, MPTCP_FULL_INFO, value) }
}

fn address_of(bytes: &mut [u8]) -> u64 {
    // The kernel's pointers in structures have 64 bits on every machine.
    u64::try_from(bytes.as_mut_ptr().expose_provenance()).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, reason = "it is 4")]
const INT_LEN: libc::socklen_t = size_of::<c_int>() as libc::socklen_t;
/// `include/uapi/asm-generic/socket.h`
const SO_MEMINFO: c_int = 55;
/// Its offset in bytes, after eight numbers of 4; `include/uapi/linux/sock_diag.h`
const SK_MEMINFO_DROPS: usize = 32;
/// `include/uapi/linux/mptcp.h`
const SOL_MPTCP: c_int = 284;
/// `MPTCP_INFO`, `MPTCP_TCPINFO`, `MPTCP_SUBFLOW_ADDRS`
const PLAIN_MPTCP_OPTIONS: std::ops::RangeInclusive<c_int> = 1..=3;
const MPTCP_FULL_INFO: c_int = 4;
const MPTCP_FULL_INFO_HEAD: usize = 40;

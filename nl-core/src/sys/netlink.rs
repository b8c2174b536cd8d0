//! Netlink sockets, namespaces, and the reactor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use libc::{c_int, sockaddr_nl};
use tokio::io::unix::AsyncFd;

use super::cvt;

/// A datagram that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// Its full size, which may exceed the buffer's.
    pub(crate) size: usize,
    /// The sender's port; the kernel's is 0.
    pub(crate) port: u32,
}

fn cvt_size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn kernel_address() -> sockaddr_nl {
    // SAFETY: sockaddr_nl consists of integers, for which all-zero is a value.
    let mut address: sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = FAMILY;
    address
}

#[expect(clippy::cast_possible_truncation, reason = "the constants are 16, 12 and 4")]
mod sizes {
    pub(super) const FAMILY: libc::sa_family_t = libc::AF_NETLINK as libc::sa_family_t;
    pub(super) const ADDRESS_LEN: libc::socklen_t = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    pub(super) const INT_LEN: libc::socklen_t = size_of::<libc::c_int>() as libc::socklen_t;
}
use sizes::{ADDRESS_LEN, FAMILY, INT_LEN};

/// A non-blocking netlink socket in the namespace of the calling thread.
pub(crate) fn socket(protocol: c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket() takes integers only.
    let fd = cvt(unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) })?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Binds to a port the kernel picks, and returns it.
pub(crate) fn bind(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let mut address = kernel_address();
    // SAFETY: the pointer and the length describe a live sockaddr_nl.
    cvt(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), ADDRESS_LEN) })?;
    let mut len = ADDRESS_LEN;
    // SAFETY: the kernel writes at most `len` bytes to a live sockaddr_nl.
    cvt(unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut address).cast(), &raw mut len) })?;
    Ok(address.nl_pid)
}

pub(crate) fn set_option(fd: BorrowedFd<'_>, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the pointer and the length describe a live integer.
    cvt(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), INT_LEN) })?;
    Ok(())
}

/// Whether it is a netlink socket at all.
pub(crate) fn is_netlink(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(super::option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? == usize::from(FAMILY))
}

/// Sends one datagram to the kernel.
pub(crate) fn send(fd: BorrowedFd<'_>, datagram: &[u8]) -> io::Result<usize> {
    let address = kernel_address();
    // SAFETY: pointers and lengths describe a live slice and a live sockaddr_nl.
    cvt_size(unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            datagram.as_ptr().cast(),
            datagram.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            (&raw const address).cast(),
            ADDRESS_LEN,
        )
    })
}

/// Receives one datagram from a netlink socket without waiting.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut address = kernel_address();
    let mut len = ADDRESS_LEN;
    // SAFETY: the kernel writes at most buffer.len() bytes to the slice and `len` bytes to the address; with
    // MSG_TRUNC it returns the datagram's size, which is not used as a bound here.
    let size = cvt_size(unsafe {
        libc::recvfrom(
            fd.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT | libc::MSG_TRUNC,
            (&raw mut address).cast(),
            &raw mut len,
        )
    })?;
    Ok(Received { size, port: address.nl_pid })
}

/// The name of an interface in the namespace the socket is in, whichever the calling thread is in.
pub(crate) fn device_name(fd: BorrowedFd<'_>, index: u32) -> Option<String> {
    // SAFETY: ifreq consists of integers and unions of them, for which all-zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_ifru.ifru_ifindex = i32::try_from(index).ok()?;
    // SAFETY: the pointer is to a live ifreq, and the kernel writes a name into it.
    cvt(unsafe { libc::ioctl(fd.as_raw_fd(), libc::SIOCGIFNAME, &raw mut request) }).ok()?;
    let name = request.ifr_name.iter().map(|c| c.to_ne_bytes()).take_while(|c| *c != [0]).flatten().collect();
    String::from_utf8(name).ok()
}

/// Moves the calling thread into a network namespace.
pub(crate) fn enter_netns(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: setns() takes integers only.
    cvt(unsafe { libc::setns(fd.as_raw_fd(), libc::CLONE_NEWNET) })?;
    Ok(())
}

/// Puts a socket on the reactor of the current runtime.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd keeps its descriptor open, and the same, for as long as it lives.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

/// The same, as the socket type netlink-proto asks for.
pub(crate) fn watch_for_proto(fd: OwnedFd) -> io::Result<AsyncFd<ProtoFd>> {
    // SAFETY: the descriptor is owned, and the new owner closes it exactly once since it is never cloned.
    let socket = ProtoFd(unsafe { netlink_sys::Socket::from_raw_fd(fd.into_raw_fd()) });
    // SAFETY: the socket keeps its descriptor open, and the same, for as long as it lives.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

/// A socket of netlink-sys whose descriptor can be borrowed. It must not be cloned: both would close it.
pub(crate) struct ProtoFd(netlink_sys::Socket);

impl ProtoFd {
    pub(crate) fn socket(&self) -> &netlink_sys::Socket {
        &self.0
    }

    pub(crate) fn socket_mut(&mut self) -> &mut netlink_sys::Socket {
        &mut self.0
    }
}

impl AsRawFd for ProtoFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for ProtoFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the socket owns the descriptor and outlives the borrow.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }
    }
}

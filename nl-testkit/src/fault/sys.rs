//! A pair of local sockets that keep datagrams apart.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    ptr::null_mut,
};

use libc::{c_char, c_int};

pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let mut pair = [0; 2];
    // SAFETY: the call fills two ints of a live array.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both descriptors are new and owned by nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(pair[0]), OwnedFd::from_raw_fd(pair[1])) })
}

/// A pair whose second end was accepted by a listener at this path.
pub(super) fn connected(path: &Path) -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    let socket = || {
        // SAFETY: the call takes integers only.
        match unsafe { libc::socket(libc::AF_UNIX, kind, 0) } {
            // SAFETY: the descriptor is new and owned by nobody else.
            fd @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: sockaddr_un is plain integers, for which all zeroes is a valid value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = u16::try_from(libc::AF_UNIX).unwrap_or_default();
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= address.sun_path.len() {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = c_char::from_ne_bytes([*from]);
    }
    let length = u32::try_from(size_of_val(&address)).unwrap_or_default();
    let check = |result: c_int| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    let (listener, program) = (socket()?, socket()?);
    let at = std::ptr::from_ref(&address).cast();
    // SAFETY: the address is a live sockaddr_un of the given length in both calls.
    check(unsafe { libc::bind(listener.as_raw_fd(), at, length) })?;
    // SAFETY: the call takes integers only.
    check(unsafe { libc::listen(listener.as_raw_fd(), 1) })?;
    // SAFETY: as for bind.
    check(unsafe { libc::connect(program.as_raw_fd(), at, length) })?;
    // SAFETY: null pointers ask for no address.
    let kernel =
        check(unsafe { libc::accept4(listener.as_raw_fd(), null_mut(), null_mut(), libc::SOCK_NONBLOCK) })?;
    // SAFETY: the descriptor is new and owned by nobody else.
    Ok((program, unsafe { OwnedFd::from_raw_fd(kernel) }))
}

/// A descriptor as a socket of netlink-sys, which does not ask what it is.
#[cfg(feature = "fault-socket")]
pub(super) fn netlink(fd: OwnedFd) -> netlink_sys::Socket {
    // SAFETY: the descriptor is open, and nobody owns it any more.
    unsafe { netlink_sys::Socket::from_raw_fd(std::os::fd::IntoRawFd::into_raw_fd(fd)) }
}

/// Receives a datagram without waiting; returns its full size.
pub(super) fn receive(fd: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: the kernel writes at most buffer.len() bytes to the slice.
    let size = unsafe { libc::recv(fd.as_fd().as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    usize::try_from(size).map_err(|_| io::Error::last_os_error())
}

/// Sends a datagram without waiting.
pub(super) fn send(fd: &impl AsFd, datagram: &[u8]) -> io::Result<()> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the buffer is a live slice of the given length and the kernel only reads it.
    let sent = unsafe { libc::send(fd.as_fd().as_raw_fd(), datagram.as_ptr().cast(), datagram.len(), flags) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends as a netlink program does: to the kernel's netlink address.
#[cfg(test)]
pub(super) fn send_to_kernel(fd: &impl AsFd, datagram: &[u8]) -> io::Result<()> {
    // SAFETY: sockaddr_nl is plain integers, for which all zeroes is a valid value.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = u16::try_from(libc::AF_NETLINK).unwrap_or_default();
    let length = u32::try_from(size_of_val(&address)).unwrap_or_default();
    // SAFETY: the buffer is a live slice of the given length, the address a live sockaddr_nl.
    let sent = unsafe {
        libc::sendto(
            fd.as_fd().as_raw_fd(),
            datagram.as_ptr().cast(),
            datagram.len(),
            0,
            std::ptr::from_ref(&address).cast(),
            length,
        )
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

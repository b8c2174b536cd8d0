//! Netlink sockets and namespaces.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, sockaddr_nl};

use super::cvt;

/// A datagram that was received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Its full size, which may exceed the buffer's.
    pub(crate) size: usize,
    /// The sender's port; the kernel's is 0.
    pub(crate) port: u32,
    /// The id of the namespace that it is about, or [`OWN_NAMESPACE`].
    pub(crate) nsid: i32,
}

/// In place of an id: the namespace of the socket. The kernel gives no id there.
const OWN_NAMESPACE: i32 = -1;

fn cvt_size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn kernel_address() -> sockaddr_nl {
    // SAFETY: sockaddr_nl consists of integers, for which all-zero is a value.
    let mut address: sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = FAMILY;
    address
}

#[expect(clippy::cast_possible_truncation, reason = "the constants are 16, 12, 4, 8 and 16")]
mod sizes {
    pub(super) const FAMILY: libc::sa_family_t = libc::AF_NETLINK as libc::sa_family_t;
    pub(super) const ADDRESS_LEN: libc::socklen_t = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    pub(super) const INT_LEN: libc::socklen_t = size_of::<libc::c_int>() as libc::socklen_t;
    pub(super) const FPROG_LEN: libc::socklen_t = size_of::<libc::sock_fprog>() as libc::socklen_t;
    pub(super) const COOKIE_LEN: libc::socklen_t = size_of::<u64>() as libc::socklen_t;
    /// Room for control messages: one id takes 24 bytes.
    pub(super) const CONTROL_LEN: usize = 64;

    /// Of `msg_controllen`, which is `size_t` in glibc and `socklen_t` in musl.
    #[allow(clippy::allow_attributes, clippy::unnecessary_cast, reason = "a cast in musl alone")]
    pub(super) fn set_control_len(header: &mut libc::msghdr) {
        header.msg_controllen = CONTROL_LEN as _;
    }

    #[allow(clippy::allow_attributes, clippy::unnecessary_cast, reason = "a cast in musl alone")]
    pub(super) fn control_len(header: &libc::msghdr) -> usize {
        header.msg_controllen as usize
    }
}
use sizes::{ADDRESS_LEN, CONTROL_LEN, COOKIE_LEN, FAMILY, FPROG_LEN, INT_LEN, control_len, set_control_len};

/// A non-blocking netlink socket in the namespace of the calling thread.
pub(crate) fn socket(protocol: c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket() takes integers only.
    let fd = cvt(unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) })?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Binds to a port the kernel picks.
pub(crate) fn bind(fd: BorrowedFd<'_>) -> io::Result<()> {
    let address = kernel_address();
    // SAFETY: the pointer and the length describe a live sockaddr_nl.
    cvt(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), ADDRESS_LEN) })?;
    Ok(())
}

/// Binds to a port the kernel picks, and has the kernel refuse what other sockets send there.
pub(crate) fn connect(fd: BorrowedFd<'_>) -> io::Result<()> {
    let address = kernel_address();
    // SAFETY: the pointer and the length describe a live sockaddr_nl.
    cvt(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), ADDRESS_LEN) })?;
    Ok(())
}

/// The port that a socket is bound to.
pub(crate) fn port(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let mut address = kernel_address();
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

/// Has the kernel queue only those packets for which a program of classic BPF returns more than 0.
pub(crate) fn attach_filter(fd: BorrowedFd<'_>, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: the pointer and the length describe a live sock_fprog, whose pointer and length describe a live slice that the kernel
    // copies.
    cvt(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            FPROG_LEN,
        )
    })?;
    Ok(())
}

/// Whether it is a netlink socket.
pub(crate) fn is_netlink(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(super::option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? == usize::from(FAMILY))
}

/// Sends one datagram to the kernel.
#[inline]
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

/// Receives one datagram from a socket that is [connected](connect) to the kernel, without waiting.
#[inline]
pub(crate) fn receive_connected(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: the kernel writes at most buffer.len() bytes to the slice; with MSG_TRUNC it returns the datagram's size, which is
    // not used as a bound here.
    let size =
        cvt_size(unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) })?;
    Ok(Received { size, port: 0, nsid: OWN_NAMESPACE })
}

/// Receives one datagram without waiting.
#[inline]
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    receive_with(fd, buffer, libc::MSG_DONTWAIT | libc::MSG_TRUNC)
}

/// The size of the datagram that [`receive`] would return; it stays queued.
pub(crate) fn next_size(fd: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(receive_with(fd, &mut [], libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_PEEK)?.size)
}

#[inline]
fn receive_with(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: c_int) -> io::Result<Received> {
    let mut address = kernel_address();
    let mut len = ADDRESS_LEN;
    // SAFETY: the kernel writes at most buffer.len() bytes to the slice and `len` bytes to the address; with
    // MSG_TRUNC it returns the datagram's size, which is not used as a bound here.
    let size = cvt_size(unsafe {
        libc::recvfrom(
            fd.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            flags,
            (&raw mut address).cast(),
            &raw mut len,
        )
    })?;
    // A local socket has an address of another family, or none, in which nothing is a port.
    let port = if address.nl_family == FAMILY { address.nl_pid } else { 0 };
    Ok(Received { size, port, nsid: OWN_NAMESPACE })
}

/// [`receive`] from a socket that listens to all namespaces (`NETLINK_LISTEN_ALL_NSID`), with the id of the one that the datagram is
/// about.
pub(crate) fn receive_with_nsid(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut address = kernel_address();
    let mut control = Control([0; CONTROL_LEN]);
    let mut iov = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr consists of integers and pointers, for which all-zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = (&raw mut address).cast();
    header.msg_namelen = ADDRESS_LEN;
    header.msg_iov = &raw mut iov;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    set_control_len(&mut header);
    // SAFETY: the header describes a live sockaddr_nl, a live slice and a live control buffer; the kernel writes no more than the
    // lengths say. With MSG_TRUNC it returns the datagram's size, which is not used as a bound here.
    let size = cvt_size(unsafe {
        libc::recvmsg(fd.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT | libc::MSG_TRUNC)
    })?;
    let port = if address.nl_family == FAMILY { address.nl_pid } else { 0 };
    let filled = control.0.get(..control_len(&header)).unwrap_or(&control.0);
    Ok(Received { size, port, nsid: nsid_in(filled).unwrap_or(OWN_NAMESPACE) })
}

/// How many datagrams [`receive_many`] receives at most.
pub(crate) const MANY: usize = 8;

/// Receives datagrams without waiting, one into each `stride` bytes of the buffer, of which it fills `room` at most. Returns how
/// many: as many as there are in `received`, or all that are queued.
///
/// An error behind the first datagram is returned by the next call.
pub(crate) fn receive_many(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    stride: usize,
    room: usize,
    received: &mut [Received],
    with_nsid: bool,
) -> io::Result<usize> {
    let mut addresses = [kernel_address(); MANY];
    let mut controls = with_nsid.then_some([Control([0; CONTROL_LEN]); MANY]);
    // SAFETY: iovec and mmsghdr consist of integers and pointers, for which all-zero is a value.
    let (mut iovs, mut headers): ([libc::iovec; MANY], [libc::mmsghdr; MANY]) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let parts = addresses.iter_mut().zip(&mut iovs).zip(&mut headers);
    let mut count = 0;
    for (((address, iov), header), bytes) in parts.zip(buffer.chunks_exact_mut(stride)).take(received.len()) {
        let bytes = bytes.get_mut(..room).unwrap_or_default();
        *iov = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let header = &mut header.msg_hdr;
        header.msg_name = (&raw mut *address).cast();
        header.msg_namelen = ADDRESS_LEN;
        header.msg_iov = iov;
        header.msg_iovlen = 1;
        count += 1;
    }
    for (control, header) in controls.iter_mut().flatten().zip(&mut headers) {
        header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
        set_control_len(&mut header.msg_hdr);
    }
    #[allow(clippy::allow_attributes, clippy::unnecessary_cast, reason = "flags are unsigned in musl alone")]
    let flags = (libc::MSG_DONTWAIT | libc::MSG_TRUNC) as _;
    // SAFETY: the first `count` headers describe live addresses, disjoint parts of a live slice and live control buffers; the kernel
    // writes no more than the lengths say. With MSG_TRUNC it returns the datagrams' sizes, which are not used as a bound here.
    let filled = cvt(unsafe {
        libc::recvmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count, flags, std::ptr::null_mut())
    })?;
    let filled = usize::try_from(filled).unwrap_or(0);
    for (((address, header), received), n) in addresses.iter().zip(&headers).zip(received).zip(0..filled) {
        let control = controls.as_ref().and_then(|controls| controls.get(n));
        let control = control.and_then(|control| control.0.get(..control_len(&header.msg_hdr)));
        *received = Received {
            size: header.msg_len as usize,
            port: if address.nl_family == FAMILY { address.nl_pid } else { 0 },
            nsid: control.and_then(nsid_in).unwrap_or(OWN_NAMESPACE),
        };
    }
    Ok(filled)
}

/// The id in control messages: each is a `struct cmsghdr` (length, level, type), aligned as a word is, and its data.
fn nsid_in(mut control: &[u8]) -> Option<i32> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = WORD + 8;
    loop {
        let (length, rest) = control.split_first_chunk::<WORD>()?;
        let (level, rest) = rest.split_first_chunk::<4>()?;
        let (kind, _) = rest.split_first_chunk::<4>()?;
        let length = usize::from_ne_bytes(*length);
        let data = control.get(HEADER..length)?;
        let own = (c_int::from_ne_bytes(*level), c_int::from_ne_bytes(*kind));
        if own == (libc::SOL_NETLINK, libc::NETLINK_LISTEN_ALL_NSID) {
            return data.first_chunk::<4>().map(|id| i32::from_ne_bytes(*id));
        }
        control = control.get(length.checked_next_multiple_of(WORD)?..)?;
    }
}

/// Room for control messages, aligned as they are.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Control([u8; CONTROL_LEN]);

/// The name of an interface in the namespace the socket is in, whichever the calling thread is in: bytes up to a NUL.
pub(crate) fn device_name(fd: BorrowedFd<'_>, index: u32) -> Option<[u8; libc::IFNAMSIZ]> {
    // SAFETY: ifreq consists of integers and unions of them, for which all-zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_ifru.ifru_ifindex = i32::try_from(index).ok()?;
    // SAFETY: the pointer is to a live ifreq, and the kernel writes a name into it.
    cvt(unsafe { libc::ioctl(fd.as_raw_fd(), SIOCGIFNAME, &raw mut request) }).ok()?;
    Some(request.ifr_name.map(|c| u8::from_ne_bytes(c.to_ne_bytes())))
}

/// Moves the calling thread into a network namespace.
pub(crate) fn enter_netns(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: setns() takes integers only.
    cvt(unsafe { libc::setns(fd.as_raw_fd(), libc::CLONE_NEWNET) })?;
    Ok(())
}

/// The namespace a socket is in, opened. Needs `CAP_NET_ADMIN` over it.
pub(crate) fn netns_of(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: this ioctl takes no argument and returns a new descriptor.
    let netns = cvt(unsafe { libc::ioctl(fd.as_raw_fd(), SIOCGSKNS) })?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(netns) })
}

/// A number that only sockets of the same namespace share, for as long as the machine runs.
pub(crate) fn netns_cookie(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut value: u64 = 0;
    let mut len = COOKIE_LEN;
    // SAFETY: the kernel writes at most `len` bytes to a live integer.
    cvt(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut value).cast(),
            &raw mut len,
        )
    })?;
    Ok(value)
}

/// Whether a descriptor stands for a network namespace.
pub(crate) fn is_netns(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: this ioctl takes no argument; a file that does not know it refuses it.
    unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE) == libc::CLONE_NEWNET }
}

/// `include/uapi/linux/sockios.h`
const SIOCGIFNAME: libc::Ioctl = 0x8910;
/// `include/uapi/linux/sockios.h`
const SIOCGSKNS: libc::Ioctl = 0x894C;
/// `include/uapi/linux/nsfs.h`: `_IO(0xb7, 3)`
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
/// `include/uapi/asm-generic/socket.h`
const SO_NETNS_COOKIE: c_int = 71;

#[cfg(test)]
mod tests {
    use super::*;

    /// A control message as the kernel writes it.
    fn control(level: c_int, kind: c_int, id: i32) -> Vec<u8> {
        let mut bytes = (size_of::<usize>() + 12).to_ne_bytes().to_vec();
        for number in [level, kind, id] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    #[test]
    fn id_of_a_namespace_is_found_among_other_control_messages() {
        let own = control(libc::SOL_NETLINK, libc::NETLINK_LISTEN_ALL_NSID, 7);
        let other = control(libc::SOL_NETLINK, libc::NETLINK_PKTINFO, 9);
        assert_eq!(nsid_in(&own), Some(7));
        assert_eq!(nsid_in(&[other.clone(), own.clone()].concat()), Some(7));
        assert_eq!(nsid_in(&[own, other.clone()].concat()), Some(7));
        assert_eq!(nsid_in(&other), None);
        assert_eq!(nsid_in(&[]), None);
    }

    #[test]
    fn control_messages_that_are_cut_have_no_id() {
        let own = control(libc::SOL_NETLINK, libc::NETLINK_LISTEN_ALL_NSID, 7);
        for len in 0..size_of::<usize>() + 12 {
            assert_eq!(nsid_in(own.get(..len).unwrap()), None, "{len} bytes");
        }
        assert_eq!(nsid_in(&[0; 64]), None);
    }
}

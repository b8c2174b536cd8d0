use std::io;
use std::os::fd::BorrowedFd;

use crate::sys::{self, Received};

/// Who is at the other end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// The kernel alone: it refuses what other sockets send to this one.
    Connected,
    /// As `Netlink`, with the id of the namespace of each datagram.
    Namespaces,
    /// The kernel, and whoever may send to this socket.
    Netlink,
    /// A simulated kernel at the other end of a local socket. That cannot make a receive call fail, so
    /// a datagram of these eight bytes stands for it: `ff ff ff ff`, which no message can begin with, and the errno.
    Simulated,
}

impl Transport {
    /// Asked of the kernel: nothing that arrives on a netlink socket is ever taken for a receive error.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(if sys::is_netlink(fd)? { Self::Netlink } else { Self::Simulated })
    }

    #[inline]
    pub(crate) fn receive(self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
        let received = match self {
            Self::Connected => return sys::receive_connected(fd, buffer),
            Self::Namespaces => return sys::receive_with_nsid(fd, buffer),
            Self::Netlink | Self::Simulated => sys::receive(fd, buffer)?,
        };
        if let Self::Simulated = self
            && let Some([0xff, 0xff, 0xff, 0xff, a, b, c, d]) = buffer.get(..received.size)
        {
            return Err(io::Error::from_raw_os_error(i32::from_ne_bytes([*a, *b, *c, *d])));
        }
        Ok(received)
    }
}

/// Whether a receive error stands for messages the kernel could not queue or could not build.
pub(crate) fn is_loss(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EMSGSIZE))
}

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
        self.simulated_error(buffer.get(..received.size).unwrap_or_default())?;
        Ok(received)
    }

    /// Receives up to as many datagrams as there are in `received`; see [`sys::receive_many`]. Those of a simulated kernel can
    /// [stand for errors](Self::simulated_error).
    pub(crate) fn receive_many(
        self,
        fd: BorrowedFd<'_>,
        buffer: &mut [u8],
        (stride, room): (usize, usize),
        received: &mut [Received],
    ) -> io::Result<usize> {
        sys::receive_many(fd, buffer, stride, room, received, self == Self::Namespaces)
    }

    /// The error that a datagram of a simulated kernel stands for.
    #[inline]
    pub(crate) fn simulated_error(self, datagram: &[u8]) -> io::Result<()> {
        match (self, datagram) {
            (Self::Simulated, [0xff, 0xff, 0xff, 0xff, a, b, c, d]) => {
                Err(io::Error::from_raw_os_error(i32::from_ne_bytes([*a, *b, *c, *d])))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a receive error stands for messages the kernel could not queue or could not build.
pub(crate) fn is_loss(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EMSGSIZE))
}

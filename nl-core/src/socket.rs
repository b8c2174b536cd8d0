//! One netlink socket on the tokio reactor: what dumps, batches and monitors are made of.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use tokio::io::unix::AsyncFd;

use crate::connection::Protocol;
use crate::error::{Error, ErrorKind, Result};
use crate::netns::Netns;
use crate::sys::{self, Received};

/// Buffers handed to the kernel have this size. The kernel fills at most 32 KiB of it with a dump, but a single
/// message may be larger; pages that are never reached are never backed by memory.
pub(crate) const RECEIVE_LEN: usize = 256 * 1024;

/// So many datagrams of others are skipped before other tasks of the runtime get a turn.
const MAX_SKIPPED: usize = 128;

/// What one queued message is taken to cost in the receive buffer, where the kernel counts whole buffers and not
/// bytes: a little over what an acknowledgement with a long text was measured to take.
const QUEUED_MESSAGE_COST: usize = 1536;

/// How large the receive buffer shall be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReceiveBuffer {
    /// As the system has it.
    Default,
    /// At least about this many bytes, as far as allowed.
    Raise(usize),
    /// This many bytes, which the kernel bounds on both sides.
    Exact(usize),
}

/// Where sockets are opened: a protocol in a namespace.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) protocol: Protocol,
    /// `None` where the namespace could not be learned, then it is the calling thread's.
    pub(crate) netns: Option<Netns>,
    /// Where sockets come from instead.
    pub(crate) source: Option<Source>,
}

/// Makes a socket that stands for one to the kernel.
pub(crate) type Source = Arc<dyn Fn() -> io::Result<OwnedFd> + Send + Sync>;

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("protocol", &self.protocol)
            .field("netns", &self.netns)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// A bound socket with the options every socket of this crate has.
    pub(crate) fn open(&self, buffer: ReceiveBuffer) -> Result<OwnedFd> {
        if let Some(source) = &self.source {
            return source().map_err(|error| Error::from(error).during(|| self.describe()));
        }
        let open = || {
            let fd = sys::socket(self.protocol.number())?;
            for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK, libc::NETLINK_GET_STRICT_CHK] {
                sys::set_option(fd.as_fd(), libc::SOL_NETLINK, option, 1)?;
            }
            size(fd.as_fd(), buffer)?;
            // Without a port of its own a socket would not get multicast messages.
            sys::bind(fd.as_fd())?;
            Ok(fd)
        };
        let opened: io::Result<OwnedFd> = match &self.netns {
            Some(netns) => netns.run(open).map_err(|e| e.during(|| self.describe()))?,
            None => open(),
        };
        opened.map_err(|error| Error::from(error).during(|| self.describe()))
    }

    /// The same on the reactor of the current runtime.
    pub(crate) fn open_socket(&self, buffer: ReceiveBuffer) -> Result<Socket> {
        Socket::new(self.open(buffer)?).map_err(|error| error.during(|| self.describe()))
    }

    fn describe(&self) -> String {
        format!("open a {} socket", self.protocol)
    }
}

fn size(fd: BorrowedFd<'_>, buffer: ReceiveBuffer) -> io::Result<()> {
    let (wanted, force) = match buffer {
        ReceiveBuffer::Default => return Ok(()),
        ReceiveBuffer::Raise(bytes) => (bytes, true),
        ReceiveBuffer::Exact(bytes) => (bytes, false),
    };
    let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
    // Forcing takes CAP_NET_ADMIN in the initial user namespace; without it the system's limit applies.
    if force && sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted).is_ok() {
        return Ok(());
    }
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, wanted)
}

/// So many datagrams at most are in the receive buffer. When it has overflowed the kernel queues nothing more until it
/// was read empty, so after as many it has been.
pub(crate) fn most_queued(receive_buffer: usize) -> usize {
    /// The kernel counts at least this much for any datagram.
    const LEAST_COST: usize = 512;
    receive_buffer / LEAST_COST + 2
}

/// What one request is taken to cost that is answered with an object and a verdict: more than a link of two kilobytes, for
/// which the kernel reserves twice that, was measured to take.
const QUEUED_OBJECT_COST: usize = 8 * 1024;

/// How many requests may be in flight so that whatever answers them surely fits the receive buffer.
pub(crate) fn objects_that_fit(receive_buffer: usize) -> usize {
    (receive_buffer / QUEUED_OBJECT_COST).max(1)
}

/// How many answers surely fit the receive buffer.
pub(crate) fn answers_that_fit(receive_buffer: usize) -> usize {
    (receive_buffer / QUEUED_MESSAGE_COST).max(1)
}

/// How datagrams are received from a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    /// From the kernel.
    Netlink,
    /// From something that plays the kernel at the other end of a local socket. That cannot make a receive call fail, so
    /// a datagram of these eight bytes stands for it: `ff ff ff ff`, which no message can begin with, and the errno.
    Played,
}

impl Wire {
    /// Asked of the kernel: nothing that arrives on a netlink socket is ever taken for a receive error.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(if sys::is_netlink(fd)? { Self::Netlink } else { Self::Played })
    }

    pub(crate) fn receive(self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
        let received = sys::receive(fd, buffer)?;
        if let Self::Played = self
            && let Some([0xff, 0xff, 0xff, 0xff, a, b, c, d]) = buffer.get(..received.size)
        {
            return Err(io::Error::from_raw_os_error(i32::from_ne_bytes([*a, *b, *c, *d])));
        }
        Ok(received)
    }
}

/// A socket on the reactor.
pub(crate) struct Socket {
    fd: AsyncFd<OwnedFd>,
    wire: Wire,
    receive_buffer: usize,
    send_limit: usize,
}

impl Socket {
    pub(crate) fn new(fd: OwnedFd) -> Result<Self> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::usage("a netlink socket needs a tokio runtime with io and time enabled"));
        }
        let receive_buffer = sys::option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF)?;
        let send_limit = send_limit(fd.as_fd())?;
        let wire = Wire::of(fd.as_fd())?;
        Ok(Self { fd: sys::watch(fd)?, wire, receive_buffer, send_limit })
    }

    /// The size of the receive buffer as the kernel accounts it.
    pub(crate) fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// The largest datagram that can be sent.
    pub(crate) fn send_limit(&self) -> usize {
        self.send_limit
    }

    /// Joins a multicast group. Who plays the kernel sends what it likes.
    pub(crate) fn join(&self, group: u32) -> io::Result<()> {
        if let Wire::Played = self.wire {
            return Ok(());
        }
        let group = i32::try_from(group).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        sys::set_option(self.fd.as_fd(), libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, group)
    }

    /// Puts names of devices in place of their numbers, where an error has some.
    ///
    /// Asked only when something failed, and of the kernel directly: so an error is put into words without waiting.
    pub(crate) fn name_devices(&self, error: Error) -> Error {
        error.name_devices(|index| sys::device_name(self.fd.as_fd(), index))
    }

    /// Sends to the kernel, which works through the datagram before this returns.
    pub(crate) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        sys::send(self.fd.as_fd(), datagram).map(drop)
    }

    /// Receives a datagram from the kernel. Datagrams of other senders are skipped: who may send to this socket
    /// may also claim to be the kernel inside the message, but not in the sender's address.
    pub(crate) fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        for _ in 0..MAX_SKIPPED {
            // What answers a request was queued before send() returned, so the first try mostly succeeds.
            let received = match self.wire.receive(self.fd.as_fd(), buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut guard = ready!(self.fd.poll_read_ready(cx))?;
                    match guard.try_io(|fd| self.wire.receive(fd.as_fd(), buffer)) {
                        Ok(received) => received,
                        Err(_would_block) => continue,
                    }
                }
                other => other,
            };
            if let Some(outcome) = accept(received, buffer.len()) {
                return Poll::Ready(outcome);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Throws away everything that is queued, and tells whether there was anything.
    pub(crate) fn drain(&self, buffer: &mut [u8]) -> Result<bool> {
        let mut any = false;
        // Not until it is empty: someone may be sending all the time.
        for _ in 0..most_queued(self.receive_buffer) {
            match self.wire.receive(self.fd.as_fd(), buffer) {
                Ok(_) => any = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_loss(&error) => any = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(any)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("receive_buffer", &self.receive_buffer).finish_non_exhaustive()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `None` for what is to be skipped.
fn accept(received: io::Result<Received>, limit: usize) -> Option<Result<usize>> {
    match received {
        Ok(Received { port, .. }) if port != 0 => None,
        // The kernel sends no empty datagram: the other end of a socket that stands for it is gone.
        Ok(Received { size: 0, .. }) => Some(Err(ErrorKind::Closed.into())),
        Ok(Received { size, .. }) if size > limit => Some(Err(ErrorKind::Truncated { size, limit }.into())),
        Ok(Received { size, .. }) => Some(Ok(size)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
        Err(error) if is_loss(&error) => Some(Err(ErrorKind::Overrun.into())),
        Err(error) => Some(Err(error.into())),
    }
}

/// Whether a receive error stands for messages the kernel could not queue or could not build.
pub(crate) fn is_loss(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EMSGSIZE))
}

/// The largest datagram the send buffer takes: 32 bytes of it are the kernel's.
pub(crate) fn send_limit(fd: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(sys::option(fd, libc::SOL_SOCKET, libc::SO_SNDBUF)?.saturating_sub(32))
}

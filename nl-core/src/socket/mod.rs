//! One netlink socket: what connections, dumps, batches and monitors are made of.

mod buffer;
mod pool;
mod ports;
mod reader;
mod spec;
mod transport;
mod wait;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};

pub(crate) use buffer::Buffer;
use buffer::{EVENTS_LEN, EVENTS_STRIDE};
pub(crate) use pool::{Pool, Pooled};
pub(crate) use ports::Ports;
pub use ports::Requester;
pub(crate) use reader::Reader;
pub(crate) use spec::{Namespace, SocketSpec, Source, check_receive_buffer};
pub(crate) use transport::{Transport, is_loss};
pub(crate) use wait::{Deadline, Turn, poll_budget};

use crate::addr::escaped;
use crate::error::{Error, ErrorKind, Result, with_device_names};
use crate::sys::{self, Readiness, Received};

/// The number of datagrams from other senders that are skipped before other tasks of the runtime get a turn.
const MAX_SKIPPED: usize = 128;

/// What one queued message is taken to cost in the receive buffer, where the kernel counts whole buffers and not
/// bytes: a little over what an acknowledgement with a long text was measured to take.
const QUEUED_MESSAGE_COST: usize = 1536;

/// What one request is taken to cost that is answered with an object and a verdict: more than a link of two kilobytes, for
/// which the kernel reserves twice that, was measured to take.
const QUEUED_OBJECT_COST: usize = 8 * 1024;

/// A bound socket that never blocks.
pub(crate) struct Socket {
    fd: Arc<OwnedFd>,
    transport: Transport,
    // Read when they are first needed.
    receive_buffer: OnceLock<usize>,
    send_limit: OnceLock<usize>,
    reactor: wait::Reactor,
}

impl Socket {
    fn new(fd: OwnedFd, transport: Transport) -> Self {
        Self {
            fd: Arc::new(fd),
            transport,
            receive_buffer: OnceLock::new(),
            send_limit: OnceLock::new(),
            reactor: wait::Reactor::default(),
        }
    }

    /// The socket type of netlink-proto and rtnetlink.
    #[cfg(feature = "interop")]
    pub(crate) fn into_tokio(self) -> Result<netlink_proto::sys::TokioSocket> {
        let fd = Arc::into_inner(self.fd).ok_or_else(|| Error::usage("the socket is in use"))?;
        wait::into_tokio(fd)
    }

    /// The size of the receive buffer as the kernel accounts it.
    pub(crate) fn receive_buffer(&self) -> usize {
        *self.receive_buffer.get_or_init(|| {
            // Nothing can make this fail on an open socket; 0 is taken for the smallest buffer.
            sys::option(self.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF).unwrap_or(0)
        })
    }

    /// Has the kernel queue only what the program keeps. A simulated kernel sends what it likes.
    pub(crate) fn attach_filter(&self, program: &mut [libc::sock_filter]) -> io::Result<()> {
        if let Transport::Simulated = self.transport {
            return Ok(());
        }
        sys::attach_filter(self.as_fd(), program)
    }

    /// A number that only sockets of the same namespace have; `None` on a socket that has no namespace or a kernel that does not say.
    pub(crate) fn netns_cookie(&self) -> Option<u64> {
        sys::netns_cookie(self.as_fd()).ok()
    }

    /// Who is at the other end.
    pub(crate) const fn transport(&self) -> Transport {
        self.transport
    }

    /// How many datagrams can be in the receive buffer. When it has overflowed the kernel queues nothing more until it
    /// was read empty, so after as many it has been.
    pub(crate) fn most_queued(&self) -> usize {
        /// The kernel counts at least this much for any datagram.
        const LEAST_COST: usize = 512;
        self.receive_buffer() / LEAST_COST + 2
    }

    /// How many answers surely fit the receive buffer.
    pub(crate) fn answers_that_fit(&self) -> usize {
        (self.receive_buffer() / QUEUED_MESSAGE_COST).max(1)
    }

    /// How many requests may be in flight so that whatever answers them surely fits the receive buffer.
    pub(crate) fn objects_that_fit(&self) -> usize {
        (self.receive_buffer() / QUEUED_OBJECT_COST).max(1)
    }

    /// The largest datagram that can be sent: the send buffer without the 32 bytes that are the kernel's.
    pub(crate) fn send_limit(&self) -> Result<usize> {
        if let Some(limit) = self.send_limit.get() {
            return Ok(*limit);
        }
        let size = sys::option(self.as_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF)?;
        Ok(*self.send_limit.get_or_init(|| size.saturating_sub(32)))
    }

    /// Whether a datagram of this size can be sent. Asks the kernel for its limit only where that could matter.
    pub(crate) fn send_room(&self, len: usize) -> Result<usize> {
        /// No send buffer is smaller (`SOCK_MIN_SNDBUF`).
        const ALWAYS_FITS: usize = 4096;
        if len <= ALWAYS_FITS { Ok(ALWAYS_FITS) } else { self.send_limit() }
    }

    /// Joins a multicast group. A simulated kernel sends what it likes.
    pub(crate) fn join(&self, group: u32) -> io::Result<()> {
        if let Transport::Simulated = self.transport {
            return Ok(());
        }
        let group = i32::try_from(group).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        sys::set_option(self.as_fd(), libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, group)
    }

    /// Whether this is the name of a device in the socket's namespace.
    pub(crate) fn device_has_name(&self, index: u32, name: &str) -> bool {
        sys::device_name(self.as_fd(), index).is_some_and(|found| until_nul(&found) == name.as_bytes())
    }

    fn device_name(&self, index: u32) -> Option<String> {
        let name = sys::device_name(self.as_fd(), index)?;
        Some(escaped(std::str::from_utf8(until_nul(&name)).ok()?).into())
    }

    /// Puts names of devices in place of their numbers, where an error has some.
    ///
    /// Asked only when something failed, and of the kernel directly, so an error is put into words without waiting.
    pub(crate) fn name_devices(&self, error: Error) -> Error {
        error.name_devices(|index| self.device_name(index))
    }

    /// The same in the words for a request.
    pub(crate) fn with_device_names(&self, operation: String) -> String {
        with_device_names(operation, |index| self.device_name(index))
    }

    /// How many messages the kernel dropped in the life of the socket because the receive buffer was full; `None` if it does not say.
    pub(crate) fn dropped(&self) -> Option<u32> {
        sys::dropped(self.as_fd()).ok()
    }

    /// Sends to the kernel, which handles the datagram before this returns.
    ///
    /// The kernel's address goes with each datagram: without it the kernel would also demand the privileges of whoever
    /// opened the socket.
    pub(crate) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        sys::send(self.as_fd(), datagram).map(drop)
    }

    /// Sends when there is room. A netlink socket always has room; a simulated one may not.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, datagram: &[u8]) -> Poll<Result<()>> {
        self.reactor.poll_io(cx, &self.fd, Readiness::Writable, |_| self.send(datagram))
    }

    /// Receives one datagram without waiting, whoever sent it.
    #[inline]
    pub(crate) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.transport.receive(self.as_fd(), buffer)
    }

    /// The same with a buffer that is made as large as the datagram is.
    pub(crate) fn try_receive_whole(&self, buffer: &mut Buffer) -> io::Result<Received> {
        buffer.grow(sys::next_size(self.as_fd())?);
        self.try_receive(buffer)
    }

    /// Runs `io` until it does not return `WouldBlock`; see [`wait::Reactor::poll_io`].
    pub(crate) fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        io: impl FnMut(&Waker) -> io::Result<T>,
    ) -> Poll<Result<T>> {
        self.reactor.poll_io(cx, &self.fd, Readiness::Readable, io)
    }

    /// Receives a datagram of the kernel. Datagrams of other senders are skipped: who may send to this socket
    /// may also claim to be the kernel inside the message, but not in the sender's address.
    ///
    /// `whole` makes the buffer as large as the datagram; otherwise one that does not fit is an error.
    #[inline]
    pub(crate) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        whole: bool,
    ) -> Poll<Result<Datagram>> {
        for _ in 0..MAX_SKIPPED {
            let received = self.poll_io(cx, |_| match whole {
                true => self.try_receive_whole(buffer),
                false => self.try_receive(buffer),
            });
            if let Some(outcome) = accept(ready!(received), buffer.len()) {
                return Poll::Ready(outcome);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Receives datagrams of events, whoever sent them, into a [buffer for many](Buffer::take_for_many_events). Returns how many:
    /// as many as there are in `received`, or fewer.
    #[inline]
    pub(crate) fn poll_receive_events(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        received: &mut [Received],
    ) -> Poll<Result<usize>> {
        self.poll_io(cx, |_| match &mut *received {
            [one] => {
                *one = self.try_receive(buffer.get_mut(..EVENTS_LEN).unwrap_or_default())?;
                Ok(1)
            }
            many => self.transport.receive_many(self.as_fd(), buffer, (EVENTS_STRIDE, EVENTS_LEN), many),
        })
    }

    /// Discards everything that is queued, and says whether there was anything. What is `sensitive` is not left in memory.
    pub(crate) fn drain(&self, sensitive: bool) -> Result<bool> {
        let mut buffer = Buffer::take();
        if sensitive {
            buffer.set_sensitive();
        }
        let mut any = false;
        // Not until it is empty: someone may be sending all the time.
        for _ in 0..self.most_queued() {
            match self.try_receive(&mut buffer) {
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

fn until_nul(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A datagram of the kernel that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram {
    pub(crate) size: usize,
    /// The id of the namespace that it is about, below 0 for the socket's own.
    pub(crate) nsid: i32,
}

/// What a receive call means, `None` for what is to be skipped.
#[inline]
pub(crate) fn accept(received: Result<Received>, limit: usize) -> Option<Result<Datagram>> {
    match received {
        Ok(Received { port, .. }) if port != 0 => None,
        // The kernel sends no empty datagram: the other end of a simulated socket is gone.
        Ok(Received { size: 0, .. }) => Some(Err(ErrorKind::Closed.into())),
        Ok(Received { size, .. }) if size > limit => Some(Err(ErrorKind::Truncated { size, limit }.into())),
        Ok(Received { size, nsid, .. }) => Some(Ok(Datagram { size, nsid })),
        Err(error) => match error.kind() {
            ErrorKind::Io(io) if io.kind() == io::ErrorKind::Interrupted => None,
            ErrorKind::Io(io) if is_loss(io) => Some(Err(ErrorKind::Overrun.into())),
            _ => Some(Err(error)),
        },
    }
}

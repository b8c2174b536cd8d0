//! netlink-proto, driven so that its known failures cannot happen: see the tests of this crate, which show each
//! of them against the plain library.

use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use bytes::{BufMut, BytesMut};
use futures_core::Stream;
use netlink_packet_core::{NetlinkDeserializable, NetlinkMessage, NetlinkPayload, NetlinkSerializable};
use netlink_proto::sys::{AsyncSocket, SocketAddr};
use netlink_proto::{ConnectionHandle, NetlinkMessageCodec};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::message::{Messages, RawMessage};
use crate::socket::{RECEIVE_LEN, Wire, is_loss, most_queued, send_limit};
use crate::sys;

pub(super) struct Started {
    pub(super) handle: ConnectionHandle<RawMessage>,
    /// Counts the occasions on which answers may have been lost.
    pub(super) losses: watch::Receiver<u64>,
    /// Counts them too, and before anything that arrived behind the loss is handed out.
    pub(super) lost: Arc<AtomicU64>,
    pub(super) receive_buffer: usize,
    pub(super) send_limit: usize,
}

/// Starts the task that owns the socket. It ends when the handle and `losses` are dropped.
pub(super) fn start(fd: OwnedFd) -> Result<Started> {
    let runtime = tokio::runtime::Handle::try_current()
        .map_err(|_| Error::usage("a connection needs a tokio runtime with io and time enabled"))?;
    let receive_buffer = sys::option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF)?;
    let send_limit = send_limit(fd.as_fd())?;
    let socket = ProtoSocket::from_fd(fd)?;
    let lost = Arc::clone(&socket.lost);
    let (mut proto, handle, unsolicited) =
        netlink_proto::from_socket_with_codec::<RawMessage, _, Codec>(socket);
    // Every request then ends with an explicit verdict, so a stream that merely ends means a lost connection.
    proto.set_forward_ack(true);
    proto.set_forward_done(true);
    let (losses_tx, losses) = watch::channel(0);
    runtime.spawn(Driver { proto, unsolicited: Box::pin(unsolicited), losses: losses_tx });
    Ok(Started { handle, losses, lost, receive_buffer, send_limit })
}

type Proto = netlink_proto::Connection<RawMessage, ProtoSocket, Codec>;

struct Driver {
    proto: Proto,
    /// Messages that answer nothing: late answers to requests nobody waits for, and notices of loss.
    unsolicited: Pin<Box<dyn Stream<Item = (NetlinkMessage<RawMessage>, SocketAddr)> + Send>>,
    losses: watch::Sender<u64>,
}

/// How many requests go out before other tasks of the runtime get a turn.
const ROUNDS_PER_POLL: usize = 64;

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // netlink-proto sends one queued request per poll and does not ask to be polled again.
        for _ in 0..ROUNDS_PER_POLL {
            let sent = self.proto.socket_mut().sent();
            if Pin::new(&mut self.proto).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut lost = self.proto.socket_mut().take_loss();
            while let Poll::Ready(Some((message, _))) = self.unsolicited.as_mut().poll_next(cx) {
                lost |= matches!(message.payload, NetlinkPayload::Overrun(_));
            }
            if lost {
                // All that was still queued has been handed out by now; who has no verdict yet gets none.
                self.losses.send_modify(|count| *count = count.wrapping_add(1));
            }
            if self.losses.is_closed() {
                return Poll::Ready(());
            }
            if self.proto.socket_mut().sent() == sent {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The socket as netlink-proto sees it. Errors that would make it give up the connection are noted instead and
/// fail what is pending.
struct ProtoSocket {
    fd: AsyncFd<sys::ProtoFd>,
    wire: Wire,
    buffer: std::sync::Mutex<Vec<u8>>,
    sent: AtomicU64,
    loss: AtomicBool,
    lost: Arc<AtomicU64>,
    /// How many datagrams may have to be read yet until the kernel queues answers again. While it does not, an answer
    /// would be lost without a notice, so nothing is sent.
    clogged: AtomicUsize,
    most_queued: usize,
}

impl ProtoSocket {
    fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let receive_buffer = sys::option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF)?;
        Ok(Self {
            wire: Wire::of(fd.as_fd())?,
            fd: sys::watch_for_proto(fd)?,
            buffer: std::sync::Mutex::new(vec![0; RECEIVE_LEN]),
            sent: AtomicU64::new(0),
            loss: AtomicBool::new(false),
            lost: Arc::default(),
            clogged: AtomicUsize::new(0),
            most_queued: most_queued(receive_buffer),
        })
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn take_loss(&self) -> bool {
        self.loss.swap(false, Ordering::Relaxed)
    }

    fn note_loss(&self) {
        self.lost.fetch_add(1, Ordering::Release);
        self.loss.store(true, Ordering::Relaxed);
    }

    /// Receives a datagram; `false` if it is of another sender than the kernel and was skipped.
    fn receive_into<B: BufMut>(&self, out: &mut B) -> io::Result<bool> {
        let mut buffer = self.buffer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let received = self.wire.receive(self.fd.get_ref().as_fd(), &mut buffer);
        self.clogged.store(
            match &received {
                Ok(_) => self.clogged.load(Ordering::Relaxed).saturating_sub(1),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => self.most_queued,
            },
            Ordering::Relaxed,
        );
        match received {
            Ok(received) if received.port != 0 => Ok(false),
            Ok(received) if received.size == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(received) => {
                match buffer.get(..received.size) {
                    Some(datagram) => out.put_slice(datagram),
                    // Larger than the buffer: it cannot be told which request it answered.
                    None => self.note_loss(),
                }
                Ok(true)
            }
            Err(error) if is_loss(&error) => {
                self.note_loss();
                Err(io::Error::from_raw_os_error(libc::ENOBUFS))
            }
            Err(error) => Err(error),
        }
    }
}

impl AsyncSocket for ProtoSocket {
    fn socket_ref(&self) -> &netlink_sys::Socket {
        self.fd.get_ref().socket()
    }

    fn socket_mut(&mut self) -> &mut netlink_sys::Socket {
        self.fd.get_mut().socket_mut()
    }

    fn new(protocol: isize) -> io::Result<Self> {
        let protocol = i32::try_from(protocol).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        Self::from_fd(sys::socket(protocol)?)
    }

    fn poll_send(&self, cx: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send_to(cx, datagram, &SocketAddr::new(0, 0))
    }

    fn poll_send_to(&self, cx: &mut Context<'_>, datagram: &[u8], _: &SocketAddr) -> Poll<io::Result<usize>> {
        loop {
            if self.clogged.load(Ordering::Relaxed) > 0 {
                // Reading goes on, or waits for the task's next turn, and comes before sending.
                return Poll::Pending;
            }
            // Not asking for readiness first: the kernel takes a request at once, and a flood of messages to be read
            // must not use up the task's budget before anything is sent.
            match sys::send(self.fd.get_ref().as_fd(), datagram) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.fd.poll_write_ready(cx))?.clear_ready();
                }
                outcome => {
                    self.sent.fetch_add(1, Ordering::Relaxed);
                    if outcome.is_err() {
                        self.note_loss();
                    }
                    return Poll::Ready(Ok(datagram.len()));
                }
            }
        }
    }

    fn poll_recv<B: BufMut>(&self, cx: &mut Context<'_>, out: &mut B) -> Poll<io::Result<()>> {
        self.poll_recv_from(cx, out).map_ok(drop)
    }

    fn poll_recv_from<B: BufMut>(&self, cx: &mut Context<'_>, out: &mut B) -> Poll<io::Result<SocketAddr>> {
        loop {
            let mut guard = ready!(self.fd.poll_read_ready(cx))?;
            match guard.try_io(|_| self.receive_into(out)) {
                Ok(Ok(true)) => return Poll::Ready(Ok(SocketAddr::new(0, 0))),
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_recv_from_full(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
        let mut out = Vec::new();
        self.poll_recv_from(cx, &mut out).map_ok(|from| (out, from))
    }
}

impl fmt::Debug for ProtoSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtoSocket").finish_non_exhaustive()
    }
}

/// netlink-proto's own codec, but for its habit of logging the bytes of what it cannot decode.
struct Codec;

impl NetlinkMessageCodec for Codec {
    fn decode<T>(src: &mut BytesMut) -> io::Result<Option<NetlinkMessage<T>>>
    where
        T: NetlinkDeserializable + fmt::Debug,
    {
        while !src.is_empty() {
            let mut messages = Messages::new(src);
            if !matches!(messages.next(), Some(Ok(_))) {
                // Behind a wrong length no further message can be found.
                src.clear();
                break;
            }
            let message = src.split_to(src.len() - messages.as_bytes().len());
            if let Ok(message) = NetlinkMessage::deserialize(&message) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn encode<T>(message: NetlinkMessage<T>, out: &mut BytesMut) -> io::Result<()>
    where
        T: NetlinkSerializable + fmt::Debug,
    {
        let start = out.len();
        out.resize(start + message.buffer_len(), 0);
        if let Some(out) = out.get_mut(start..) {
            message.serialize(out);
        }
        Ok(())
    }
}

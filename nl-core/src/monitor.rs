//! Events: the multicast messages of one or more groups, as a stream.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_core::connection::Protocol;
//! use nl_core::link::Link;
//! use nl_core::monitor::Monitor;
//!
//! # async fn example() -> nl_core::Result<()> {
//! // RTNLGRP_LINK: devices that are new, changed or gone. Only those that are there are decoded.
//! let mut links = Monitor::builder(Protocol::Route)
//!     .group(1)
//!     .open(|message| if message.kind() == 16 { Link::decode(message).map(Some) } else { Ok(None) })?;
//! while let Some(event) = links.next().await {
//!     match event {
//!         Ok(link) => println!("{}: {}", link.index, link.name),
//!         Err(error) if error.is_overrun() => eprintln!("events were lost"),
//!         Err(error) => return Err(error),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Equivalent: `ip monitor link`. Listening takes no privilege, but for some groups of generic families.
//!
//! Only messages from the kernel are believed: a process with `CAP_NET_ADMIN` over the namespace can send forgeries
//! to any socket in it, but not with the kernel's address as the sender.
//!
//! # Lost events
//! The kernel does not wait for a slow reader. When the receive buffer is full it drops messages, and **goes on
//! dropping until the buffer was read empty**, telling once. The stream yields
//! [`Overrun`](crate::error::ErrorKind::Overrun) for this and goes on. What was lost must then be read anew, in
//! this order: [`discard_pending`](Monitor::discard_pending), then a [dump](crate::dump) on another socket, then what
//! the monitor yields. A dump before the buffer was read empty would be followed by a gap nobody notices.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::attr::DecodeError;
use crate::connection::Protocol;
use crate::dump::Decode;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{MessageRef, Messages};
use crate::netns::Netns;
use crate::socket::{Endpoint, RECEIVE_LEN, ReceiveBuffer, Socket};

const DEFAULT_RECEIVE_BUFFER: usize = 8 * 1024 * 1024;

/// The events of some multicast groups: a `Stream` of `Result<T>` that ends only if the socket fails.
///
/// An event that cannot be decoded is an `Err` in its place, and the stream goes on behind it, as it does behind
/// [lost events](self#lost-events).
pub struct Monitor<T> {
    socket: Socket,
    decode: Decode<T>,
    buffer: Vec<u8>,
    unread: std::ops::Range<usize>,
    /// How many datagrams were read since the runtime last got a turn.
    burst: u32,
    ended: bool,
}

/// Datagrams read before other tasks of the runtime get a turn.
const MAX_BURST: u32 = 64;

impl Monitor<()> {
    /// Options for a monitor of this protocol.
    pub fn builder(protocol: Protocol) -> MonitorBuilder {
        Endpoint { protocol, netns: None, source: None }.monitor()
    }
}

impl Endpoint {
    pub(crate) fn monitor(self) -> MonitorBuilder {
        MonitorBuilder {
            endpoint: self,
            groups: Vec::new(),
            receive_buffer: ReceiveBuffer::Raise(DEFAULT_RECEIVE_BUFFER),
        }
    }
}

impl<T> Monitor<T> {
    /// Throws away everything that is queued, read or unread, and says whether there was anything.
    ///
    /// # Errors
    /// The socket failed.
    pub fn discard_pending(&mut self) -> Result<bool> {
        let unread = !std::mem::replace(&mut self.unread, 0..0).is_empty();
        Ok(self.socket.drain(&mut self.buffer)? || unread)
    }

    /// The size of the receive buffer as the kernel accounts it: whole buffers, not bytes of messages.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.socket.receive_buffer()
    }

    fn read(&mut self) -> Option<Result<T>> {
        while !self.unread.is_empty() {
            let bytes = self.buffer.get(self.unread.clone()).unwrap_or_default();
            let mut messages = Messages::new(bytes);
            let message = match messages.next()? {
                Ok(message) => message,
                Err(error) => {
                    self.unread = 0..0;
                    return Some(Err(error.into()));
                }
            };
            self.unread.start = self.unread.end - messages.as_bytes().len();
            match (self.decode)(message) {
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(event)),
                Err(error) => {
                    let operation = format!("read an event of type {}", message.kind());
                    return Some(Err(Error::from(error).during(|| operation)));
                }
            }
        }
        None
    }
}

impl<T> Stream for Monitor<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        loop {
            if let Some(event) = this.read() {
                return Poll::Ready(Some(event));
            }
            if this.burst == MAX_BURST {
                this.burst = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match this.socket.poll_receive(cx, &mut this.buffer) {
                Poll::Ready(Ok(len)) => {
                    this.unread = 0..len;
                    this.burst += 1;
                }
                Poll::Ready(Err(error)) => {
                    this.ended = error.errno().is_some() || matches!(error.kind(), ErrorKind::Closed);
                    return Poll::Ready(Some(Err(error.during(|| "wait for events".into()))));
                }
                Poll::Pending => {
                    this.burst = 0;
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<T> fmt::Debug for Monitor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Options for a monitor.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct MonitorBuilder {
    endpoint: Endpoint,
    groups: Vec<u32>,
    receive_buffer: ReceiveBuffer,
}

impl MonitorBuilder {
    /// Joins a group, by its number (`RTNLGRP_*`, or as [resolved](crate::connection::Connection::family) for a
    /// generic family).
    pub fn group(mut self, number: u32) -> Self {
        self.groups.push(number);
        self
    }

    /// Listens inside another namespace; by default it is the calling thread's.
    pub fn netns(mut self, netns: &Netns) -> Self {
        self.endpoint.netns = Some(netns.clone());
        self
    }

    /// The size of the receive buffer in bytes. By default it is raised to 8 MiB, or as far as the system lets
    /// an unprivileged socket go. The kernel bounds what is set here on both sides, so 0 asks for the smallest.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = ReceiveBuffer::Exact(bytes);
        self
    }

    /// Takes the socket from this function instead of making it, as
    /// [`ConnectionBuilder::sockets_from`](crate::connection::ConnectionBuilder::sockets_from) does.
    ///
    /// A socket to the kernel is joined to the groups; on one at whose other end something else plays the kernel, what
    /// arrives is what was asked for.
    pub fn sockets_from(mut self, source: impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static) -> Self {
        self.endpoint.source = Some(Arc::new(source));
        self
    }

    /// Starts listening on the current tokio runtime. `decode` returns `None` for an event to be skipped.
    ///
    /// # Errors
    /// No tokio runtime is current, the namespace cannot be entered, a group does not exist in this kernel
    /// (`EINVAL`) or needs a privilege (`EPERM`).
    pub fn open<T>(
        self,
        decode: impl FnMut(MessageRef<'_>) -> Result<Option<T>, DecodeError> + Send + 'static,
    ) -> Result<Monitor<T>> {
        let socket = self.endpoint.open_socket(self.receive_buffer)?;
        for group in self.groups {
            socket.join(group).map_err(|error| {
                Error::from(error).during(|| format!("join {} group {group}", self.endpoint.protocol))
            })?;
        }
        Ok(Monitor {
            socket,
            decode: Box::new(decode),
            buffer: vec![0; RECEIVE_LEN],
            unread: 0..0,
            burst: 0,
            ended: false,
        })
    }
}

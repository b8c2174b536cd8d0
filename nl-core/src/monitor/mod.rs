//! Events: the multicast messages of one or more groups, as a stream.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_core::connection::Protocol;
//! use nl_core::link::Link;
//! use nl_core::monitor::Monitor;
//!
//! # async fn example() -> nl_core::Result<()> {
//! // RTNLGRP_LINK: devices that are new, changed or deleted. Messages about deleted ones are skipped.
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
//! Messages not sent by the kernel are ignored: a process with `CAP_NET_ADMIN` over the namespace can send forgeries
//! to any socket in it, but not with the kernel's address as the sender.
//!
//! A monitor is a `Stream`; under feature `blocking`, `for event in &mut monitor` waits without a runtime.
//!
//! # Lost events
//! The kernel does not wait for a slow reader. When the receive buffer is full it drops messages, and **goes on
//! dropping until the buffer was read empty**, which it reports once. The stream yields
//! [`Overrun`](crate::error::ErrorKind::Overrun) for this and goes on. The same is yielded for an event of `NETLINK_ROUTE` over
//! 128 KiB, which is more than any known event has; the next one of its size is read whole. What was lost must then be read again, in
//! this order: [`discard_pending`](Monitor::discard_pending), then a [dump](crate::dump) on another socket, then what
//! the monitor yields. A dump before the buffer was read empty would be followed by a gap nobody notices.

mod filter;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

pub use filter::{MessageFilter, MessageRule};

use crate::attr::DecodeError;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Decode, MessageRef};
use crate::netns::Netns;
use crate::protocol::Protocol;
use crate::socket::{Namespace, Ports, Reader, Requester, Socket, SocketSpec, Turn, check_receive_buffer};
use crate::trace::Losses;

const DEFAULT_RECEIVE_BUFFER: usize = 8 * 1024 * 1024;

/// The events of some multicast groups: a `Stream` of `Result<T>` that ends only if the socket fails.
///
/// An event that cannot be decoded is an `Err` in its place, and the stream goes on behind it, as it does behind
/// [lost events](self#lost-events). Any other error is the last item. A monitor that is polled on another runtime goes on there.
pub struct Monitor<T> {
    socket: Socket,
    protocol: Protocol,
    /// Whose events are left out.
    not_from: Vec<Ports>,
    filter: Option<MessageFilter>,
    decode: Decode<T>,
    reader: Reader,
    losses: Losses,
    /// How many datagrams were read since other tasks last had a turn.
    burst: u32,
    turn: Turn,
    ended: bool,
}

/// Datagrams read before other tasks of the runtime get a turn.
const MAX_BURST: u32 = 64;

impl Monitor<()> {
    /// Options for a monitor of this protocol.
    pub fn builder(protocol: Protocol) -> MonitorBuilder {
        MonitorBuilder::new(SocketSpec::new(protocol))
    }
}

impl<T> Monitor<T> {
    /// Discards everything that is queued, read or unread, and says whether there was anything.
    ///
    /// # Errors
    /// The socket failed.
    pub fn discard_pending(&mut self) -> Result<bool> {
        let unread = self.reader.clear_events(&self.socket)?;
        Ok(self.socket.drain(false)? || unread)
    }

    /// The size of the receive buffer as the kernel accounts it: whole buffers, not bytes of messages, and twice what was asked
    /// for, if the system allowed that.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.socket.receive_buffer()
    }

    /// Joins another group, such as one of a generic netlink family that was registered again. Its events follow from now on.
    ///
    /// # Errors
    /// The group does not exist in this kernel (`EINVAL`) or needs a privilege (`EPERM`).
    pub fn join(&self, group: u32) -> Result<()> {
        join(&self.socket, self.protocol, group)
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
            // Not a function of its own, because what it returned would be moved once more.
            while let Some(message) = this.reader.next() {
                let message = match message {
                    Ok(message) => message,
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                };
                // Ports of other namespaces are other sockets.
                if message.nsid().is_none()
                    && this.not_from.iter().any(|ports| ports.contains(message.port()))
                {
                    continue;
                }
                // Behind the first message of a datagram there may be others; and a simulated kernel sends what it likes.
                if this.filter.as_ref().is_some_and(|filter| !filter.matches(message)) {
                    continue;
                }
                match (this.decode)(message) {
                    Ok(None) => {}
                    Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                    Err(error) => {
                        let operation = format!("read an event of type {}", message.kind());
                        return Poll::Ready(Some(Err(Error::from(error).during(|| operation))));
                    }
                }
            }
            if this.burst >= MAX_BURST {
                this.burst = 0;
                this.turn.give();
            }
            ready!(this.turn.poll(cx));
            match this.reader.poll_fill(cx, &this.socket) {
                Poll::Ready(Ok(_)) => this.burst += 1,
                Poll::Ready(Err(mut error)) => {
                    if let ErrorKind::Truncated { size, .. } = error.kind() {
                        // This event is lost; the next one of its size is not.
                        this.reader.grow(*size);
                        error = ErrorKind::Overrun.into();
                    }
                    // Lost events are followed by others; nothing else passes.
                    this.ended = !error.is_overrun();
                    if !this.ended {
                        this.losses.overrun(this.protocol, || this.socket.dropped());
                    }
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

/// The events, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl<T> IntoIterator for &mut Monitor<T> {
    type Item = Result<T>;
    type IntoIter = crate::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        crate::blocking::Iter::new(self)
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
    spec: SocketSpec,
    groups: Vec<u32>,
    receive_buffer: usize,
    all_namespaces: bool,
    not_from: Vec<Requester>,
    filter: Option<MessageFilter>,
}

impl MonitorBuilder {
    pub(crate) const fn new(spec: SocketSpec) -> Self {
        let receive_buffer = DEFAULT_RECEIVE_BUFFER;
        Self {
            spec,
            groups: Vec::new(),
            receive_buffer,
            all_namespaces: false,
            not_from: Vec::new(),
            filter: None,
        }
    }

    /// Changes the protocol. The numbers of groups are those of this protocol.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.spec.protocol = protocol;
        self
    }

    /// Joins a group, by its number (`RTNLGRP_*`, or as [resolved](crate::connection::Connection::family) for a
    /// generic family).
    pub fn group(mut self, number: u32) -> Self {
        self.groups.push(number);
        self
    }

    /// Listens inside another namespace; by default it is the calling thread's.
    pub fn netns(mut self, netns: &Netns) -> Self {
        self.spec.namespace = Namespace::Given(netns.clone());
        self
    }

    /// Listens to all namespaces that have an id in the monitor's namespace (`NETLINK_LISTEN_ALL_NSID`), and to that one.
    ///
    /// [`MessageRef::nsid`] is the id of each event's namespace. It is `None` for the monitor's own, also if that has an id in its own
    /// table. An id of 0 does not mean "our own".
    /// Equal interface indexes of two namespaces are two devices. The events of each namespace are in order. The kernel lists tables
    /// of the connection's own namespace alone, apart from devices and addresses, so a copy of a table needs a connection in its
    /// namespace.
    ///
    /// ```no_run
    /// use nl_core::Protocol;
    /// use nl_core::link::{LinkEvent, RTNLGRP_LINK};
    /// use nl_core::monitor::Monitor;
    ///
    /// # fn example() -> nl_core::Result<()> {
    /// let links = Monitor::builder(Protocol::Route).group(RTNLGRP_LINK).all_namespaces().open(|message| {
    ///     let nsid = message.nsid();
    ///     Ok(LinkEvent::decode(message)?.map(|event| (nsid, event)))
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Needs `CAP_NET_BROADCAST` in the user namespace that owns the network namespace, and over each other namespace: the events of
    /// the others are left out. Linux 4.2. Equivalent: `ip monitor all-nsid`.
    pub fn all_namespaces(mut self) -> Self {
        self.all_namespaces = true;
        self
    }

    /// The size of the receive buffer in bytes, 8 MiB by default.
    ///
    /// With `CAP_NET_ADMIN` in the initial user namespace the socket gets this size; without it, no more than
    /// `net.core.rmem_max`. The kernel reserves twice as much, for its own structures, and never less than about 2 KiB.
    /// [`Monitor::receive_buffer`] reads the size in force.
    ///
    /// # Errors
    /// [`open`](Self::open) refuses more than 1 GiB, which the kernel would silently cut.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes;
        self
    }

    /// Leaves out events that this connection, or a clone of it, caused, where the kernel says so: by its requests, batches and lists.
    ///
    /// The kernel puts the port of the requester into events of routes, nexthop objects, rules, IPv4 addresses, neighbours and
    /// traffic control. It does not for the forwarding databases, VLANs and ports of bridges, for IPv6 addresses, nor for many
    /// changes of devices: those events are not left out. What follows from a change by itself, such as routes that vanish with a
    /// device, has no requester. A connection to another protocol, or in another namespace than the monitor's, has no effect.
    ///
    /// The events do fill the receive buffer.
    ///
    /// ```no_run
    /// use nl_core::monitor::Monitor;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # fn example() -> nl_core::Result<()> {
    /// let conn = Connection::open(Protocol::Route)?;
    /// // RTNLGRP_IPV4_ROUTE: routes that others change.
    /// let routes = Monitor::builder(Protocol::Route).group(7).not_from(&conn).open(|message| Ok(Some(message.kind())))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn not_from(mut self, requester: impl Into<Requester>) -> Self {
        self.not_from.push(requester.into());
        self
    }

    /// Reads only what this filter accepts; the rest stays in the kernel.
    pub fn filter(mut self, filter: MessageFilter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Takes the socket from this function instead of opening it, as
    /// [`ConnectionBuilder::sockets_from`](crate::connection::ConnectionBuilder::sockets_from) does.
    ///
    /// A socket to the kernel is joined to the groups; a simulated kernel sends what it likes.
    pub fn sockets_from(mut self, source: impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static) -> Self {
        self.spec.source = Some(Arc::new(source));
        self
    }

    /// Starts listening. `decode` returns `None` for an event to be skipped. Needs no runtime.
    ///
    /// # Errors
    /// The namespace cannot be entered, a group does not exist in this kernel (`EINVAL`) or needs a privilege (`EPERM`), as listening to
    /// [all namespaces](Self::all_namespaces) does, or the receive buffer is over 1 GiB.
    pub fn open<T>(
        self,
        decode: impl FnMut(MessageRef<'_>) -> Result<Option<T>, DecodeError> + Send + 'static,
    ) -> Result<Monitor<T>> {
        check_receive_buffer(self.receive_buffer)?;
        let program = self.filter.as_ref().map(MessageFilter::program).transpose();
        let program = program.map_err(|why| Error::usage(why.to_string()))?;
        let socket = match self.all_namespaces {
            true => self.spec.open_for_namespaces(self.receive_buffer)?,
            false => self.spec.open_for_groups(self.receive_buffer)?,
        };
        let protocol = self.spec.protocol;
        // Before the groups are joined, so that nothing gets past it.
        if let Some(mut program) = program {
            socket.attach_filter(&mut program)?;
        }
        for group in self.groups {
            join(&socket, protocol, group)?;
        }
        // Sockets of other protocols and in other namespaces can have the same ports.
        let namespace = socket.netns_cookie();
        let not_from =
            self.not_from.into_iter().filter_map(|from| from.ports_in(protocol, namespace)).collect();
        Ok(Monitor {
            socket,
            protocol,
            not_from,
            filter: self.filter,
            decode: Box::new(decode),
            reader: match protocol {
                // Families decide how large their events are.
                Protocol::Generic => Reader::whole(),
                Protocol::Route | Protocol::SockDiag => Reader::for_events(),
            },
            losses: Losses::new(),
            burst: 0,
            turn: Turn::default(),
            ended: false,
        })
    }
}

fn join(socket: &Socket, protocol: Protocol, group: u32) -> Result<()> {
    let named = |error: io::Error| Error::from(error).during(|| format!("join {protocol} group {group}"));
    socket.join(group).map_err(named)
}

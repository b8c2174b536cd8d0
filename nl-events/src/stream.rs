//! Events as the kernel reports them.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_events::{NetworkEvent, Source, stream::Events};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let mut events = Events::builder().source(Source::FDB).open()?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Ok(NetworkEvent::Fdb(event)) => println!("{event}"),
//!         Ok(_) => {}
//!         Err(error) if error.is_overrun() => eprintln!("events were lost"),
//!         Err(error) => return Err(error),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use nl_core::Protocol;
use nl_core::attr::DecodeError;
use nl_core::connection::Requester;
use nl_core::error::Result;
use nl_core::message::MessageRef;
use nl_core::monitor::{Monitor, MonitorBuilder};
use nl_core::netns::Netns;

use crate::event::NetworkEvent;
use crate::monitors::{Filters, Monitors, Wanted};
use crate::source::{RtnetlinkGroup, Source, decode_any};

/// A `Stream` of `Result<NetworkEvent>` that ends only if a socket fails.
///
/// An event that cannot be decoded is an `Err` in its place, and so are lost events
/// ([`is_overrun`](nl_core::Error::is_overrun)); the stream continues. [`nl_core::monitor`] explains how to resynchronise; a watch
/// does so itself. Any other error is the last item. Under feature `blocking`, `for event in &mut events`
/// waits without a runtime.
/// Each protocol has its own socket. Events of one protocol are in the kernel's order, also those of different sources: that a device
/// is new comes before what happens on it. Events of `NETLINK_ROUTE` and of generic netlink are not ordered relative to each other.
/// The group of a generic netlink family that is registered again, under other numbers, is joined again.
/// [`Reports`](crate::report::Reports) are events with their namespaces and with who caused them.
#[derive(Debug)]
pub struct Events {
    monitors: Monitors<NetworkEvent>,
}

impl Events {
    /// Options.
    pub fn builder() -> EventsBuilder {
        EventsBuilder {
            monitor: Monitor::builder(Protocol::Route),
            sources: Vec::new(),
            filters: Filters::default(),
        }
    }

    /// Discards all queued events, and returns whether there were any.
    ///
    /// # Errors
    /// A socket failed.
    pub fn discard_pending(&mut self) -> Result<bool> {
        self.monitors.discard_pending()
    }
}

impl Stream for Events {
    type Item = Result<NetworkEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().monitors.poll_next(cx)
    }
}

/// The events, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl IntoIterator for &mut Events {
    type Item = Result<NetworkEvent>;
    type IntoIter = nl_core::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        nl_core::blocking::Iter::new(self)
    }
}

/// Options for [`Events`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct EventsBuilder {
    monitor: MonitorBuilder,
    sources: Vec<Source>,
    filters: Filters,
}

impl EventsBuilder {
    /// Yields the events of this source, or of this [group](crate::RtnetlinkGroup).
    pub fn source(mut self, source: impl Into<Source>) -> Self {
        self.sources.push(source.into());
        self
    }

    /// Yields the events of this group.
    pub fn group(self, group: RtnetlinkGroup) -> Self {
        self.source(group)
    }

    /// Leaves in the kernel what no source of `NETLINK_ROUTE` decodes, by a filter of the socket: neighbours of IP in a stream of
    /// forwarding databases, for example, or qdiscs in one of classes. They take no room in the receive buffer, and wake nobody.
    ///
    /// A stream with a [raw source](Source::raw) gets everything.
    pub fn filtered(mut self) -> Self {
        self.filters.in_kernel = true;
        self
    }

    /// Yields only events of this interface, and of the others that are given, where the messages of a source have an interface in
    /// their header: not routes, rules and nexthop objects, of which all are yielded. The kernel applies it, as [`filtered`](Self::filtered).
    ///
    /// The interface of an entry of a forwarding database is its port; of a multicast database it is the bridge.
    pub fn interface(mut self, index: u32) -> Self {
        self.filters.interfaces.push(index);
        self.filtered()
    }

    /// Decodes only messages for which `wanted` says so, such as by [`kind`](MessageRef::kind), [`port`](MessageRef::port) or
    /// [`nsid`](MessageRef::nsid), or by a field of the header. It is called for each message that the socket received.
    pub fn decode_if(mut self, wanted: impl Fn(MessageRef<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.filters.wanted = Some(Wanted(Arc::new(wanted)));
        self
    }

    /// Leaves out events that this connection caused, where the kernel says so; see
    /// [`MonitorBuilder::not_from`], and [which events say so](crate::report#who-caused-an-event).
    pub fn not_from(mut self, requester: impl Into<Requester>) -> Self {
        self.monitor = self.monitor.not_from(requester);
        self
    }

    /// Listens to all namespaces that have an id in the followed one, for [`Reports`](crate::report::Reports).
    pub(crate) fn all_namespaces(mut self) -> Self {
        self.monitor = self.monitor.all_namespaces();
        self
    }

    /// Listens inside another namespace; by default it is the calling thread's.
    pub fn netns(mut self, netns: &Netns) -> Self {
        self.monitor = self.monitor.netns(netns);
        self
    }

    /// The size of each socket's receive buffer in bytes, 8 MiB by default; see [`MonitorBuilder::receive_buffer`].
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.monitor = self.monitor.receive_buffer(bytes);
        self
    }

    /// Takes sockets from this function instead of opening them, as [`MonitorBuilder::sockets_from`] does: one for each protocol,
    /// in the order of the protocols' first sources.
    pub fn sockets_from(mut self, source: impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static) -> Self {
        self.monitor = self.monitor.sockets_from(source);
        self
    }

    /// Starts listening. Needs no runtime. Without sources the stream yields no events.
    ///
    /// # Errors
    /// As [`MonitorBuilder::open`].
    pub fn open(self) -> Result<Events> {
        Ok(Events { monitors: self.monitors(decode_any)? })
    }

    /// The monitors of a stream, whose items `decode` makes of a message of one of the sources.
    pub(crate) fn monitors<T: 'static>(
        self,
        decode: impl Fn(&[Source], MessageRef<'_>) -> Result<Option<T>, DecodeError> + Copy + Send + 'static,
    ) -> Result<Monitors<T>> {
        Monitors::open(&self.monitor, self.sources, &self.filters, decode)
    }
}

//! Events as the kernel reports them.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_events::{NetworkEvent, RtnetlinkGroup, stream::Events};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let mut events = Events::builder().group(RtnetlinkGroup::BridgeFdb).open()?;
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

use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, io};

use futures_core::Stream;
use nl_core::Protocol;
use nl_core::error::Result;
#[cfg(feature = "mptcp")]
use nl_core::genl::Family;
use nl_core::monitor::{Monitor, MonitorBuilder};
use nl_core::netns::Netns;

use crate::{NetworkEvent, RtnetlinkGroup};

/// A `Stream` of `Result<NetworkEvent>` that ends only if a socket fails.
///
/// An event that cannot be decoded is an `Err` in its place, and so are lost events
/// ([`is_overrun`](nl_core::Error::is_overrun)); the stream goes on behind them. For what to do then see
/// [`nl_core::monitor`], or use a watch. Any other error is the last item. Under feature `blocking`, `for event in &mut events`
/// waits without a runtime.
///
/// Events of generic netlink come over a socket of their own, so their order among the other events is not known.
#[derive(Debug)]
pub struct Events {
    monitors: Vec<Monitor<NetworkEvent>>,
    /// The one that is polled first; they take turns.
    first: usize,
}

impl Events {
    /// Options.
    pub fn builder() -> EventsBuilder {
        EventsBuilder {
            groups: Vec::new(),
            #[cfg(feature = "mptcp")]
            mptcp: None,
            netns: None,
            receive_buffer: None,
            source: None,
        }
    }

    /// Discards everything that is queued, and says whether there was anything.
    ///
    /// # Errors
    /// A socket failed.
    pub fn discard_pending(&mut self) -> Result<bool> {
        let mut any = false;
        for monitor in &mut self.monitors {
            any |= monitor.discard_pending()?;
        }
        Ok(any)
    }
}

impl Stream for Events {
    type Item = Result<NetworkEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let count = this.monitors.len();
        for turn in 0..count {
            let at = (this.first + turn) % count;
            let Some(monitor) = this.monitors.get_mut(at) else { continue };
            if let Poll::Ready(event) = Pin::new(monitor).poll_next(cx) {
                this.first = (at + 1) % count;
                return Poll::Ready(event);
            }
        }
        Poll::Pending
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
    groups: Vec<RtnetlinkGroup>,
    #[cfg(feature = "mptcp")]
    mptcp: Option<Arc<Family>>,
    netns: Option<Netns>,
    receive_buffer: Option<usize>,
    source: Option<Source>,
}

/// Where sockets come from.
#[derive(Clone)]
struct Source(Arc<dyn Fn() -> io::Result<OwnedFd> + Send + Sync>);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl EventsBuilder {
    /// Listens to this group.
    pub fn group(mut self, group: RtnetlinkGroup) -> Self {
        self.groups.push(group);
        self
    }

    /// Listens to the events of Multipath TCP. `family` is [`mptcp_pm`](nl_mptcp::FAMILY), as
    /// [resolved](nl_core::Connection::family) by a connection.
    #[cfg(feature = "mptcp")]
    pub fn mptcp(mut self, family: Arc<Family>) -> Self {
        self.mptcp = Some(family);
        self
    }

    /// Listens inside another namespace; by default it is the calling thread's.
    pub fn netns(mut self, netns: &Netns) -> Self {
        self.netns = Some(netns.clone());
        self
    }

    /// The size of each socket's receive buffer in bytes, 8 MiB by default; see [`MonitorBuilder::receive_buffer`].
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Takes sockets from this function instead of opening them, as [`MonitorBuilder::sockets_from`] does: first one for
    /// Multipath TCP if its events are asked for, then one for the groups of rtnetlink.
    pub fn sockets_from(mut self, source: impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static) -> Self {
        self.source = Some(Source(Arc::new(source)));
        self
    }

    /// Starts listening. Needs no runtime.
    ///
    /// # Errors
    /// As [`MonitorBuilder::open`].
    pub fn open(self) -> Result<Events> {
        let mut monitors = Vec::new();
        #[cfg(feature = "mptcp")]
        if let Some(family) = &self.mptcp {
            let (number, group) = (family.id, family.group(nl_mptcp::EVENT_GROUP)?);
            let monitor = self.monitor(Protocol::Generic).group(group);
            monitors.push(monitor.open(move |message| NetworkEvent::decode_mptcp(number, message))?);
        }
        if !self.groups.is_empty() || monitors.is_empty() {
            let mut monitor = self.monitor(Protocol::Route);
            for group in &self.groups {
                monitor = monitor.group(group.number());
            }
            monitors.push(monitor.open(NetworkEvent::decode)?);
        }
        Ok(Events { monitors, first: 0 })
    }

    fn monitor(&self, protocol: Protocol) -> MonitorBuilder {
        let mut monitor = Monitor::builder(protocol);
        if let Some(netns) = &self.netns {
            monitor = monitor.netns(netns);
        }
        if let Some(Source(source)) = self.source.clone() {
            monitor = monitor.sockets_from(move || source());
        }
        match self.receive_buffer {
            Some(bytes) => monitor.receive_buffer(bytes),
            None => monitor,
        }
    }
}

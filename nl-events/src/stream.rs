//! Events as the kernel sends them.
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
/// An event that cannot be read is an `Err` in its place, and so is a loss of events
/// ([`is_overrun`](nl_core::Error::is_overrun)); the stream goes on behind them. For what to do then see
/// [`nl_core::monitor`], or use a watch.
///
/// Events of generic netlink come over a socket of their own: between them and the others there is no order.
#[derive(Debug)]
pub struct Events {
    monitors: Vec<Monitor<NetworkEvent>>,
    /// The one that is asked first; each has its turn.
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

    /// Throws away everything that is queued, and says whether there was anything.
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

    /// Listens to the events of Multipath TCP: of the family [`mptcp_pm`](nl_mptcp::FAMILY), as a
    /// [connection](nl_core::Connection::family) resolved it.
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

    /// The size of the receive buffer in bytes, of each socket; by default it is raised as far as the system lets it, up to
    /// 8 MiB.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Takes sockets from this function instead of making them, as
    /// [`MonitorBuilder::sockets_from`] does: one for groups of rtnetlink, and before it one for Multipath TCP where its events
    /// are listened to.
    pub fn sockets_from(mut self, source: impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static) -> Self {
        self.source = Some(Source(Arc::new(source)));
        self
    }

    /// Starts listening on the current tokio runtime.
    ///
    /// # Errors
    /// No tokio runtime is current, the namespace cannot be entered, or the kernel does not have a group or lets nobody
    /// without privilege into it.
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

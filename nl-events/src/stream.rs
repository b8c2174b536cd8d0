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

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use nl_core::Protocol;
use nl_core::error::Result;
use nl_core::monitor::{Monitor, MonitorBuilder};
use nl_core::netns::Netns;

use crate::{NetworkEvent, RtnetlinkGroup};

/// A `Stream` of `Result<NetworkEvent>` that ends only if the socket fails.
///
/// An event that cannot be read is an `Err` in its place, and so is a loss of events
/// ([`is_overrun`](nl_core::Error::is_overrun)); the stream goes on behind them. For what to do then see
/// [`nl_core::monitor`], or use a watch.
#[derive(Debug)]
pub struct Events {
    monitor: Monitor<NetworkEvent>,
}

impl Events {
    /// Options.
    pub fn builder() -> EventsBuilder {
        EventsBuilder { monitor: Monitor::builder(Protocol::Route) }
    }

    /// Throws away everything that is queued, and says whether there was anything.
    ///
    /// # Errors
    /// The socket failed.
    pub fn discard_pending(&mut self) -> Result<bool> {
        self.monitor.discard_pending()
    }
}

impl Stream for Events {
    type Item = Result<NetworkEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.monitor).poll_next(cx)
    }
}

/// Options for [`Events`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct EventsBuilder {
    monitor: MonitorBuilder,
}

impl EventsBuilder {
    /// Listens to this group.
    pub fn group(mut self, group: RtnetlinkGroup) -> Self {
        self.monitor = self.monitor.group(group.number());
        self
    }

    /// Listens inside another namespace; by default it is the calling thread's.
    pub fn netns(mut self, netns: &Netns) -> Self {
        self.monitor = self.monitor.netns(netns);
        self
    }

    /// The size of the receive buffer in bytes; by default it is raised as far as the system lets it, up to 8 MiB.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.monitor = self.monitor.receive_buffer(bytes);
        self
    }

    /// Starts listening on the current tokio runtime.
    ///
    /// # Errors
    /// No tokio runtime is current, the namespace cannot be entered, or the kernel does not have a group.
    pub fn open(self) -> Result<Events> {
        Ok(Events { monitor: self.monitor.open(NetworkEvent::decode)? })
    }
}

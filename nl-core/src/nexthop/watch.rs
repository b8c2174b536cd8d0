use std::borrow::Cow;

use super::codec::NexthopEvent;
use super::entry::Nexthop;
use super::filter::NexthopFilter;
use super::message::RTNLGRP_NEXTHOP;
use crate::attr::DecodeError;
use crate::link::{RTNLGRP_LINK, barrier, is_loss};
use crate::message::MessageRef;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::route::RouteFlags;
use crate::watch::{Entry, Event, Source, watch_of};

watch_of! {
    /// The nexthop objects and groups of a namespace, watched.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_core::nexthop::NexthopWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = NexthopWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(nexthop) => println!("+ {nexthop}"),
    ///         Change::Changed { after, .. } => println!("~ {after}"),
    ///         Change::Deleted(nexthop) => println!("- {nexthop}"),
    ///         Change::Synced => println!("= {} nexthops", watch.len()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The kernel removes the nexthops of a device that is deleted, goes down or loses its carrier without an event, and takes them out
    /// of their groups. The watch follows the events of devices and lists the nexthops again. Counters, the flags of links and how
    /// long a resilient group has been unbalanced are no change.
    NexthopWatch, NexthopWatchBuilder: NexthopSource of Nexthop;
    /// Equivalent: `ip nexthop show` and `ip monitor nexthop` together. Needs no privilege.
    open
}

impl Entry for Nexthop {
    type Key = u32;

    fn key(&self) -> u32 {
        self.id
    }

    fn normalized(&self) -> Cow<'_, Self> {
        let mut hop = self.clone();
        hop.flags -= RouteFlags::ONLY_READ;
        (hop.stats, hop.hw_stats_used) = (Vec::new(), None);
        if let Some(resilient) = &mut hop.resilient {
            resilient.unbalanced_time = None;
        }
        Cow::Owned(hop)
    }
}

#[derive(Clone, Copy, Debug)]
struct NexthopSource;

impl Source for NexthopSource {
    type Entry = Nexthop;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "nexthops";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_NEXTHOP]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Nexthop>>, DecodeError> {
        if !Nexthop::is_nexthop(message) {
            return Ok(is_loss(message)?.then_some(Event::Unreported));
        }
        Ok(Some(match NexthopEvent::decode(message)? {
            NexthopEvent::New(hop) => Event::New(hop),
            NexthopEvent::Deleted(hop) => Event::Deleted(hop),
        }))
    }

    fn barrier(&self) -> Option<Request> {
        Some(barrier())
    }

    fn list(&self) -> Request {
        NexthopFilter::default().list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Nexthop>, DecodeError> {
        Nexthop::decode(message).map(Some)
    }

    fn question(&self, hop: &Nexthop) -> Option<Request> {
        Some(Nexthop::get_request(hop.id, false, false))
    }
}

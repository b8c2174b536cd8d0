use std::borrow::Cow;

use super::codec::{Neighbour, NeighbourKey, NeighbourVerb};
use super::filter::{NeighbourEvent, NeighbourFilter};
use super::{NeighbourState, RTM_DELNEIGH, RTM_NEWNEIGH, RTNLGRP_NEIGH};
use crate::attr::DecodeError;
use crate::message::{AF_INET, AF_INET6, MessageRef};
use crate::monitor::{MessageFilter, MessageRule};
use crate::protocol::Protocol;
use crate::request::Request;
use crate::watch::{Entry, Event, Source, watch_of};

watch_of! {
    /// The neighbours of IPv4 and IPv6 of a namespace, watched.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_core::neighbour::NeighbourWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = NeighbourWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(neighbour) => println!("+ {neighbour}"),
    ///         Change::Changed { after, .. } => println!("~ {after}"),
    ///         Change::Deleted(neighbour) => println!("- {neighbour}"),
    ///         Change::Synced => println!("= {} neighbours", watch.len()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # What is watched
    /// What `ip neighbour show` lists: neighbours of every state but `noarp` alone. The kernel makes those of multicast addresses
    /// and of devices without link-layer addresses without an event. Addresses the host answers for (`proxy`) have no events at
    /// all and are not watched. An entry that becomes `noarp` is reported as deleted.
    ///
    /// Changes of ages and of the number of probes are not reported. Those of the state are, also if the kernel makes them, as from
    /// `reachable` to `stale`.
    ///
    /// # What cannot be known
    /// The kernel reports neither that it begins to resolve an address (`incomplete`) nor that it begins to wait for a
    /// confirmation (`delay`). Such a state is seen when the table is listed, and a neighbour that is being resolved for the first
    /// time when it has answered or failed.
    NeighbourWatch, NeighbourWatchBuilder: NeighbourSource of Neighbour;
    /// Equivalent: `ip neighbour show` and `ip monitor neigh` together. Needs no privilege.
    open
}

impl Entry for Neighbour {
    type Key = NeighbourKey;

    fn key(&self) -> NeighbourKey {
        Self::key(self)
    }

    fn normalized(&self) -> Cow<'_, Self> {
        Cow::Owned(self.clone().without_ages())
    }
}

#[derive(Clone, Copy, Debug)]
struct NeighbourSource;

impl Source for NeighbourSource {
    type Entry = Neighbour;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "neighbours";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_NEIGH]
    }

    /// The group has those of forwarding databases, too.
    fn filter(&self) -> Option<MessageFilter> {
        let rule = MessageRule::new(RTM_NEWNEIGH..=RTM_DELNEIGH).family(AF_INET).family(AF_INET6);
        Some(MessageFilter::new().accept(rule))
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Neighbour>>, DecodeError> {
        Ok(NeighbourEvent::decode(message)?.map(|event| match event {
            NeighbourEvent::New(neighbour) if is_watched(&neighbour) => Event::New(neighbour),
            NeighbourEvent::New(neighbour) => Event::Left(neighbour),
            // Whatever its last state is.
            NeighbourEvent::Deleted(neighbour) => Event::Deleted(neighbour),
        }))
    }

    fn list(&self) -> Request {
        NeighbourFilter::default().list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Neighbour>, DecodeError> {
        // In a list of all families there are those of DECnet and MPLS too.
        Ok(Neighbour::decode_ip(message)?.filter(is_watched))
    }

    fn question(&self, neighbour: &Neighbour) -> Option<Request> {
        Some(neighbour.request(NeighbourVerb::Get))
    }
}

fn is_watched(neighbour: &Neighbour) -> bool {
    neighbour.state != NeighbourState::NOARP && !neighbour.is_proxy()
}

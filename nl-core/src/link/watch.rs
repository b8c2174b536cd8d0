use std::borrow::Cow;

use super::codec::{Link, LinkEvent, RTM_DELLINK, RTM_NEWLINK, RTNLGRP_LINK, list_request, request};
use crate::addr::Dev;
use crate::attr::{Attrs, DecodeError};
use crate::message::{AF_BRIDGE, IfInfoMsg, MessageRef};
use crate::protocol::Protocol;
use crate::request::Request;
use crate::watch::{Entry, Event, Source, watch_of};

// `include/uapi/linux/if_link.h`: timers and counts, which change by themselves.
const IFLA_BR_TIMERS: std::ops::RangeInclusive<u16> = 16..=19;
const IFLA_BR_MCAST_QUERIER_STATE: u16 = 47;
const IFLA_BR_FDB_N_LEARNED: u16 = 48;
const IFLA_BRPORT_TIMERS: std::ops::RangeInclusive<u16> = 21..=23;
const IFLA_BRPORT_MCAST_EHT_HOSTS_CNT: u16 = 38;
const IFLA_BRPORT_MCAST_N_GROUPS: u16 = 41;

watch_of! {
    /// The devices of a namespace, watched.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_core::link::LinkWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = LinkWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(link) => println!("+ {}: {}", link.index, link.name),
    ///         Change::Changed { after, .. } => println!("~ {} is {:?}", after.name, after.oper_state),
    ///         Change::Deleted(link) => println!("- {}", link.name),
    ///         Change::Synced => println!("= {} devices", watch.len()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A device that moves to another namespace is reported as deleted. The kernel has no event for the state of a bridge's port,
    /// the peer of a new veth device and the namespace of a peer; the watch lists the devices again after the events before it.
    /// A peer that moves between two other namespaces is not noticed.
    ///
    /// Nor has it one for a change of options, as of `ip link set … type bridge`, on a device that is down. That is reported with the
    /// next listing, for which [`resync`](Self::resync) asks.
    ///
    /// Counters, the timers, queriers and numbers of entries of bridges, the root qdisc and the count of promiscuous users change
    /// without an event. They are those of the last message, and no change.
    LinkWatch, LinkWatchBuilder: LinkSource of Link;
    /// Equivalent: `ip link show` and `ip monitor link` together. Needs no privilege.
    open
}

impl Entry for Link {
    type Key = u32;

    fn key(&self) -> u32 {
        self.index
    }

    fn normalized(&self) -> Cow<'_, Self> {
        let mut link = self.clone().without_counters();
        (link.qdisc, link.promiscuity) = (None, 0);
        if link.is_kind("bridge") {
            link.kind_data = without(&link.kind_data, |kind| {
                IFLA_BR_TIMERS.contains(&kind)
                    || matches!(kind, IFLA_BR_MCAST_QUERIER_STATE | IFLA_BR_FDB_N_LEARNED)
            });
        }
        if link.is_port_of("bridge") {
            link.port_data = without(&link.port_data, |kind| {
                IFLA_BRPORT_TIMERS.contains(&kind)
                    || matches!(kind, IFLA_BRPORT_MCAST_EHT_HOSTS_CNT | IFLA_BRPORT_MCAST_N_GROUPS)
            });
        }
        Cow::Owned(link)
    }
}

#[derive(Clone, Copy, Debug)]
struct LinkSource;

impl Source for LinkSource {
    type Entry = Link;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "links";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Link>>, DecodeError> {
        if !matches!(message.kind(), RTM_NEWLINK | RTM_DELLINK) {
            return Ok(None);
        }
        Ok(match LinkEvent::decode(message)? {
            // The first device of a pair is reported before it has its peer.
            Some(LinkEvent::New(link)) if link.is_kind("veth") && link.link.is_none() => {
                Some(Event::Unreported)
            }
            Some(LinkEvent::New(link)) => Some(Event::New(*link)),
            // For the devices on top of it, and its peer, it is in another namespace now.
            Some(LinkEvent::Deleted(link)) if link.new_netnsid.is_some() => Some(Event::Unreported),
            Some(LinkEvent::Deleted(link)) => Some(Event::Deleted(*link)),
            // The state of a bridge's port is a part of the device, of which there is no event.
            None => (message.header::<IfInfoMsg>()?.0.family == AF_BRIDGE).then_some(Event::Unreported),
        })
    }

    fn list(&self) -> Request {
        list_request(None, None, false)
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Link>, DecodeError> {
        Link::decode(message).map(Some)
    }

    fn question(&self, link: &Link) -> Option<Request> {
        Some(request(&Dev::Index(link.index), false))
    }
}

/// What encoded attributes say, without some of them; all if they cannot be read.
fn without(data: &[u8], dropped: impl Fn(u16) -> bool) -> Vec<u8> {
    let mut rest = Vec::new();
    for attr in Attrs::new(data) {
        match attr {
            Ok(attr) if dropped(attr.kind()) => {}
            Ok(attr) => {
                rest.extend(attr.kind().to_ne_bytes());
                rest.extend(attr.value());
            }
            Err(_) => return data.to_vec(),
        }
    }
    rest
}

use std::net::IpAddr;

use super::codec::RouteEvent;
use super::entry::Route;
use super::filter::RouteFilter;
use super::hop::NextHop;
use super::message::{RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
use super::words::{HopFlags, RouteFlags, RouteProtocol};
use crate::addr::IpPrefix;
use crate::attr::DecodeError;
use crate::link::{RTNLGRP_LINK, barrier, is_loss};
use crate::message::{MessageRef, NLM_F_REPLACE};
use crate::protocol::Protocol;
use crate::request::Request;
use crate::watch::{Entry, Event, Source, watch_of};

// `include/uapi/linux/rtnetlink.h`: what takes routes with it.
const RTM_DELADDR: u16 = 21;
const RTM_DELNEXTHOP: u16 = 105;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_NEXTHOP: u32 = 32;

watch_of! {
    /// The routes of all tables of a namespace, watched.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_core::route::RouteWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = RouteWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(route) => println!("+ {route}"),
    ///         Change::Changed { after, .. } => println!("~ {after}"),
    ///         Change::Deleted(route) => println!("- {route}"),
    ///         Change::Synced => println!("= {} routes", watch.len()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Routes that vanish without an event
    /// The IPv4 routes of a device that goes or goes down, of a source address that is deleted and over a nexthop object that is
    /// deleted vanish without an event of their own. The watch follows the events of devices, addresses and nexthops, and lists
    /// the routes again. So that many of them cost little, listings take at most a third of the time.
    ///
    /// # What is in an entry
    /// Flags that a request never has, such as `dead`, `linkdown` and `offload`, change without an event and are not in the
    /// entries; nor are ages and what remains of a lifetime. The paths of an IPv6 route have no order and are sorted. A route that
    /// was replaced while routes were listed is reported as deleted and added.
    RouteWatch, RouteWatchBuilder: RouteSource of Route;
    /// Equivalent: `ip route show table all` and `ip monitor route` together, for IPv4 and IPv6. Needs no privilege.
    open
}

impl Entry for Route {
    /// What the kernel replaces a route by: table, destination, source, type of service and metric.
    type Key = (u32, IpPrefix, Option<IpPrefix>, u8, u32);

    fn key(&self) -> Self::Key {
        (self.in_table(), self.prefix, self.source, self.tos, self.priority.unwrap_or(0))
    }

    /// IPv4 routes are found by all that they are. IPv6 joins routes through gateways, and others by their path.
    fn is_same(&self, other: &Self) -> bool {
        if self.nexthop_id.is_some() || other.nexthop_id.is_some() {
            let rest = |route: &Self| (route.kind, route.protocol, route.scope, route.prefsrc, route.realms);
            return self.nexthop_id == other.nexthop_id && rest(self) == rest(other);
        }
        if self.is_ipv4() {
            return self == other;
        }
        let is_joined = is_joined(self) && is_joined(other);
        is_joined || paths(self).any(|path| paths(other).any(|other| path == other))
    }

    /// IPv6 reports the paths of a route as deleted one by one.
    fn remainder(&self, deleted: &Self) -> Option<Self> {
        if self.is_ipv4() || self.nexthops.is_empty() {
            return None;
        }
        let mut rest = self.clone();
        rest.nexthops.retain(|hop| paths(deleted).all(|path| path != (hop.gateway, hop.index())));
        if let [hop] = &mut rest.nexthops[..] {
            (rest.gateway, rest.oif) = (hop.gateway, Some(hop.index()));
            rest.flags |= RouteFlags::from_bits_retain(hop.flags.bits().into());
            rest.encap = hop.take_encap();
            rest.nexthops.clear();
        } else if rest.nexthops.is_empty() {
            return None;
        }
        Some(rest)
    }
}

#[derive(Clone, Copy, Debug)]
struct RouteSource;

impl Source for RouteSource {
    type Entry = Route;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "routes";

    fn groups(&self) -> Vec<u32> {
        let own = [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE];
        [&own[..], &[RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEXTHOP]].concat()
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Route>>, DecodeError> {
        if matches!(message.kind(), RTM_DELADDR | RTM_DELNEXTHOP) || is_loss(message)? {
            return Ok(Some(Event::Unreported));
        }
        if !Route::is_route(message) {
            return Ok(None);
        }
        Ok(Some(match RouteEvent::decode(message)? {
            RouteEvent::Deleted(route) => Event::Deleted(watched(route)),
            RouteEvent::New(route) if message.flags() & NLM_F_REPLACE != 0 => Event::Replaced(watched(route)),
            RouteEvent::New(route) => Event::New(watched(route)),
        }))
    }

    fn barrier(&self) -> Option<Request> {
        Some(barrier())
    }

    fn list(&self) -> Request {
        RouteFilter::default().list_request()
    }

    /// In a list of all families there are the routes of multicast and MPLS too.
    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Route>, DecodeError> {
        if !Route::is_route(message) {
            return Ok(None);
        }
        Route::decode(message).map(watched).map(Some)
    }

    /// The kernel finds the route to an address, which is not always this one.
    fn question(&self, _: &Route) -> Option<Request> {
        None
    }
}

/// The route without what changes without an event, and with its paths in order if the kernel has none.
fn watched(route: Route) -> Route {
    let mut route = route.without_ages();
    route.flags -= RouteFlags::ONLY_READ;
    for hop in &mut route.nexthops {
        hop.flags -= HopFlags::ONLY_READ;
    }
    if !route.is_ipv4() {
        route.nexthops.sort_by_key(|hop| (hop.gateway, hop.index()));
    }
    route
}

/// Whether IPv6 joins the route with others through gateways into one with several paths. It does not join those of router
/// advertisements, which cannot be distinguished from others of their protocol.
fn is_joined(route: &Route) -> bool {
    !route.nexthops.is_empty() || route.gateway.is_some() && route.protocol != RouteProtocol::RA
}

fn paths(route: &Route) -> impl Iterator<Item = (Option<IpAddr>, u32)> {
    let one = (route.gateway, route.oif.unwrap_or(0));
    let several = route.nexthops.iter().map(|hop: &NextHop| (hop.gateway, hop.index()));
    route.nexthops.is_empty().then_some(one).into_iter().chain(several)
}

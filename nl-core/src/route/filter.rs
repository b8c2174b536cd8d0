use super::codec::{NAMES, route_in};
use super::entry::Route;
use super::message::{AF_INET, AF_INET6, RTA_OIF, RTA_TABLE, RTM_GETROUTE, RtMsg};
use super::words::{RouteFlags, RouteProtocol, RouteScope, RouteType};
use crate::addr::{Dev, IpPrefix};
use crate::attr::AttrWriter;
use crate::check::{Invalid, check_index};
use crate::message::MessageRef;
use crate::request::Request;

/// Which routes to list.
///
/// Family, table, protocol, type, device and cache are filtered by the kernel, the rest while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteFilter {
    /// Of IPv4 (`true`) or of IPv6 (`false`).
    pub is_ipv4: Option<bool>,
    /// In this table.
    pub table: Option<u32>,
    /// Added by this protocol.
    pub protocol: Option<RouteProtocol>,
    /// Of this type.
    pub kind: Option<RouteType>,
    /// With a path through this device.
    pub oif: Option<u32>,
    /// Those of the cache in place of those of the tables.
    pub cached: bool,
    /// To this destination.
    pub exact: Option<IpPrefix>,
    /// To a destination inside of this one, or this one.
    pub root: Option<IpPrefix>,
    /// To a destination that this one is in, or this one.
    pub matching: Option<IpPrefix>,
    /// With a path through this gateway.
    pub gateway: Option<std::net::IpAddr>,
    /// With this metric.
    pub priority: Option<u32>,
    /// With this scope.
    pub scope: Option<RouteScope>,
    /// With this type of service.
    pub tos: Option<u8>,
    /// Over this nexthop object.
    pub nexthop_id: Option<u32>,
}

impl RouteFilter {
    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let header = RtMsg {
            family: match self.is_ipv4 {
                None => 0,
                Some(true) => AF_INET,
                Some(false) => AF_INET6,
            },
            protocol: self.protocol.unwrap_or_default().0,
            kind: self.kind.map_or(0, u8::from),
            flags: if self.cached { RouteFlags::CLONED.bits() } else { 0 },
            ..RtMsg::default()
        };
        let mut request = Request::new(RTM_GETROUTE, &NAMES, describe).with_header(&header);
        let mut w = request.attrs();
        w.opt(RTA_TABLE, self.table, AttrWriter::u32);
        w.opt(RTA_OIF, self.oif, AttrWriter::u32);
        request
            .invalid_if(Invalid::when(self.table == Some(0), "table 0; the first one is 1"))
            .invalid_if(self.oif.map_or(Ok(()), check_index))
    }

    /// Whether a route passes.
    #[must_use]
    pub fn matches(&self, route: &Route) -> bool {
        self.is_ipv4.is_none_or(|is_ipv4| route.is_ipv4() == is_ipv4)
            && self.table.is_none_or(|table| route.in_table() == table)
            && self.protocol.is_none_or(|protocol| route.protocol == protocol)
            && self.kind.is_none_or(|kind| route.kind == kind)
            && self.exact.is_none_or(|exact| route.prefix == exact)
            && self.root.is_none_or(|root| holds(root, route.prefix))
            && self.matching.is_none_or(|inner| holds(route.prefix, inner))
            && self.priority.is_none_or(|metric| route.priority.unwrap_or(0) == metric)
            && self.scope.is_none_or(|scope| route.scope == scope)
            && self.tos.is_none_or(|tos| route.tos == tos)
            && self.nexthop_id.is_none_or(|id| route.nexthop_id == Some(id))
            && self.oif.is_none_or(|index| leaves_through(route, index))
            && self.gateway.is_none_or(|gateway| {
                route.gateway == Some(gateway)
                    || route.nexthops.iter().any(|hop| hop.gateway == Some(gateway))
            })
    }

    /// Whether anything is selected but the family.
    pub(super) fn selects(&self) -> bool {
        *self != Self { is_ipv4: self.is_ipv4, ..Self::default() }
    }
}

fn leaves_through(route: &Route, index: u32) -> bool {
    // What a nexthop object leaves through is not always reported; the kernel has looked.
    let unknown = route.nexthop_id.is_some() && route.oif.is_none() && route.nexthops.is_empty();
    unknown || route.oif == Some(index) || route.nexthops.iter().any(|hop| hop.dev == Some(Dev::Index(index)))
}

/// Whether one prefix lies inside of another, or is it.
fn holds(outer: IpPrefix, inner: IpPrefix) -> bool {
    outer.addr().is_ipv4() == inner.addr().is_ipv4()
        && outer.len() <= inner.len()
        && IpPrefix::new(inner.addr(), outer.len()).is_ok_and(|cut| cut.network() == outer.network())
}

fn describe(message: MessageRef<'_>) -> String {
    let mut text = String::from("list routes");
    let Some(route) = route_in(message) else {
        // Of both families.
        return text;
    };
    if let Some(table) = route.table {
        text.push_str(&format!(" table {table}"));
    }
    if let Some(index) = route.oif {
        text.push_str(&format!(" dev #{index}"));
    }
    if route.protocol != RouteProtocol::UNSPEC {
        text.push_str(&format!(" proto {}", route.protocol));
    }
    text
}

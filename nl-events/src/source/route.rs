use nl_core::Protocol;
use nl_core::route::{RTM_DELROUTE, RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, Route, RouteEvent};

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Routes of IPv4: `RTNLGRP_IPV4_ROUTE`, group 7 of `NETLINK_ROUTE`.
    ///
    /// IPv4 routes that vanish because their device goes, or goes down, have no event; `nl_core::route::RouteWatch` notices them.
    /// Needs no privilege. Equivalent: `ip -4 monitor route`.
    pub const IPV4_ROUTE: Self = Self::route(RTNLGRP_IPV4_ROUTE);

    /// Routes of IPv6: `RTNLGRP_IPV6_ROUTE`, group 11 of `NETLINK_ROUTE`.
    ///
    /// Needs no privilege. Equivalent: `ip -6 monitor route`.
    pub const IPV6_ROUTE: Self = Self::route(RTNLGRP_IPV6_ROUTE);

    const fn route(group: u32) -> Self {
        Self {
            protocol: Protocol::Route,
            group,
            kinds: (RTM_NEWROUTE, RTM_DELROUTE),
            family: None,
            families: &[],
            decode: |message| match Route::is_route(message) {
                true => RouteEvent::decode(message).map(|event| Some(NetworkEvent::Route(event))),
                false => Ok(None),
            },
        }
    }
}

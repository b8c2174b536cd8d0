use nl_core::Protocol;
use nl_core::nexthop::{NexthopEvent, RTM_DELNEXTHOP, RTM_NEWNEXTHOP, RTNLGRP_NEXTHOP};

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Nexthop objects and groups: `RTNLGRP_NEXTHOP`, group 32 of `NETLINK_ROUTE`.
    ///
    /// Nexthops that vanish because their device goes, or goes down, have no event; `nl_core::nexthop::NexthopWatch` notices them.
    /// The group's messages about buckets are skipped. Needs no privilege. Equivalent: `ip monitor nexthop`.
    pub const NEXTHOP: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_NEXTHOP,
        kinds: (RTM_NEWNEXTHOP, RTM_DELNEXTHOP),
        family: None,
        families: &[],
        decode: |message| NexthopEvent::decode(message).map(|event| Some(NetworkEvent::Nexthop(event))),
    };
}

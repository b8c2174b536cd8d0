use nl_core::Protocol;
use nl_core::message::{AF_INET, AF_INET6};
use nl_core::neighbour::{NeighbourEvent, RTM_DELNEIGH, RTM_NEWNEIGH, RTNLGRP_NEIGH};

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Neighbours: the messages of IPv4 and IPv6 in `RTNLGRP_NEIGH`, group 3 of `NETLINK_ROUTE`.
    ///
    /// The group's other messages, about forwarding databases, are skipped, or are events of `Source::FDB` where that is asked for
    /// too. `RTM_GETNEIGH`, by which the kernel asks user space for an address (`app_solicit`, and misses of VXLAN devices), is a message
    /// of `Source::raw(3)`. Needs no privilege. Equivalent: `ip monitor neigh`.
    pub const NEIGHBOUR: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_NEIGH,
        kinds: (RTM_NEWNEIGH, RTM_DELNEIGH),
        family: None,
        families: &[AF_INET, AF_INET6],
        decode: |message| Ok(NeighbourEvent::decode(message)?.map(NetworkEvent::Neighbour)),
    };
}

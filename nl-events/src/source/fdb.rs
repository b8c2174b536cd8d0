use nl_bridge::fdb::{RTM_DELNEIGH, RTM_NEWNEIGH, RTNLGRP_NEIGH};
use nl_core::Protocol;
use nl_core::message::AF_BRIDGE;

use super::Source;
use crate::event::NetworkEvent;
use crate::fdb::FdbEvent;

impl Source {
    /// Forwarding database entries: the messages of the family `AF_BRIDGE` in `RTNLGRP_NEIGH`, group 3 of `NETLINK_ROUTE`.
    ///
    /// The kernel has no group for the FDB alone. The group's other messages, about ARP and neighbour discovery, are skipped,
    /// but they do fill the receive buffer. So are misses of VXLAN devices (`l2miss`, `l3miss`), which are messages of
    /// `Source::raw(3)`. Needs no privilege. Equivalent: `bridge monitor fdb`.
    pub const FDB: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_NEIGH,
        kinds: (RTM_NEWNEIGH, RTM_DELNEIGH),
        family: None,
        families: &[AF_BRIDGE],
        decode: |message| Ok(FdbEvent::decode(message)?.map(NetworkEvent::Fdb)),
    };
}

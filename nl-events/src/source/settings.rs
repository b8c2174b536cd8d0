use nl_bridge::settings::PortEvent;
use nl_core::Protocol;
use nl_core::link::{RTM_DELLINK, RTM_NEWLINK, RTNLGRP_LINK};
use nl_core::message::AF_BRIDGE;

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Ports of bridges and their settings: the messages of the family `AF_BRIDGE` in `RTNLGRP_LINK`, group 1 of `NETLINK_ROUTE`.
    ///
    /// The group's other messages, about devices, are skipped; [`Source::LINK`](Self) has those. Needs no privilege. Equivalent:
    /// `bridge monitor link`.
    pub const PORT: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_LINK,
        kinds: (RTM_NEWLINK, RTM_DELLINK),
        family: None,
        families: &[AF_BRIDGE],
        decode: |message| Ok(PortEvent::decode(message)?.map(NetworkEvent::Port)),
    };
}

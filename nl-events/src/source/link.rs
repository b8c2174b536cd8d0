use nl_core::Protocol;
use nl_core::link::{LinkEvent, RTM_DELLINK, RTM_NEWLINK, RTNLGRP_LINK};
use nl_core::message::AF_UNSPEC;

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Network devices: `RTNLGRP_LINK`, group 1 of `NETLINK_ROUTE`.
    ///
    /// The group's messages of the family `AF_BRIDGE`, about ports of bridges, are skipped. Needs no privilege. Equivalent:
    /// `ip monitor link`.
    pub const LINK: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_LINK,
        kinds: (RTM_NEWLINK, RTM_DELLINK),
        family: None,
        families: &[AF_UNSPEC],
        decode: |message| Ok(LinkEvent::decode(message)?.map(NetworkEvent::Link)),
    };
}

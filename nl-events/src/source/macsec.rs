use nl_core::Protocol;
use nl_core::link::{RTM_DELLINK, RTM_NEWLINK, RTNLGRP_LINK};
use nl_core::message::AF_UNSPEC;

use super::Source;
use crate::event::NetworkEvent;
use crate::macsec::MacsecEvent;

impl Source {
    /// MACsec devices, with their options: the messages about them in `RTNLGRP_LINK`, group 1 of `NETLINK_ROUTE`.
    ///
    /// The group's other messages are skipped, or are events of `Source::LINK` where that is asked for too. In a stream of both, MACsec
    /// devices have events of the one that is asked for first.
    ///
    /// The kernel reports changes of options only while the device is up, and channels and associations never. Needs no privilege.
    /// Equivalent: `ip -d monitor link`.
    pub const MACSEC: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_LINK,
        kinds: (RTM_NEWLINK, RTM_DELLINK),
        family: None,
        families: &[AF_UNSPEC],
        decode: |message| Ok(MacsecEvent::decode(message)?.map(NetworkEvent::Macsec)),
    };
}

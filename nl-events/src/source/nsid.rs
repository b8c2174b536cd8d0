use nl_core::Protocol;
use nl_core::nsid::{NsidEvent, RTM_DELNSID, RTM_NEWNSID, RTNLGRP_NSID};

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Ids of namespaces: `RTNLGRP_NSID`, group 28 of `NETLINK_ROUTE`.
    ///
    /// A namespace without an id has no event. Needs no privilege. Equivalent: `ip monitor nsid`.
    pub const NAMESPACE: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_NSID,
        kinds: (RTM_NEWNSID, RTM_DELNSID),
        family: None,
        families: &[],
        decode: |message| Ok(NsidEvent::decode(message)?.map(NetworkEvent::Namespace)),
    };
}

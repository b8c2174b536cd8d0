use nl_core::Protocol;

use super::{Source, UNKNOWN};
use crate::event::NetworkEvent;
use crate::raw::RawEvent;

impl Source {
    /// The messages of a group of `NETLINK_ROUTE` as they are, for the groups that have no other source: see
    /// [the list of all groups](super::groups).
    ///
    /// It comes after the other sources of a stream: a message that one of them decodes is an event of that one. What they skip,
    /// such as messages of other address families, are events of this one, also those of their groups.
    ///
    /// Needs no privilege, but for `RTNLGRP_IPV4_MROUTE_R` and `RTNLGRP_IPV6_MROUTE_R`, which need `CAP_NET_ADMIN`.
    #[must_use]
    pub const fn raw(group: u32) -> Self {
        Self {
            protocol: Protocol::Route,
            group,
            kinds: UNKNOWN,
            family: None,
            families: &[],
            decode: |message| Ok(Some(NetworkEvent::Raw(RawEvent::from(message)))),
        }
    }
}

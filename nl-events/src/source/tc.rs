use nl_core::Protocol;
use nl_tc::class::ClassEvent;
use nl_tc::filter::FilterEvent;
use nl_tc::qdisc::QdiscEvent;
use nl_tc::{
    RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER, RTNLGRP_TC,
};

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Classes of traffic control: `RTNLGRP_TC`, group 4 of `NETLINK_ROUTE`.
    ///
    /// What vanishes with its qdisc or device has no event, and the answer to somebody's read looks like a new class: see
    /// [`ClassEvent`]. Needs no privilege. Equivalent: `tc monitor`.
    pub const CLASS: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_TC,
        kinds: (RTM_NEWTCLASS, RTM_DELTCLASS),
        family: None,
        families: &[],
        decode: |message| Ok(ClassEvent::decode(message)?.map(|event| NetworkEvent::Class(Box::new(event)))),
    };

    /// Filters of traffic control: `RTNLGRP_TC`, group 4 of `NETLINK_ROUTE`.
    ///
    /// What vanishes with its qdisc or device has no event: see [`FilterEvent`]. The group's messages about chains and shared actions
    /// are skipped; [`Source::raw`] has those. Needs no privilege. Equivalent: `tc monitor`.
    pub const FILTER: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_TC,
        kinds: (RTM_NEWTFILTER, RTM_DELTFILTER),
        family: None,
        families: &[],
        decode: |message| Ok(FilterEvent::decode(message)?.map(|event| NetworkEvent::Filter(Box::new(event)))),
    };

    /// Qdiscs: `RTNLGRP_TC`, group 4 of `NETLINK_ROUTE`.
    ///
    /// What vanishes with its device has no event, and the answer to somebody's read looks like a new qdisc: see [`QdiscEvent`].
    /// Needs no privilege. Equivalent: `tc monitor`.
    pub const QDISC: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_TC,
        kinds: (RTM_NEWQDISC, RTM_DELQDISC),
        family: None,
        families: &[],
        decode: |message| Ok(QdiscEvent::decode(message)?.map(|event| NetworkEvent::Qdisc(Box::new(event)))),
    };
}

use nl_core::Protocol;
use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;
use nl_tc::{
    RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER, RTNLGRP_TC,
    TcEvent,
};

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Classes of traffic control: `RTNLGRP_TC`, group 4 of `NETLINK_ROUTE`.
    ///
    /// What vanishes with its qdisc or device has no event, and the answer to somebody's read looks like a new class: see
    /// [`TcEvent`]. A `nl_tc::watch::ClassWatch` knows. Needs no privilege. Equivalent: `tc monitor`.
    pub const CLASS: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_TC,
        kinds: (RTM_NEWTCLASS, RTM_DELTCLASS),
        family: None,
        families: &[],
        decode,
    };

    /// Filters of traffic control: `RTNLGRP_TC`, group 4 of `NETLINK_ROUTE`.
    ///
    /// What vanishes with its qdisc or device has no event: see [`TcEvent`]; a `nl_tc::watch::FilterWatch` knows. The group's messages about chains and shared actions
    /// are skipped; [`Source::raw`] has those. Needs no privilege. Equivalent: `tc monitor`.
    pub const FILTER: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_TC,
        kinds: (RTM_NEWTFILTER, RTM_DELTFILTER),
        family: None,
        families: &[],
        decode,
    };

    /// Qdiscs: `RTNLGRP_TC`, group 4 of `NETLINK_ROUTE`.
    ///
    /// What vanishes with its device has no event, and the answer to somebody's read looks like a new qdisc: see [`TcEvent`]. A
    /// `nl_tc::watch::QdiscWatch` knows.
    /// Needs no privilege. Equivalent: `tc monitor`.
    pub const QDISC: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_TC,
        kinds: (RTM_NEWQDISC, RTM_DELQDISC),
        family: None,
        families: &[],
        decode,
    };
}

fn decode(message: MessageRef<'_>) -> Result<Option<NetworkEvent>, DecodeError> {
    Ok(TcEvent::decode(message)?.map(|event| NetworkEvent::Tc(Box::new(event))))
}

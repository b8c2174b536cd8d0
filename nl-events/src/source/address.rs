use nl_core::Protocol;
use nl_core::address::{AddressEvent, RTM_DELADDR, RTM_NEWADDR, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// IPv4 addresses: `RTNLGRP_IPV4_IFADDR`, group 5 of `NETLINK_ROUTE`.
    ///
    /// Needs no privilege. Equivalent: `ip -4 monitor address`.
    pub const IPV4_ADDRESS: Self = Self::address(RTNLGRP_IPV4_IFADDR);

    /// IPv6 addresses: `RTNLGRP_IPV6_IFADDR`, group 9 of `NETLINK_ROUTE`.
    ///
    /// Needs no privilege. Equivalent: `ip -6 monitor address`.
    pub const IPV6_ADDRESS: Self = Self::address(RTNLGRP_IPV6_IFADDR);

    const fn address(group: u32) -> Self {
        Self {
            protocol: Protocol::Route,
            group,
            kinds: (RTM_NEWADDR, RTM_DELADDR),
            family: None,
            families: &[],
            decode: |message| Ok(AddressEvent::decode(message)?.map(NetworkEvent::Address)),
        }
    }
}

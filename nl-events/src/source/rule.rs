use nl_core::Protocol;
use nl_core::rule::{RTM_DELRULE, RTM_NEWRULE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RuleEvent};

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Routing policy rules of IPv4: `RTNLGRP_IPV4_RULE`, group 8 of `NETLINK_ROUTE`.
    ///
    /// Needs no privilege. Equivalent: `ip -4 monitor rule`.
    pub const IPV4_RULE: Self = Self::rule(RTNLGRP_IPV4_RULE);

    /// Routing policy rules of IPv6: `RTNLGRP_IPV6_RULE`, group 19 of `NETLINK_ROUTE`.
    ///
    /// Needs no privilege. Equivalent: `ip -6 monitor rule`.
    pub const IPV6_RULE: Self = Self::rule(RTNLGRP_IPV6_RULE);

    const fn rule(group: u32) -> Self {
        Self {
            protocol: Protocol::Route,
            group,
            kinds: (RTM_NEWRULE, RTM_DELRULE),
            family: None,
            families: &[],
            decode: |message| Ok(RuleEvent::decode(message)?.map(NetworkEvent::Rule)),
        }
    }
}

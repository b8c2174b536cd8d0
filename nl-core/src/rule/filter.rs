use super::codec::{NAMES, describe};
use super::{FibRuleHdr, RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE, Rule};
use crate::addr::IpFamily;
use crate::attr::DecodeError;
use crate::check::opt_within;
use crate::message::{AF_INET, AF_INET6, AF_UNSPEC, MessageRef};
use crate::request::Request;

/// Which rules to list or flush. The kernel filters by family, the rest is filtered while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleFilter {
    /// Of IPv4 or of IPv6; without one of both, and not those of multicast routing.
    pub family: Option<IpFamily>,
    /// Made by this protocol (`RTPROT_*`).
    pub protocol: Option<u8>,
    /// With this priority.
    pub priority: Option<u32>,
    /// Routing by this table.
    pub table: Option<u32>,
    /// For packets that arrive by the device of this name.
    pub iif: Option<String>,
    /// For packets of sockets that are bound to the device of this name.
    pub oif: Option<String>,
}

impl RuleFilter {
    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let family = self.family.map_or(AF_UNSPEC, IpFamily::number);
        let header = FibRuleHdr { family, ..FibRuleHdr::default() };
        Request::new(RTM_GETRULE, &NAMES, describe)
            .with_header(&header)
            .invalid_if(opt_within("protocol", self.protocol, 1, u8::MAX))
            .invalid_if(opt_within("table", self.table, 1, u32::MAX))
    }

    /// Whether a rule passes.
    #[must_use]
    pub fn matches(&self, rule: &Rule) -> bool {
        let family = match self.family {
            Some(family) => rule.family == family.number(),
            None => matches!(rule.family, AF_INET | AF_INET6),
        };
        family
            && self.protocol.is_none_or(|protocol| rule.protocol == Some(protocol))
            && self.priority.is_none_or(|priority| rule.priority == Some(priority))
            && self.table.is_none_or(|table| rule.table == Some(table))
            && self.iif.as_ref().is_none_or(|iif| rule.iif.as_ref() == Some(iif))
            && self.oif.as_ref().is_none_or(|oif| rule.oif.as_ref() == Some(oif))
    }
}

/// A change of the rules of a namespace, from the groups [`RTNLGRP_IPV4_RULE`](super::RTNLGRP_IPV4_RULE) and
/// [`RTNLGRP_IPV6_RULE`](super::RTNLGRP_IPV6_RULE).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum RuleEvent {
    /// The rule was deleted.
    Deleted(Box<Rule>),
    /// The rule is new.
    New(Box<Rule>),
}

impl RuleEvent {
    /// Reads an event; `None` for a message that is not about rules.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        match message.kind() {
            RTM_NEWRULE => Ok(Some(Self::New(Box::new(Rule::decode(message)?)))),
            RTM_DELRULE => Ok(Some(Self::Deleted(Box::new(Rule::decode(message)?)))),
            _ => Ok(None),
        }
    }
}

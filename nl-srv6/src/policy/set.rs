use std::ops::RangeInclusive;

use nl_core::Dev;
use nl_core::route::RouteProtocol;

use super::types::Policy;

/// The desired policies of a headend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PolicySet {
    /// The device of the nexthops. It chooses the source address of the outer header and nothing else: the packet is routed again to its
    /// first segment. Any that is up and not loopback.
    pub dev: Dev,
    /// The nexthop ids that belong to the set.
    pub ids: RangeInclusive<u32>,
    /// The protocol of the set's nexthops and routes.
    pub protocol: RouteProtocol,
    /// The policies.
    pub policies: Vec<Policy>,
    /// Whether what others made is removed too.
    pub is_exact: bool,
}

impl PolicySet {
    /// No policies yet, on this device, with these nexthop ids and this protocol, which no other program on the host uses.
    pub fn new(dev: impl Into<Dev>, ids: RangeInclusive<u32>, protocol: RouteProtocol) -> Self {
        Self { dev: dev.into(), ids, protocol, policies: Vec::new(), is_exact: false }
    }

    /// With one more policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Removes what others made: routes with segments in the tables of the policies, and nexthops in the range of ids.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.is_exact = true;
        self
    }
}

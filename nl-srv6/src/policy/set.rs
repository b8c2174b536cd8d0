use std::ops::RangeInclusive;

use nl_core::Dev;
use nl_core::route::RouteProtocol;

use super::types::{Policy, SegmentList};

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
    /// The priority of the rules that lead packets with a mark to the tables of policies. Rules with it and the set's protocol belong to
    /// the set. Unless set, the set has no rules, and no policy may have a mark.
    pub rule_priority: Option<u32>,
    /// The policies.
    pub policies: Vec<Policy>,
    /// Whether what others made is removed too.
    pub is_exact: bool,
}

impl PolicySet {
    /// No policies yet, on this device, with these nexthop ids and this protocol, which no other program on the host uses.
    pub fn new(dev: impl Into<Dev>, ids: RangeInclusive<u32>, protocol: RouteProtocol) -> Self {
        Self { dev: dev.into(), ids, protocol, rule_priority: None, policies: Vec::new(), is_exact: false }
    }

    /// With its rules at this priority, 1 to 32765: behind the table `local`, and before the table `main`. Needed for policies with a
    /// [mark](Policy::mark()). The rules with this priority and the set's protocol belong to the set, and so do routes of type `throw`
    /// to single addresses of IPv6 with its protocol in the tables that the rules lead to. [Remove](super::Headend::remove) a set
    /// before its priority changes.
    #[must_use]
    pub const fn rules_at(mut self, priority: u32) -> Self {
        self.rule_priority = Some(priority);
        self
    }

    /// With one more policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Says of some segment lists whether they are valid, and returns for how many that is new. If it is none, there is nothing to apply.
    ///
    /// For whoever knows: BFD, a routing protocol, a probe. Nothing here finds out.
    ///
    /// ```
    /// use nl_core::route::RouteProtocol;
    /// use nl_srv6::encap::Seg6;
    /// use nl_srv6::policy::{CandidatePath, Policy, PolicySet};
    ///
    /// let [b, c] = ["fcbb:0:b::".parse()?, "fcbb:0:c::".parse()?];
    /// let policy = Policy::new(100, "fcbb:0:d::".parse()?)
    ///     .path(CandidatePath::new(200).list(Seg6::encap_red([b])))
    ///     .path(CandidatePath::new(100).list(Seg6::encap_red([c])));
    /// let mut set = PolicySet::new("eth0", 5000..=5999, RouteProtocol(200)).policy(policy);
    /// // Node b is down.
    /// let through_b = |list: &nl_srv6::policy::SegmentList| list.path.segments().contains(&b);
    /// assert_eq!((set.set_valid(false, through_b), set.set_valid(false, through_b)), (1, 0));
    /// assert_eq!(set.policies[0].active().map(|path| path.preference), Some(100));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn set_valid(&mut self, is_valid: bool, mut which: impl FnMut(&SegmentList) -> bool) -> usize {
        let mut changed = 0;
        let paths = self.policies.iter_mut().flat_map(|policy| &mut policy.paths);
        for list in paths.flat_map(|path| &mut path.lists) {
            if list.is_valid != is_valid && which(list) {
                list.is_valid = is_valid;
                changed += 1;
            }
        }
        changed
    }

    /// Removes what others made: routes with segments in the tables of the policies, and nexthops in the range of ids.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.is_exact = true;
        self
    }
}

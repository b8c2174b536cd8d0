use std::fmt;
use std::net::Ipv6Addr;

use nl_core::Request;
use nl_core::nexthop::{Nexthop, NexthopVerb};
use nl_core::route::{Route, RouteVerb};
use nl_core::rule::{Rule, RuleVerb};

/// One request of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A nexthop or a group.
    Nexthop(NexthopVerb, Box<Nexthop>),
    /// A route.
    Route(RouteVerb, Box<Route>),
    /// A rule that leads packets with a mark to the table of a policy.
    Rule(RuleVerb, Box<Rule>),
}

impl Step {
    /// The request.
    #[must_use]
    pub fn request(&self) -> Request {
        match self {
            Self::Nexthop(verb, hop) => hop.request(*verb),
            Self::Route(verb, route) => route.request(*verb),
            Self::Rule(verb, rule) => rule.request(*verb),
        }
    }

    /// Steps of one phase do not depend on each other, but for deletions of nexthops, where groups go first.
    fn phase(&self) -> Phase {
        match self {
            Self::Nexthop(NexthopVerb::Delete, _) => Phase::DeleteNexthops,
            Self::Nexthop(_, hop) if hop.is_group() => Phase::Groups,
            Self::Nexthop(..) => Phase::Nexthops,
            Self::Route(RouteVerb::Delete, _) => Phase::DeleteRoutes,
            Self::Route(..) => Phase::Routes,
            Self::Rule(RuleVerb::Delete, _) => Phase::DeleteRules,
            Self::Rule(..) => Phase::Rules,
        }
    }
}

/// What steps are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Nexthops,
    Groups,
    Routes,
    Rules,
    DeleteRules,
    DeleteRoutes,
    DeleteNexthops,
}

/// The words of `ip`, with `#5` for interface 5.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nexthop(verb, hop) => write!(f, "{verb} nexthop {hop}"),
            Self::Route(verb, route) => write!(f, "{verb} route {route}"),
            Self::Rule(verb, rule) => write!(f, "{verb} rule {rule}"),
        }
    }
}

/// What a nexthop group of a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum GroupUse {
    /// The prefixes.
    Steering,
    /// The binding SID.
    BindingSid,
}

/// A nexthop group of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PolicyGroup {
    /// The color of the policy.
    pub color: u32,
    /// The endpoint of the policy.
    pub endpoint: Ipv6Addr,
    /// What the group is for.
    pub usage: GroupUse,
    /// Its nexthop id.
    pub id: u32,
}

/// The steps that make the current state the desired state, in order, and what others made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) groups: Vec<PolicyGroup>,
    pub(super) foreign_nexthops: Vec<Nexthop>,
    pub(super) foreign_routes: Vec<Route>,
}

impl Plan {
    /// The steps in order: new nexthops, groups, routes, rules, then what is deleted.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many steps each phase has.
    pub(super) fn phases(&self) -> Vec<usize> {
        self.steps.chunk_by(|one, next| one.phase() == next.phase()).map(<[Step]>::len).collect()
    }

    /// The requests of the steps.
    ///
    /// # Errors
    /// The first one that is invalid.
    pub(super) fn requests(&self) -> nl_core::Result<Vec<Request>> {
        let mut requests = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let mut request = step.request();
            request.encoded()?;
            requests.push(request);
        }
        Ok(requests)
    }

    /// Whether the current state is the desired state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The nexthop groups of the policies. A policy without a valid path has none, unless it drops packets then.
    #[must_use]
    pub fn groups(&self) -> &[PolicyGroup] {
        &self.groups
    }

    /// Nexthops in the set's range that another program made. They are deleted by an exact set alone.
    #[must_use]
    pub fn foreign_nexthops(&self) -> &[Nexthop] {
        &self.foreign_nexthops
    }

    /// Routes of other programs that have segments in a table of the policies, have the destination of a policy, or use a nexthop in the
    /// range. They are deleted or replaced by an exact set alone.
    #[must_use]
    pub fn foreign_routes(&self) -> &[Route] {
        &self.foreign_routes
    }
}

/// The steps, one per line.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

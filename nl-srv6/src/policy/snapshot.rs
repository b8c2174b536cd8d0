use std::net::IpAddr;
use std::ops::RangeInclusive;

use nl_core::IpPrefix;
use nl_core::nexthop::Nexthop;
use nl_core::route::{RT_TABLE_MAIN, Route, RouteProtocol, RouteType};
use nl_core::rule::Rule;

use super::hash::{HashMap, HashSet, set_for};
use super::set::PolicySet;
use super::types::Policy;
use crate::encap::Seg6;

/// The metric of an IPv6 route that is made without one (`IP6_RT_PRIO_USER`).
const METRIC: u32 = 1024;

/// The current nexthops and routes of a headend, as far as a set of policies is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub(super) index: u32,
    pub(super) nexthops: Vec<Nexthop>,
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
}

impl Snapshot {
    /// The listed nexthops and routes, of all tables; `index` is that of the set's device. More than concerns the set does no harm.
    #[must_use]
    pub fn new(
        index: u32,
        nexthops: impl IntoIterator<Item = Nexthop>,
        routes: impl IntoIterator<Item = Route>,
    ) -> Self {
        let (nexthops, routes) = (nexthops.into_iter().collect(), routes.into_iter().collect());
        Self { index, nexthops, routes, rules: Vec::new() }
    }

    /// With the listed rules, for a set with [rules](PolicySet::rules_at).
    #[must_use]
    pub fn with_rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules = rules.into_iter().collect();
        self
    }

    /// The nexthops.
    #[must_use]
    pub fn nexthops(&self) -> &[Nexthop] {
        &self.nexthops
    }

    /// The routes.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// What the kernel finds a route by: table, destination, metric.
pub(super) type Key = (u32, IpPrefix, u32);

pub(super) fn key(route: &Route) -> Key {
    let default = if route.is_ipv4() { 0 } else { METRIC };
    (route.in_table(), route.prefix, route.priority.unwrap_or(default))
}

/// Which routes of the kernel concern a set.
pub(super) struct Concern {
    ids: RangeInclusive<u32>,
    keys: HashSet<Key>,
    tables: HashSet<u32>,
    /// The protocol of routes of type `throw`, if the set has any.
    throws_of: Option<RouteProtocol>,
}

impl Concern {
    pub(super) fn of(set: &PolicySet) -> Self {
        let policies = &set.policies;
        let mut keys = set_for(policies.len());
        keys.extend(policies.iter().flat_map(Policy::keys).chain(set.throws().into_keys()));
        Self {
            ids: set.ids.clone(),
            keys,
            tables: policies.iter().map(|policy| policy.table).collect(),
            throws_of: set.rule_priority.map(|_| set.protocol),
        }
    }

    pub(super) fn holds(&self, route: &Route) -> bool {
        has_id_in(&self.ids, route)
            || self.is_in_the_way(route)
            || self.is_rival(route)
            || self.throws_of.is_some_and(|protocol| is_throw_of(protocol, route))
    }

    /// Whether it has the key of a desired route.
    pub(super) fn is_in_the_way(&self, route: &Route) -> bool {
        is_plain(route) && self.keys.contains(&key(route))
    }

    /// Whether it has segments of its own in a table of the policies.
    pub(super) fn is_rival(&self, route: &Route) -> bool {
        let has_segments = || {
            let own = route.encap::<Seg6>().is_ok_and(|seg6| seg6.is_some());
            own || route.nexthops.iter().any(|hop| hop.encap::<Seg6>().is_ok_and(|seg6| seg6.is_some()))
        };
        self.tables.contains(&route.in_table()) && !has_id_in(&self.ids, route) && has_segments()
    }
}

/// Whether a route uses a nexthop in the range.
fn has_id_in(ids: &RangeInclusive<u32>, route: &Route) -> bool {
    route.nexthop_id.is_some_and(|id| ids.contains(&id))
}

/// Whether it passes a single address on to the next rule.
fn is_throw_of(protocol: RouteProtocol, route: &Route) -> bool {
    let is_address = route.prefix.addr().is_ipv6() && route.prefix.len() == 128;
    route.kind == RouteType::Throw && route.protocol == protocol && is_address
}

/// Whether table, destination and metric are all that the kernel finds it by.
fn is_plain(route: &Route) -> bool {
    route.tos == 0 && route.source.is_none()
}

impl PolicySet {
    pub(super) fn owns_route(&self, route: &Route) -> bool {
        route.protocol == self.protocol && has_id_in(&self.ids, route)
    }

    /// Whether it passes an address on to the next rule, as the set's routes for first segments do.
    pub(super) fn is_throw(&self, route: &Route) -> bool {
        self.rule_priority.is_some() && is_throw_of(self.protocol, route)
    }

    pub(super) fn owns_rule(&self, rule: &Rule) -> bool {
        self.rule_priority.is_some()
            && rule.priority == self.rule_priority
            && rule.protocol == Some(self.protocol.0)
    }

    /// The routes that pass first segments on to the next rule, and one policy that needs each: in the tables to which rules lead
    /// packets of IPv6, which packets have when they were encapsulated.
    pub(super) fn throws(&self) -> HashMap<Key, &Policy> {
        let marked = || self.policies.iter().filter(|policy| policy.mark.is_some());
        let is_ipv6 = |policy: &&Policy| policy.prefixes.iter().any(|prefix| prefix.addr().is_ipv6());
        let tables: HashSet<u32> = marked().filter(is_ipv6).map(|policy| policy.table).collect();
        let of_policy = |policy: &'_ Policy| -> Vec<Key> {
            let lists = policy.paths.iter().flat_map(|path| &path.lists);
            let first = lists.filter_map(|list| list.path.segments().first());
            let prefix = first.map(|segment| IpPrefix::host(IpAddr::from(*segment)));
            prefix.map(|prefix| (policy.table, prefix, METRIC)).collect()
        };
        let of_tables = marked().filter(|policy| tables.contains(&policy.table));
        of_tables.flat_map(|policy| of_policy(policy).into_iter().map(move |key| (key, policy))).collect()
    }

    pub(super) fn owns_nexthop(&self, hop: &Nexthop) -> bool {
        hop.protocol == self.protocol && self.ids.contains(&hop.id)
    }
}

impl Policy {
    /// Of the routes that steer packets into the policy.
    pub(super) fn steering(&self) -> impl Iterator<Item = Key> {
        self.prefixes.iter().map(|prefix| (self.table, *prefix, self.metric_of(*prefix)))
    }

    /// Of the route of the binding SID.
    pub(super) fn binding(&self) -> Option<Key> {
        self.binding_sid.map(|sid| (RT_TABLE_MAIN, sid, self.metric_of(sid)))
    }

    /// Of all its routes.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.steering().chain(self.binding())
    }

    fn metric_of(&self, prefix: IpPrefix) -> u32 {
        let default = if prefix.addr().is_ipv4() { 0 } else { METRIC };
        self.metric.unwrap_or(default)
    }

    /// A route in the table `main`, without its nexthop.
    pub(super) fn route(&self, prefix: IpPrefix) -> Route {
        let route = Route::new(prefix);
        match self.metric {
            Some(metric) => route.metric(metric),
            None => route,
        }
    }
}

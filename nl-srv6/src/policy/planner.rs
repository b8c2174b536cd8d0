use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use nl_core::IpPrefix;
use nl_core::check::Invalid;
use nl_core::nexthop::{GroupKind, GroupMember, Nexthop, NexthopFamily, NexthopVerb};
use nl_core::route::{Route, RouteType, RouteVerb};

use super::hash::{HashMap, HashSet, map_for, set_for};
use super::plan::{GroupUse, Plan, PolicyGroup, Step};
use super::set::PolicySet;
use super::snapshot::{Concern, Key, Snapshot, key};
use super::types::Policy;
use crate::encap::{Seg6, Seg6Mode};
use crate::sid::{Seg6Local, SidAction};

/// The index of `lo` in every namespace.
const LOOPBACK: u32 = 1;

impl PolicySet {
    /// The steps from the current state to these policies.
    ///
    /// # Errors
    /// The set is invalid: no range of ids from 1 on, no protocol, the loopback device, two policies with one color and endpoint, or a
    /// policy that cannot be applied. A route of another program is in the way, and the set is not [exact](Self::exact). An
    /// [id](Policy::id()) is that of a nexthop which is no group of the set. No id is left in the range.
    pub fn plan(&self, current: &Snapshot) -> nl_core::Result<Plan> {
        let plan = self.planned(current)?;
        plan.requests()?;
        Ok(plan)
    }

    /// The same, and whether the requests are valid is looked at by whoever makes them.
    pub(super) fn planned(&self, current: &Snapshot) -> nl_core::Result<Plan> {
        self.check()?;
        Invalid::when(
            current.index == LOOPBACK,
            "dev lo: the kernel takes nexthops with segments on it and loses every packet; any other device that \
             is up will do",
        )?;
        Ok(Planner::new(self, current).plan()?)
    }
}

/// What a member does, by which those that are there are known again.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Does<'a> {
    Blackhole,
    /// It puts packets on a path.
    Path {
        index: u32,
        mode: Seg6Mode,
        segments: Cow<'a, [Ipv6Addr]>,
        overwritten: Option<Ipv6Addr>,
        source: Option<Ipv6Addr>,
        hmac: Option<u32>,
        tag: u16,
    },
    /// It is a binding SID, in words.
    Local {
        index: u32,
        words: String,
        tag: u16,
    },
}

impl<'a> Does<'a> {
    fn path(index: u32, path: &Seg6, segments: Cow<'a, [Ipv6Addr]>) -> Self {
        Self::Path {
            index,
            mode: path.mode,
            segments,
            overwritten: path.overwritten,
            source: path.source,
            hmac: path.srh.hmac_tlv().map(|hmac| hmac.key),
            tag: path.srh.tag,
        }
    }

    /// `None` for what is no member of a policy's group.
    fn of(hop: &Nexthop) -> Option<Self> {
        if hop.is_group() || hop.is_fdb || hop.gateway.is_some() || hop.family != NexthopFamily::Ipv6 {
            return None;
        }
        if hop.is_blackhole {
            return Some(Self::Blackhole);
        }
        let index = hop.oif?;
        if let Ok(Some(mut seg6)) = hop.encap::<Seg6>() {
            let segments = std::mem::take(&mut seg6.srh.segments);
            return seg6.unknown.is_empty().then(|| Self::path(index, &seg6, segments.into()));
        }
        let local = hop.encap::<Seg6Local>().ok()??;
        let is_plain = local.unknown.is_empty() && local.counters.is_none();
        if is_plain { Self::local(index, &local) } else { None }
    }

    fn local(index: u32, local: &Seg6Local) -> Option<Self> {
        match &local.action {
            SidAction::EndB6 { srh } | SidAction::EndB6Encaps { srh } => {
                Some(Self::Local { index, words: local.to_string(), tag: srh.tag })
            }
            _ => None,
        }
    }
}

/// What a member is made from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Blackhole,
    Path(GroupUse, &'a Seg6),
}

/// The members of groups by what they do.
struct Members<'a> {
    in_order: Vec<(Does<'a>, Source<'a>)>,
    known: HashMap<Does<'a>, usize>,
}

impl<'a> Members<'a> {
    fn for_about(count: usize) -> Self {
        Self { in_order: Vec::with_capacity(count), known: map_for(count) }
    }

    /// Remembers a member, and returns its place.
    fn add(&mut self, does: Does<'a>, source: Source<'a>) -> usize {
        if let Some(place) = self.known.get(&does) {
            return *place;
        }
        let place = self.in_order.len();
        self.in_order.push((does.clone(), source));
        self.known.insert(does, place);
        place
    }
}

/// A desired group, and the routes that are to use it.
struct Wanted<'a> {
    policy: &'a Policy,
    usage: GroupUse,
    id: Option<u32>,
    routes: Vec<Key>,
    /// The places of the members, and their weights.
    members: Vec<(usize, u16)>,
}

/// The ids of the range that are free.
struct Free {
    range: RangeInclusive<u32>,
    rest: RangeInclusive<u32>,
    taken: HashSet<u32>,
}

impl Free {
    fn next(&mut self) -> Result<u32, Invalid> {
        let Self { range, rest, taken } = self;
        rest.find(|id| !taken.contains(id)).ok_or_else(|| {
            format!("nexthop ids {} to {} are all in use; more are needed", range.start(), range.end()).into()
        })
    }
}

struct Planner<'a> {
    set: &'a PolicySet,
    current: &'a Snapshot,
    concern: Concern,
    /// The ids that are in use.
    numbers: HashSet<u32>,
    /// The set's groups, by id.
    groups: HashMap<u32, &'a Nexthop>,
    /// The routes with the key of a desired one. Of several, one of the set's own.
    in_the_way: HashMap<Key, &'a Route>,
    /// The tables in which routes of type `throw` are the set's: those that its rules lead to, or that it has other routes in.
    throw_tables: HashSet<u32>,
    steps: Vec<Step>,
}

impl<'a> Planner<'a> {
    fn new(set: &'a PolicySet, current: &'a Snapshot) -> Self {
        let concern = Concern::of(set);
        let is_group = |hop: &&Nexthop| {
            let is_known = !matches!(hop.group_kind, Some(GroupKind::Other(_)));
            set.owns_nexthop(hop) && hop.is_group() && is_known && !hop.is_fdb
        };
        let count = current.nexthops.len();
        let mut groups = map_for(count / 2);
        groups.extend(current.nexthops.iter().filter(is_group).map(|hop| (hop.id, hop)));
        let mut in_the_way = map_for(current.routes.len());
        for route in current.routes.iter().filter(|route| concern.is_in_the_way(route)) {
            let known = in_the_way.entry(key(route)).or_insert(route);
            if set.owns_route(route) {
                *known = route;
            }
        }
        let numbers = current.nexthops.iter().map(|hop| hop.id).collect();
        let of_rules = current.rules.iter().filter(|rule| set.owns_rule(rule)).filter_map(|rule| rule.table);
        let of_routes = current.routes.iter().filter(|route| set.owns_route(route)).map(Route::in_table);
        let of_policies = set.throws().into_keys().map(|(table, ..)| table);
        let throw_tables = of_rules.chain(of_routes).chain(of_policies).collect();
        Self { set, current, concern, numbers, groups, in_the_way, throw_tables, steps: Vec::new() }
    }

    fn plan(mut self) -> Result<Plan, Invalid> {
        let mut members = Members::for_about(self.set.policies.len());
        let mut wanted = self.wanted(&mut members);
        let fixed = self.set.policies.iter().filter_map(|policy| policy.id);
        let mut taken = set_for(self.numbers.len());
        taken.extend(self.numbers.iter().copied().chain(fixed));
        let mut free = Free { range: self.set.ids.clone(), rest: self.set.ids.clone(), taken };
        let ids = self.make_members(members, &mut free)?;
        self.choose_groups(&mut wanted, &ids, &mut free)?;
        let mut plan = Plan::default();
        for group in &wanted {
            self.make_group(group, &ids);
            plan.groups.extend(group.named());
        }
        for group in &wanted {
            self.make_routes(group)?;
        }
        let throws = self.set.throws();
        self.make_throws(&throws)?;
        self.steps.extend(super::rules::steps(self.set, &self.current.rules));
        self.delete_routes(&wanted, &throws);
        self.delete_nexthops(&wanted, &ids);
        plan.steps = self.steps;
        let nexthops = self.current.nexthops.iter();
        let is_foreign = |hop: &&Nexthop| self.set.ids.contains(&hop.id) && !self.set.owns_nexthop(hop);
        plan.foreign_nexthops = nexthops.filter(is_foreign).cloned().collect();
        let is_foreign = |route: &&Route| {
            self.concern.holds(route) && !self.set.owns_route(route) && !self.set.is_throw(route)
        };
        plan.foreign_routes = self.current.routes.iter().filter(is_foreign).cloned().collect();
        Ok(plan)
    }

    /// The desired groups; all lists of all paths become members.
    fn wanted(&self, members: &mut Members<'a>) -> Vec<Wanted<'a>> {
        let set: &'a PolicySet = self.set;
        let mut all = Vec::with_capacity(set.policies.len());
        for policy in &set.policies {
            for usage in [GroupUse::Steering, GroupUse::BindingSid] {
                let (routes, id): (Vec<_>, _) = match usage {
                    GroupUse::Steering => (policy.steering().collect(), policy.id),
                    GroupUse::BindingSid => (policy.binding().into_iter().collect(), None),
                };
                if routes.is_empty() && id.is_none() {
                    continue;
                }
                let active = policy.active();
                let mut of_active = Vec::new();
                for path in &policy.paths {
                    let is_active = active.is_some_and(|active| std::ptr::eq(active, path));
                    for list in &path.lists {
                        let place = self.add_member(members, usage, &list.path);
                        if is_active && list.is_valid {
                            of_active.push((place, list.weight));
                        }
                    }
                }
                if active.is_none() {
                    if !policy.drops_upon_invalid {
                        continue;
                    }
                    of_active.push((members.add(Does::Blackhole, Source::Blackhole), 1));
                }
                all.push(Wanted { policy, usage, id, routes, members: of_active });
            }
        }
        all
    }

    fn add_member(&self, members: &mut Members<'a>, usage: GroupUse, path: &'a Seg6) -> usize {
        let index = self.current.index;
        let does = match usage {
            GroupUse::Steering => Does::path(index, path, Cow::Borrowed(&path.srh.segments)),
            GroupUse::BindingSid => {
                let words = binding(path).to_string();
                Does::Local { index, words, tag: path.srh.tag }
            }
        };
        members.add(does, Source::Path(usage, path))
    }

    fn member(&self, source: Source<'_>) -> Nexthop {
        let hop = Nexthop::new(0).ipv6().protocol(self.set.protocol);
        let on_device = |hop: Nexthop| hop.oif(self.current.index);
        match source {
            Source::Blackhole => hop.blackhole(),
            Source::Path(GroupUse::Steering, path) => on_device(hop).with_encap(path),
            Source::Path(GroupUse::BindingSid, path) => on_device(hop).with_encap(&binding(path)),
        }
    }

    /// Adds the members that are not there, and returns the ids of all in their places.
    fn make_members(&mut self, members: Members<'_>, free: &mut Free) -> Result<Vec<u32>, Invalid> {
        let mut own: Vec<_> = self.current.nexthops.iter().filter(|hop| self.set.owns_nexthop(hop)).collect();
        own.sort_by_key(|hop| std::cmp::Reverse(hop.id));
        // Of two that do the same the lower id stays.
        let mut there = map_for(own.len());
        there.extend(own.into_iter().filter_map(|hop| Some((Does::of(hop)?, hop.id))));
        let mut ids = Vec::with_capacity(members.in_order.len());
        for (does, source) in members.in_order {
            let id = match there.get(&does) {
                Some(id) => *id,
                None => {
                    let mut hop = self.member(source);
                    hop.id = free.next()?;
                    let id = hop.id;
                    self.steps.push(Step::Nexthop(NexthopVerb::Add, Box::new(hop)));
                    id
                }
            };
            ids.push(id);
        }
        Ok(ids)
    }

    /// Finds the group of each: the one with the id that is set, the one that its routes use, one with the same members, or a new one.
    fn choose_groups(&self, wanted: &mut [Wanted<'_>], ids: &[u32], free: &mut Free) -> Result<(), Invalid> {
        for group in wanted.iter() {
            let Some(id) = group.id else { continue };
            let is_taken = self.numbers.contains(&id);
            let policy = group.policy;
            match self.groups.get(&id) {
                None if is_taken => {
                    return Err(
                        format!("{policy}: nexthop {id} exists and is not a group of this set").into()
                    );
                }
                Some(hop) if buckets(hop) != policy.buckets => {
                    return Err(format!(
                        "{policy}: nexthop {id} is a group of another kind or with other buckets, which the kernel does not \
                         change; another id is needed"
                    )
                    .into());
                }
                _ => {}
            }
        }
        let mut chosen: HashSet<u32> = set_for(wanted.len());
        chosen.extend(wanted.iter().filter_map(|group| group.id));
        for group in wanted.iter_mut().filter(|group| group.id.is_none()) {
            let used = group.routes.iter().filter_map(|key| self.in_the_way.get(key));
            let mut used = used.filter(|route| self.set.owns_route(route)).filter_map(|r| r.nexthop_id);
            let is_alike =
                |id: &u32| self.groups.get(id).is_some_and(|hop| buckets(hop) == group.policy.buckets);
            group.id = used.find(|id| is_alike(id) && !chosen.contains(id));
            chosen.extend(group.id);
        }
        let mut by_members = HashMap::default();
        for (id, hop) in self.groups.iter().filter(|(id, _)| !chosen.contains(id)) {
            // Of two with the same members the lower id stays.
            let known = by_members.entry((buckets(hop), sorted(&hop.group))).or_insert(*id);
            *known = (*known).min(*id);
        }
        for group in wanted.iter_mut().filter(|group| group.id.is_none()) {
            let same = if by_members.is_empty() {
                None
            } else {
                by_members.remove(&(group.policy.buckets, sorted(&group.members(ids))))
            };
            group.id = Some(match same {
                Some(id) => id,
                None => free.next()?,
            });
        }
        Ok(())
    }

    fn make_group(&mut self, wanted: &Wanted<'_>, ids: &[u32]) {
        let Some(id) = wanted.id else { return };
        let members = wanted.members(ids);
        let verb = match self.groups.get(&id) {
            Some(current) if current.group == members => return,
            Some(current) if sorted(&current.group) == sorted(&members) => return,
            Some(_) => NexthopVerb::Replace,
            None => NexthopVerb::Add,
        };
        let hop = Nexthop::new(id).protocol(self.set.protocol).group(members);
        let hop = match wanted.policy.buckets {
            Some(buckets) => hop.resilient(buckets),
            None => hop,
        };
        self.steps.push(Step::Nexthop(verb, Box::new(hop)));
    }

    fn make_routes(&mut self, wanted: &Wanted<'_>) -> Result<(), Invalid> {
        let Some(id) = wanted.id else { return Ok(()) };
        for key in &wanted.routes {
            let verb = match self.in_the_way.get(key) {
                None => RouteVerb::Add,
                Some(there) if self.set.owns_route(there) && there.nexthop_id == Some(id) => continue,
                Some(there) if self.set.owns_route(there) || self.set.is_exact => RouteVerb::Replace,
                Some(there) => {
                    let (policy, prefix, protocol) = (wanted.policy, key.1, there.protocol);
                    return Err(format!(
                        "{policy}: {prefix} is routed by another program, of protocol {protocol}; an exact set would \
                         replace that"
                    )
                    .into());
                }
            };
            let route = wanted.route(key.1).protocol(self.set.protocol).nhid(id);
            self.steps.push(Step::Route(verb, Box::new(route)));
        }
        Ok(())
    }

    fn owns_throw(&self, route: &Route) -> bool {
        self.set.is_throw(route) && self.throw_tables.contains(&route.in_table())
    }

    /// In the order of their destinations, so that plans of one set are equal.
    fn make_throws(&mut self, throws: &HashMap<Key, &Policy>) -> Result<(), Invalid> {
        let mut in_order: Vec<_> = throws.iter().collect();
        in_order.sort_by_key(|((table, prefix, _), _)| (*table, prefix.addr()));
        for (key, policy) in in_order {
            let verb = match self.in_the_way.get(key) {
                None => RouteVerb::Add,
                Some(there) if self.owns_throw(there) => continue,
                Some(there) if self.set.owns_route(there) || self.set.is_exact => RouteVerb::Replace,
                Some(there) => {
                    return Err(format!(
                        "{policy}: {} is routed in table {} by another program, of protocol {}, and would not be passed on to \
                         the next rule; an exact set would replace that",
                        key.1, key.0, there.protocol
                    )
                    .into());
                }
            };
            let route = Route::new(key.1).table(key.0).throw().protocol(self.set.protocol);
            self.steps.push(Step::Route(verb, Box::new(route)));
        }
        Ok(())
    }

    fn delete_routes(&mut self, wanted: &[Wanted<'_>], throws: &HashMap<Key, &Policy>) {
        if self.current.routes.is_empty() {
            return;
        }
        let mut keys: HashSet<&Key> = set_for(wanted.len());
        keys.extend(wanted.iter().flat_map(|group| &group.routes).chain(throws.keys()));
        let goes = |route: &&Route| {
            let is_own = self.set.owns_route(route) || self.owns_throw(route);
            !keys.contains(&key(route)) && (is_own || (self.set.is_exact && self.concern.is_rival(route)))
        };
        let mut gone: Vec<_> = self.current.routes.iter().filter(goes).collect();
        // First those that are known by the others of their table.
        gone.sort_by_key(|route| !self.set.is_throw(route));
        let gone = gone.into_iter().map(|route| Step::Route(RouteVerb::Delete, Box::new(deletion(route))));
        self.steps.extend(gone);
    }

    fn delete_nexthops(&mut self, wanted: &[Wanted<'_>], ids: &[u32]) {
        if self.current.nexthops.is_empty() {
            return;
        }
        let desired = wanted.iter().filter_map(|group| group.id);
        let mut wanted: HashSet<u32> = set_for(wanted.len());
        wanted.extend(desired);
        let mut stay: HashSet<u32> = set_for(ids.len() + wanted.len());
        stay.extend(ids.iter().chain(&wanted));
        if !self.set.is_exact {
            // Routes of others would go with them.
            let used = self.current.routes.iter().filter(|route| !self.set.owns_route(route));
            stay.extend(used.filter_map(|route| route.nexthop_id));
            let kept = self.groups.values().filter(|group| stay.contains(&group.id));
            let of_kept: Vec<_> = kept
                .filter(|group| !wanted.contains(&group.id))
                .flat_map(|group| group.group.iter().map(|member| member.id))
                .collect();
            stay.extend(of_kept);
        }
        let goes = |hop: &&Nexthop| {
            let is_own = self.set.owns_nexthop(hop);
            self.set.ids.contains(&hop.id) && (is_own || self.set.is_exact) && !stay.contains(&hop.id)
        };
        let mut gone: Vec<_> = self.current.nexthops.iter().filter(goes).collect();
        // Groups before their members.
        gone.sort_by_key(|hop| (!hop.is_group(), hop.id));
        let gone = gone.into_iter().map(|hop| Nexthop::new(hop.id));
        self.steps.extend(gone.map(|hop| Step::Nexthop(NexthopVerb::Delete, Box::new(hop))));
    }
}

impl Wanted<'_> {
    fn members(&self, ids: &[u32]) -> Vec<GroupMember> {
        let member =
            |(place, weight): &(usize, u16)| Some(GroupMember { id: *ids.get(*place)?, weight: *weight });
        self.members.iter().filter_map(member).collect()
    }

    /// A route to the group, without it.
    fn route(&self, prefix: IpPrefix) -> Route {
        let route = self.policy.route(prefix);
        match self.usage {
            GroupUse::Steering => route.table(self.policy.table),
            GroupUse::BindingSid => route,
        }
    }

    fn named(&self) -> Option<PolicyGroup> {
        let Policy { color, endpoint, .. } = *self.policy;
        Some(PolicyGroup { color, endpoint, usage: self.usage, id: self.id? })
    }
}

fn sorted(members: &[GroupMember]) -> Vec<(u32, u16)> {
    let mut members: Vec<_> = members.iter().map(|member| (member.id, member.weight)).collect();
    members.sort_unstable();
    members
}

/// How many buckets a group has, if it is resilient.
fn buckets(group: &Nexthop) -> Option<u16> {
    match group.group_kind {
        // The kernel reports them; 0 is none that a policy can have.
        Some(GroupKind::Resilient) => Some(group.resilient.and_then(|has| has.buckets).unwrap_or(0)),
        _ => None,
    }
}

/// The binding SID that leads along a path.
fn binding(path: &Seg6) -> Seg6Local {
    let srh = path.srh.clone();
    Seg6Local::new(match path.mode {
        Seg6Mode::Inline => SidAction::EndB6 { srh },
        _ => SidAction::EndB6Encaps { srh },
    })
}

/// What the kernel finds a route by that is to be deleted.
fn deletion(route: &Route) -> Route {
    let mut key = Route::new(route.prefix).table(route.in_table()).tos(route.tos).protocol(route.protocol);
    key.priority = route.priority;
    key.nexthop_id = route.nexthop_id;
    if route.kind == RouteType::Throw {
        return key.throw();
    }
    if route.nexthop_id.is_none() && route.nexthops.is_empty() {
        (key.gateway, key.oif) = (route.gateway, route.oif);
    }
    key
}

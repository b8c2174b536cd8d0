//! Plans of policies without a kernel: what they say, and that they converge, whatever was there.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use nl_core::nexthop::{Nexthop, NexthopVerb};
use nl_core::route::{Route, RouteProtocol, RouteType, RouteVerb};
use nl_core::rule::{Rule, RuleAction, RuleVerb};
use nl_srv6::encap::Seg6;
use nl_srv6::policy::{
    CandidatePath, GroupUse, PacketMark, Plan, Policy, PolicySet, SegmentList, Snapshot, Step,
};
use proptest::prelude::*;

use crate::commands::{addr, segments};

const OURS: RouteProtocol = RouteProtocol(200);
const THEIRS: RouteProtocol = RouteProtocol::BGP;
const TO: &str = "2001:db8:2::/48";

fn set() -> PolicySet {
    PolicySet::new(3, 5000..=5099, OURS)
}

fn list(number: u16) -> Seg6 {
    Seg6::encap_red(segments(number))
}

fn policy() -> Policy {
    Policy::new(100, addr("fcbb:0:d::"))
        .path(CandidatePath::new(200).list(SegmentList::new(list(1)).weight(3)).list(list(2)))
        .path(CandidatePath::new(100).list(list(3)))
        .prefix(TO.parse().unwrap())
}

/// A kernel as far as plans need one: a step that it would refuse stops the test.
#[derive(Clone, Default)]
struct Kernel {
    nexthops: BTreeMap<u32, Nexthop>,
    routes: Vec<Route>,
    rules: Vec<Rule>,
}

impl Kernel {
    fn snapshot(&self) -> Snapshot {
        let nexthops = self.nexthops.values().cloned();
        Snapshot::new(3, nexthops, self.routes.iter().cloned()).with_rules(self.rules.iter().cloned())
    }

    fn apply(&mut self, plan: &Plan) {
        for step in plan.steps() {
            match step {
                Step::Nexthop(verb, hop) => self.nexthop(*verb, hop),
                Step::Route(verb, route) => self.route(*verb, route),
                Step::Rule(verb, rule) => self.rule(*verb, rule),
                _ => unreachable!("{step}"),
            }
        }
    }

    fn nexthop(&mut self, verb: NexthopVerb, hop: &Nexthop) {
        let is_there = self.nexthops.contains_key(&hop.id);
        assert_eq!(is_there, verb != NexthopVerb::Add, "{verb} {hop}");
        if verb == NexthopVerb::Delete {
            self.nexthops.remove(&hop.id);
            let used = self.routes.iter().any(|route| route.nexthop_id == Some(hop.id));
            let member = self.nexthops.values().any(|group| group.group.iter().any(|m| m.id == hop.id));
            assert!(!used && !member, "{hop} is deleted while it is used");
            return;
        }
        assert!(hop.group.iter().all(|member| self.nexthops.contains_key(&member.id)), "{hop}");
        if let Some(there) = self.nexthops.get(&hop.id) {
            let kinds = (there.group_kind, there.resilient);
            assert_eq!(kinds, (hop.group_kind, hop.resilient), "{hop} would change its kind");
        }
        self.nexthops.insert(hop.id, hop.clone());
    }

    fn route(&mut self, verb: RouteVerb, route: &Route) {
        let key = |route: &Route| (route.prefix, route.in_table(), route.priority.unwrap_or(1024));
        let found = self.routes.iter().position(|there| key(there) == key(route));
        assert_eq!(found.is_some(), verb != RouteVerb::Add, "{verb} {route}");
        if let Some(at) = found {
            self.routes.remove(at);
        }
        if verb != RouteVerb::Delete {
            let is_there = |id: u32| self.nexthops.contains_key(&id);
            assert!(route.nexthop_id.map_or(route.kind == RouteType::Throw, is_there), "{route}");
            self.routes.push(route.clone());
        }
    }
}

impl Kernel {
    /// The kernel reports a rule with what it does, and with a mask.
    fn rule(&mut self, verb: RuleVerb, rule: &Rule) {
        let mut rule = rule.clone();
        rule.action = RuleAction::Table;
        let found = self.rules.iter().position(|there| *there == rule);
        assert_eq!(found.is_some(), verb == RuleVerb::Delete, "{verb} {rule}");
        match found {
            Some(at) => drop(self.rules.remove(at)),
            None => self.rules.push(rule),
        }
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.steps().iter().map(ToString::to_string).collect()
}

#[test]
fn plan_applied_twice_is_empty() {
    let set = set().policy(policy().binding_sid("fcbb:0:a:b100::".parse().unwrap()));
    let mut kernel = Kernel::default();
    let plan = set.plan(&kernel.snapshot()).unwrap();
    // Three members, and three for the binding SID; two groups; two routes.
    assert_eq!(plan.steps().len(), 10);
    let [steering, binding] = plan.groups() else { unreachable!("{:?}", plan.groups()) };
    assert_eq!((steering.color, steering.usage, steering.id), (100, GroupUse::Steering, 5006));
    assert_eq!((binding.usage, binding.id), (GroupUse::BindingSid, 5007));
    let group = "add nexthop id 5007 group 5003,3/5004 proto 200";
    assert!(lines(&plan).iter().any(|line| line == group), "{plan}");
    let member =
        "add nexthop id 5003 encap seg6local action End.B6.Encaps srh segs fcbb:0:1:: dev #3 proto 200";
    assert!(lines(&plan).iter().any(|line| line == member), "{plan}");
    kernel.apply(&plan);
    assert_eq!(lines(&set.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);
}

#[test]
fn failover_replaces_the_group_and_nothing_else() {
    let mut set = set().policy(policy());
    let mut kernel = Kernel::default();
    kernel.apply(&set.plan(&kernel.snapshot()).unwrap());
    let mut change = |change: &dyn Fn(&mut Policy)| {
        change(&mut set.policies[0]);
        let plan = set.plan(&kernel.snapshot()).unwrap();
        kernel.apply(&plan);
        lines(&plan)
    };
    // One list, then the path, then all of them.
    let replaced = |members: &str| [format!("replace nexthop id 5003 group {members} proto 200")];
    assert_eq!(change(&|policy| policy.paths[0].lists[0].is_valid = false), replaced("5001"));
    assert_eq!(change(&|policy| policy.paths[0].lists[1].is_valid = false), replaced("5002"));
    assert_eq!(
        change(&|policy| policy.paths[0] = policy.paths[0].clone().valid(true)),
        replaced("5000,3/5001")
    );
    assert_eq!(change(&|policy| policy.paths[0].lists[1].weight = 7), replaced("5000,3/5001,7"));
    assert_eq!(change(&|policy| policy.paths[1].preference = 300), replaced("5002"));
    // Without a valid path the routes go, and the members stay.
    let all_invalid = |policy: &mut Policy| policy.paths.iter_mut().for_each(|p| *p = p.clone().valid(false));
    assert_eq!(
        change(&all_invalid),
        ["delete route 2001:db8:2::/48 nhid 5003 proto 200", "delete nexthop id 5003"]
    );
    let back = change(&|policy| policy.paths[1] = policy.paths[1].clone().valid(true));
    assert_eq!(
        back,
        ["add nexthop id 5003 group 5002 proto 200", "add route 2001:db8:2::/48 nhid 5003 proto 200"]
    );
}

#[test]
fn resilient_group_is_replaced_with_its_buckets_and_never_changes_its_kind() {
    let mut kernel = Kernel::default();
    let mut resilient = set().policy(policy().resilient(64));
    let plan = resilient.plan(&kernel.snapshot()).unwrap();
    let group = "add nexthop id 5003 group 5000,3/5001 type resilient buckets 64 proto 200";
    assert!(lines(&plan).iter().any(|line| line == group), "{plan}");
    kernel.apply(&plan);
    assert_eq!(lines(&resilient.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);

    resilient.policies[0].paths[0].lists[0].is_valid = false;
    let plan = resilient.plan(&kernel.snapshot()).unwrap();
    assert_eq!(lines(&plan), ["replace nexthop id 5003 group 5001 type resilient buckets 64 proto 200"]);
    kernel.apply(&plan);

    // Other buckets, or none: another group, to which the route moves before the old one goes.
    for buckets in [Some(128), None] {
        resilient.policies[0].buckets = buckets;
        let plan = resilient.plan(&kernel.snapshot()).unwrap();
        let lines = lines(&plan);
        assert_eq!(lines.len(), 3, "{plan}");
        assert!(lines[0].starts_with("add nexthop id ") && lines[1].starts_with("replace route "), "{plan}");
        assert!(lines[2].starts_with("delete nexthop id "), "{plan}");
        kernel.apply(&plan);
        assert_eq!(resilient.plan(&kernel.snapshot()).unwrap().steps(), []);
    }

    let mut fixed = set().policy(policy().id(5050));
    kernel.apply(&fixed.plan(&kernel.snapshot()).unwrap());
    fixed.policies[0].buckets = Some(64);
    let error = fixed.plan(&kernel.snapshot()).unwrap_err().to_string();
    assert!(error.contains("nexthop 5050 is a group of another kind or with other buckets"), "{error}");
    fixed.policies[0].buckets = Some(0);
    let error = fixed.plan(&kernel.snapshot()).unwrap_err().to_string();
    assert!(error.contains("buckets 0; 1 to 65535 are possible"), "{error}");
}

#[test]
fn policy_that_drops_upon_invalid_has_a_blackhole() {
    let mut kernel = Kernel::default();
    let mut invalid = policy().drop_upon_invalid();
    kernel.apply(&set().policy(invalid.clone()).plan(&kernel.snapshot()).unwrap());
    for path in &mut invalid.paths {
        *path = path.clone().valid(false);
    }
    let plan = set().policy(invalid.clone()).plan(&kernel.snapshot()).unwrap();
    assert_eq!(
        lines(&plan),
        ["add nexthop id 5004 blackhole proto 200", "replace nexthop id 5003 group 5004 proto 200"]
    );
    kernel.apply(&plan);
    assert!(set().policy(invalid).plan(&kernel.snapshot()).unwrap().is_empty());
}

#[test]
fn active_path_is_the_first_valid_one_of_the_highest_preference() {
    let path = |preference, number| CandidatePath::new(preference).list(list(number));
    let policy = Policy::new(1, Ipv6Addr::UNSPECIFIED)
        .path(path(100, 1))
        .path(path(300, 2).valid(false))
        .path(path(200, 3))
        .path(path(200, 4));
    assert_eq!(policy.active(), Some(&path(200, 3)));
    assert_eq!(Policy::new(1, Ipv6Addr::UNSPECIFIED).path(path(1, 1).valid(false)).active(), None);
}

#[test]
fn what_no_policy_needs_is_deleted_in_order() {
    let mut kernel = Kernel::default();
    let other = Policy::new(200, addr("fcbb:0:d::"))
        .path(CandidatePath::new(100).list(list(3)).list(list(4)))
        .prefix("10.2.0.0/16".parse().unwrap());
    kernel.apply(&set().policy(policy()).policy(other.clone()).plan(&kernel.snapshot()).unwrap());
    let plan = set().policy(other).plan(&kernel.snapshot()).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "delete route 2001:db8:2::/48 nhid 5004 proto 200",
            "delete nexthop id 5004",
            "delete nexthop id 5000",
            "delete nexthop id 5001",
        ]
    );
    kernel.apply(&plan);
    kernel.apply(&set().plan(&kernel.snapshot()).unwrap());
    assert!(kernel.nexthops.is_empty() && kernel.routes.is_empty());
}

/// Color 100 for all packets with the mark 100.
fn marked() -> Policy {
    let mut policy = policy().mark(100).table(100);
    policy.prefixes = vec!["::/0".parse().unwrap(), "10.2.0.0/16".parse().unwrap()];
    policy
}

#[test]
fn policy_with_a_mark_has_a_rule_for_each_family_and_lets_its_segments_pass() {
    let mut kernel = Kernel::default();
    let ours = || set().rules_at(1000);
    let wanted = ours().policy(marked());
    let plan = wanted.plan(&kernel.snapshot()).unwrap();
    let lines = lines(&plan);
    // What packets are led to is there before the rules are.
    assert_eq!(
        lines[lines.len() - 5..],
        [
            "add route ::/0 nhid 5003 table 100 proto 200",
            "add route 10.2.0.0/16 nhid 5003 table 100 proto 200",
            "add route throw fcbb:0:1:: table 100 proto 200",
            "add rule from all fwmark 0x64 pref 1000 table 100 protocol 200",
            "add rule -6 from all fwmark 0x64 pref 1000 table 100 protocol 200",
        ],
        "{lines:#?}"
    );
    kernel.apply(&plan);
    assert!(wanted.plan(&kernel.snapshot()).unwrap().is_empty());

    // A failover leaves rules and routes alone.
    let mut failed = wanted.clone();
    failed.policies[0].paths[0] = failed.policies[0].paths[0].clone().valid(false);
    assert_eq!(failed.plan(&kernel.snapshot()).unwrap().steps().len(), 1);

    // Another mark: the new rules come first.
    let other = ours().policy(marked().mark(PacketMark::masked(0x100, 0xff00)));
    let plan = other.plan(&kernel.snapshot()).unwrap();
    let verbs: Vec<_> =
        plan.steps().iter().map(|step| matches!(step, Step::Rule(RuleVerb::Add, _))).collect();
    assert_eq!(verbs, [true, true, false, false], "{plan}");
    kernel.apply(&plan);
    assert!(other.plan(&kernel.snapshot()).unwrap().is_empty());

    // Rules go before the routes they lead to.
    let none = ours();
    let plan = none.plan(&kernel.snapshot()).unwrap();
    assert!(matches!(plan.steps()[0], Step::Rule(RuleVerb::Delete, _)), "{plan}");
    kernel.apply(&plan);
    assert!(kernel.rules.is_empty() && kernel.routes.is_empty() && kernel.nexthops.is_empty(), "{plan}");
}

#[test]
fn rules_and_throw_routes_of_others_are_left() {
    let ours = set().rules_at(1000).policy(marked());
    let rule = |priority: u32, protocol: RouteProtocol| {
        let rule = Rule::new(nl_core::IpFamily::V6).priority(priority).fwmark(7).table(7);
        let mut rule = rule.protocol(protocol.0);
        rule.action = RuleAction::Table;
        rule
    };
    let throw = |protocol| Route::new("2001:db8::7/128".parse().unwrap()).table(7).throw().protocol(protocol);
    let mut kernel = Kernel {
        rules: vec![rule(1000, THEIRS), rule(999, OURS)],
        routes: vec![throw(THEIRS)],
        ..Kernel::default()
    };
    let before = kernel.clone();
    kernel.apply(&ours.plan(&kernel.snapshot()).unwrap());
    kernel.apply(&set().rules_at(1000).plan(&kernel.snapshot()).unwrap());
    assert_eq!((&kernel.rules, &kernel.routes), (&before.rules, &before.routes));
    // Another set of the same protocol, with another priority and other tables, is left alone.
    let mut other = marked().mark(9).table(109);
    other.color = 9;
    let other = PolicySet::new(3, 6000..=6099, OURS).rules_at(1100).policy(other);
    kernel.apply(&other.plan(&kernel.snapshot()).unwrap());
    kernel.apply(&ours.plan(&kernel.snapshot()).unwrap());
    assert!(other.plan(&kernel.snapshot()).unwrap().is_empty());
    kernel.apply(&set().rules_at(1000).plan(&kernel.snapshot()).unwrap());
    assert!(other.plan(&kernel.snapshot()).unwrap().is_empty());
    let none = PolicySet::new(3, 6000..=6099, OURS).rules_at(1100);
    kernel.apply(&none.plan(&kernel.snapshot()).unwrap());
    assert_eq!((&kernel.rules, &kernel.routes), (&before.rules, &before.routes));
    // A set without rules of its own has none, whatever is there.
    kernel.rules.push(rule(1000, OURS));
    kernel.routes.push(Route::new("2001:db8::8/128".parse().unwrap()).table(7).throw().protocol(OURS));
    assert!(set().plan(&kernel.snapshot()).unwrap().is_empty());
    assert_eq!(set().rules_at(1000).plan(&kernel.snapshot()).unwrap().steps().len(), 2);

    // Where packets of another program's route would not come back from.
    let in_the_way = Route::new("fcbb:0:1::/128".parse().unwrap()).table(100).oif(3).protocol(THEIRS);
    let error = ours.plan(&Snapshot::new(3, [], [in_the_way.clone()])).unwrap_err().to_string();
    assert!(
        error.contains("fcbb:0:1::/128 is routed in table 100 by another program, of protocol bgp"),
        "{error}"
    );
    let plan = ours.exact().plan(&Snapshot::new(3, [], [in_the_way])).unwrap().to_string();
    assert!(plan.contains("replace route throw fcbb:0:1:: table 100 proto 200"), "{plan}");
}

#[test]
fn marks_that_steer_other_packets_or_none_are_refused() {
    let refused = |set: PolicySet, why: &str| {
        let error = set.plan(&Snapshot::new(3, [], [])).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(why), "{error}");
    };
    let ours = || set().rules_at(1000);
    let with = |change: &dyn Fn(&mut Policy)| {
        let mut policy = marked();
        change(&mut policy);
        ours().policy(policy)
    };
    refused(set().policy(marked()), "a mark without the priority of the set's rules: rules_at(PRIORITY)");
    refused(set().rules_at(0), "priority of rules 0; 1 to 32765 are possible");
    refused(set().rules_at(32_766), "priority of rules 32766; 1 to 32765 are possible");
    refused(with(&|policy| policy.mark = Some(0.into())), "mark 0, which every packet without a mark has");
    refused(with(&|policy| policy.mark = Some(PacketMark::masked(0, 0xff))), "mark 0");
    let outside = |policy: &mut Policy| policy.mark = Some(PacketMark::masked(0x101, 0xff));
    refused(with(&outside), "fwmark 0x101/0xff: the mark has bits outside its mask");
    refused(with(&|policy| policy.prefixes.clear()), "a mark and no prefixes");
    for table in [253, 254, 255] {
        refused(with(&|policy| policy.table = table), "a mark and a table of the kernel");
    }
    let mut other = marked().mark(PacketMark::masked(0x60, 0xf0)).table(101);
    other.color = 7;
    refused(
        ours().policy(marked()).policy(other),
        "a packet can have its fwmark 0x64 and the fwmark 0x60/0xf0 of policy color 7",
    );
    let first = |policy: &mut Policy| policy.prefixes.push("fcbb:0:1::/128".parse().unwrap());
    refused(with(&first), "fcbb:0:1::/128 is a prefix and a first segment in one table");
}

#[test]
fn selections_are_those_of_the_lists_of_each_policy() {
    let mut kernel = Kernel::default();
    let set = set().policy(policy().binding_sid("fcbb:0:a:b100::".parse().unwrap()));
    assert_eq!(set.selections(&kernel.snapshot()).unwrap(), [], "nothing was applied");
    let plan = set.plan(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    let group = plan.groups()[0];
    // As a kernel since 6.9 reports it: the attribute 15 of a message.
    let mut buf = nl_core::attr::AttrBuf::new();
    let mut w = buf.writer();
    w.u32(1, group.id);
    let mut stats = w.nested(15);
    for (number, member) in (1_u64..).zip(&kernel.nexthops[&group.id].group) {
        stats.nested(1).u32(1, member.id).u64(2, number * 100);
    }
    drop(stats);
    let payload = [vec![0; 8], buf.finish().unwrap()].concat();
    let read = Nexthop::decode(nl_core::message::MessageRef::from_parts(104, 0, &payload)).unwrap();
    kernel.nexthops.get_mut(&group.id).unwrap().stats = read.stats;

    let selections = set.selections(&kernel.snapshot()).unwrap();
    assert_eq!(
        selections.iter().map(|of| of.usage).collect::<Vec<_>>(),
        [GroupUse::Steering, GroupUse::BindingSid]
    );
    let steering = &selections[0];
    assert_eq!((steering.color, steering.id, steering.total()), (100, group.id, 300));
    let lists: Vec<_> =
        steering.lists.iter().map(|list| (list.segments.clone(), list.weight, list.selections)).collect();
    assert_eq!(lists, [(segments(1), 3, Some(100)), (segments(2), 1, Some(200))]);
    let binding: Vec<_> =
        selections[1].lists.iter().map(|list| (list.segments.clone(), list.selections)).collect();
    assert_eq!(binding, [(segments(1), None), (segments(2), None)]);
}

#[test]
fn what_others_made_is_left_and_listed_unless_the_set_is_exact() {
    let mut kernel = Kernel::default();
    let segments = Route::new("2001:db8:7::/48".parse().unwrap()).oif(3).metric(5).protocol(THEIRS);
    kernel.routes.push(segments.with_encap(&list(1)));
    let gateway = "2001:db8::1".parse().unwrap();
    kernel.nexthops.insert(5001, Nexthop::new(5001).via(gateway).oif(3).protocol(THEIRS));
    let plan = set().policy(policy()).plan(&kernel.snapshot()).unwrap();
    assert!(plan.steps().iter().all(|step| !step.to_string().starts_with("delete")), "{plan}");
    assert_eq!((plan.foreign_routes().len(), plan.foreign_nexthops().len()), (1, 1));
    assert_eq!(plan.groups()[0].id, 5004, "5001 is taken");
    kernel.apply(&plan);
    assert!(set().policy(policy()).plan(&kernel.snapshot()).unwrap().is_empty());

    let exact = set().policy(policy()).exact();
    let plan = exact.plan(&kernel.snapshot()).unwrap();
    assert_eq!(
        lines(&plan),
        ["delete route 2001:db8:7::/48 dev #3 proto bgp metric 5", "delete nexthop id 5001"]
    );
    assert_eq!((plan.foreign_routes().len(), plan.foreign_nexthops().len()), (1, 1));
    kernel.apply(&plan);
    assert!(exact.plan(&kernel.snapshot()).unwrap().is_empty());
}

#[test]
fn route_of_another_program_is_replaced_by_an_exact_set_alone() {
    let mut kernel = Kernel::default();
    let via = "2001:db8::1".parse().unwrap();
    kernel.routes.push(Route::new(TO.parse().unwrap()).via(via).oif(3).metric(1024).protocol(THEIRS));
    let error = set().policy(policy()).plan(&kernel.snapshot()).unwrap_err();
    assert!(error.is_usage(), "{error}");
    assert_eq!(
        error.to_string(),
        "policy color 100 endpoint fcbb:0:d::: 2001:db8:2::/48 is routed by another program, of protocol bgp; \
         an exact set would replace that"
    );
    let plan = set().policy(policy()).exact().plan(&kernel.snapshot()).unwrap();
    assert_eq!(lines(&plan).last().unwrap(), "replace route 2001:db8:2::/48 nhid 5003 proto 200");
    // With another metric both fit.
    set().policy(policy().metric(7)).plan(&kernel.snapshot()).unwrap();
}

#[test]
fn group_that_a_route_of_another_program_uses_stays() {
    let mut kernel = Kernel::default();
    kernel.apply(&set().policy(policy()).plan(&kernel.snapshot()).unwrap());
    let theirs = Route::new("2001:db8:9::/48".parse().unwrap()).nhid(5003).metric(20).protocol(THEIRS);
    kernel.routes.push(theirs);
    let plan = set().plan(&kernel.snapshot()).unwrap();
    assert_eq!(
        lines(&plan),
        ["delete route 2001:db8:2::/48 nhid 5003 proto 200", "delete nexthop id 5002"],
        "the members of the group stay too"
    );
    assert_eq!(plan.foreign_routes().len(), 1);
}

#[test]
fn group_has_the_id_that_the_policy_asks_for() {
    let mut kernel = Kernel::default();
    let mut fixed = policy().id(5050);
    fixed.prefixes.clear();
    kernel.apply(&set().policy(fixed.clone()).plan(&kernel.snapshot()).unwrap());
    assert!(kernel.nexthops[&5050].is_group());
    fixed.paths[0].lists[0].is_valid = false;
    let plan = set().policy(fixed.clone()).plan(&kernel.snapshot()).unwrap();
    assert_eq!(lines(&plan), ["replace nexthop id 5050 group 5001 proto 200"]);

    let error = set().policy(fixed.id(5000)).plan(&kernel.snapshot()).unwrap_err();
    assert!(error.to_string().ends_with("nexthop 5000 exists and is not a group of this set"), "{error}");
    let small = PolicySet::new(3, 10..=12, OURS).policy(policy());
    let error = small.plan(&Kernel::default().snapshot()).unwrap_err();
    assert_eq!(error.to_string(), "nexthop ids 10 to 12 are all in use; more are needed");
}

#[test]
fn policies_that_cannot_be_applied_are_refused() {
    let refused = |set: PolicySet, text: &str| {
        let error = set.plan(&Snapshot::new(3, [], [])).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(text), "{error}");
    };
    let with = |change: &dyn Fn(&mut Policy)| {
        let mut policy = policy();
        change(&mut policy);
        set().policy(policy)
    };
    refused(with(&|policy| policy.color = 0), "color 0; the first one is 1");
    refused(with(&|policy| policy.paths.clear()), "no candidate paths");
    refused(
        with(&|policy| policy.paths[1].lists.clear()),
        "candidate path of preference 100: no segment lists",
    );
    refused(with(&|policy| policy.paths[0].lists[0].weight = 0), "weight 0; 1 to 65535 are possible");
    refused(with(&|policy| policy.paths[0].lists[0].path = list(2)), "is there twice; add the weights");
    refused(with(&|policy| policy.paths[0].lists[0].path = Seg6::encap([])), "no segments");
    refused(with(&|policy| policy.prefixes.push("2001:db8:2::1/48".parse().unwrap())), "has bits set behind");
    refused(with(&|policy| policy.prefixes.push(TO.parse().unwrap())), "2001:db8:2::/48 is routed twice");
    refused(with(&|policy| policy.binding_sid = "10.0.0.1".parse().ok()), "a binding SID is an IPv6 prefix");
    refused(with(&|policy| policy.id = Some(7)), "id 7; 5000 to 5099 are possible");
    refused(with(&|policy| policy.table = 0), "table 0; the first one is 1");
    refused(with(&|policy| policy.metric = Some(0)), "metric 0 of an IPv6 route");
    let inline = |policy: &mut Policy| {
        policy.paths[0].lists[0].path = Seg6::inline(segments(1));
        policy.prefixes.push("10.2.0.0/16".parse().unwrap());
    };
    refused(with(&inline), "inline segments are for IPv6");
    let l2 = |policy: &mut Policy| {
        policy.paths[0].lists[0].path = Seg6::l2encap(segments(1));
        policy.binding_sid = "fcbb:0:a:b100::".parse().ok();
    };
    refused(with(&l2), "a binding SID with Ethernet frames");
    let source = |policy: &mut Policy| {
        policy.paths[0].lists[0].path = list(1).source(addr("2001:db8::1"));
        policy.binding_sid = "fcbb:0:a:b100::".parse().ok();
    };
    refused(with(&source), "uses that of the namespace");
    refused(set().policy(policy()).policy(policy()), "it is there twice");
    let endpoint = |mut policy: Policy| {
        policy.endpoint = Ipv6Addr::UNSPECIFIED;
        policy
    };
    refused(set().policy(policy()).policy(endpoint(policy())), "is routed twice");
    refused(
        PolicySet::new(3, 0..=9, OURS).policy(policy()),
        "nexthop ids 0 to 9; a range from 1 on is needed",
    );
    refused(PolicySet::new(3, 5..=9, RouteProtocol::UNSPEC).policy(policy()), "no protocol");
    let error = set().policy(policy()).plan(&Snapshot::new(1, [], [])).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("dev lo"), "{error}");
}

/// A few policies of a few lists, so that sets have much in common.
fn any_policy() -> impl Strategy<Value = Policy> {
    let lists = prop::collection::btree_map(1..5_u16, (1..4_u16, any::<bool>()), 1..4);
    let paths = prop::collection::vec((0..3_u32, lists), 1..3);
    let prefixes = prop::collection::btree_set(0..4_u16, 0..3);
    let buckets = prop::option::of(prop::sample::select(vec![32_u16, 64]));
    (1..4_u32, paths, prefixes, buckets, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(color, paths, prefixes, buckets, binds, drops, marks)| {
            let mut policy = Policy::new(color, addr("fcbb:0:d::"));
            policy.buckets = buckets;
            for (preference, lists) in paths {
                let path = CandidatePath::new(preference);
                policy = policy.path(lists.into_iter().fold(path, |path, (number, (weight, valid))| {
                    path.list(SegmentList::new(list(number)).weight(weight).valid(valid))
                }));
            }
            for number in prefixes {
                policy = policy.prefix(format!("2001:db8:{color:x}:{number:x}::/64").parse().unwrap());
            }
            if binds {
                policy = policy.binding_sid(format!("fcbb:0:a:{color:x}::").parse().unwrap());
            }
            if marks && !policy.prefixes.is_empty() {
                policy = policy.mark(color).table(100 + color);
            }
            if drops { policy.drop_upon_invalid() } else { policy }
        },
    )
}

proptest! {
    /// From any set to any other: no step is refused, the second plan is empty, and no group that remaining routes use is created again.
    #[test]
    fn sets_converge(sets in prop::collection::vec(prop::collection::btree_map(1..4_u32, any_policy(), 0..4), 1..5)) {
        let mut kernel = Kernel::default();
        for policies in sets {
            let mut set = set().rules_at(1000);
            for (color, mut policy) in policies {
                // The prefixes are those of the first color, so that they change from one policy to another.
                policy.color = color;
                let is_new = |prefix: &nl_core::IpPrefix| !set.policies.iter().any(|p: &Policy| p.prefixes.contains(prefix));
                policy.prefixes.retain(is_new);
                if policy.prefixes.is_empty() {
                    policy.mark = None;
                }
                if policy.mark.is_some() {
                    policy = policy.mark(color).table(100 + color);
                }
                if set.policies.iter().any(|other| other.binding_sid == policy.binding_sid) {
                    policy.binding_sid = None;
                }
                set = set.policy(policy);
            }
            let plan = set.plan(&kernel.snapshot()).unwrap();
            kernel.apply(&plan);
            let again = set.plan(&kernel.snapshot()).unwrap();
            prop_assert!(again.is_empty(), "{}", again);
            prop_assert_eq!(again.groups(), plan.groups());
            // Each valid policy with prefixes steers them all.
            for policy in &set.policies {
                let active = policy.active().is_some() || policy.drops_upon_invalid;
                for prefix in &policy.prefixes {
                    prop_assert_eq!(kernel.routes.iter().any(|route| route.prefix == *prefix), active);
                }
            }
        }
        kernel.apply(&set().rules_at(1000).plan(&kernel.snapshot()).unwrap());
        prop_assert!(kernel.nexthops.is_empty() && kernel.routes.is_empty() && kernel.rules.is_empty());
    }
}

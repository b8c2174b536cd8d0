//! Random pairs of policy sets: from any to any other, and iproute2 shows what the second one says and nothing of the first.

use nl_core::route::RouteProtocol;
use nl_srv6::encap::Seg6;
use nl_srv6::policy::{CandidatePath, GroupUse, Headend, Plan, Policy, PolicySet, SegmentList};
use nl_testkit::race::Dice;
use nl_testkit::{Lab, Node, Result, scaled};
use serde_json::Value;

use crate::commands::{addr, segments};
use crate::support::{shown, world};

const OURS: RouteProtocol = RouteProtocol(200);
const PAIRS: u32 = 150;
const PAIRS_AT_LEAST: u32 = 25;
const COLORS: u16 = 3;
const PREFIXES: u16 = 4;

fn is_one_of(dice: &mut Dice, sides: u16) -> bool {
    dice.roll(sides) == 0
}

/// A list that is known by its number of segments.
fn list(dice: &mut Dice, number: u16) -> SegmentList {
    let path = if number.is_multiple_of(2) {
        Seg6::encap_red(segments(number))
    } else {
        Seg6::encap(segments(number))
    };
    SegmentList::new(path).weight(1 + dice.roll(4_u16)).valid(!is_one_of(dice, 3))
}

fn candidate(dice: &mut Dice) -> CandidatePath {
    let mut path = CandidatePath::new(dice.roll(3_u16).into());
    let first = 1 + dice.roll(4_u16);
    for number in first..=first + dice.roll(3_u16) {
        path = path.list(list(dice, number));
    }
    path
}

fn policy(dice: &mut Dice, color: u16, free: &mut Vec<u16>) -> Policy {
    let mut policy = Policy::new(color.into(), addr("fcbb:0:d::")).path(candidate(dice));
    if is_one_of(dice, 2) {
        policy = policy.path(candidate(dice));
    }
    for _ in 0..dice.roll(3_u16) {
        if let Some(number) = free.pop() {
            let prefix = match number {
                0 => "10.2.0.0/24".to_owned(),
                number => format!("2001:db8:{number:x}::/48"),
            };
            policy = policy.prefix(prefix.parse().unwrap());
        }
    }
    if is_one_of(dice, 3) {
        policy = policy.binding_sid(format!("fcbb:0:a:{color:x}::/64").parse().unwrap());
    }
    if is_one_of(dice, 4) {
        policy = policy.resilient(*dice.pick(&[32, 64]));
    }
    if is_one_of(dice, 3) {
        policy = policy.drop_upon_invalid();
    }
    if is_one_of(dice, 3) && !policy.prefixes.is_empty() {
        policy = policy.mark(u32::from(color)).table(100 + u32::from(color));
    }
    policy
}

fn set(dice: &mut Dice) -> PolicySet {
    let dev = ["d0", "d1"][usize::from(dice.roll(5_u16) / 4)];
    let mut set = PolicySet::new(dev, 5000..=5199, OURS).rules_at(1000);
    // Shuffled, so that prefixes move from one policy to another.
    let mut free: Vec<u16> = (0..PREFIXES).collect();
    for last in (1..free.len()).rev() {
        let other = dice.roll(last + 1);
        free.swap(last, other);
    }
    for color in 1..=COLORS {
        if !is_one_of(dice, 3) {
            set = set.policy(policy(dice, color, &mut free));
        }
    }
    set
}

/// The numbers and weights of the lists that flows of a policy are to take; `None` for a blackhole.
fn share(policy: &Policy) -> Option<Vec<(usize, u64)>> {
    let valid = policy.active()?.lists.iter().filter(|list| list.is_valid);
    let mut share: Vec<_> = valid.map(|list| (list.path.segments().len(), list.weight.into())).collect();
    share.sort_unstable();
    Some(share)
}

/// The same of a group as iproute2 shows it.
fn shown_share(nexthops: &[Value], id: u64) -> Option<Vec<(usize, u64)>> {
    let find = |id: u64| nexthops.iter().find(|hop| hop["id"] == id).unwrap();
    let members = find(id)["group"].as_array().unwrap();
    let mut share = Vec::new();
    for member in members {
        let hop = find(member["id"].as_u64().unwrap());
        // iproute2 prints it without a value.
        if hop.get("blackhole").is_some() {
            return None;
        }
        // Nothing else of the nexthop is in this block of addresses.
        let segments = hop.to_string().matches("fcbb:0:").count();
        share.push((segments, member["weight"].as_u64().unwrap_or(1)));
    }
    share.sort_unstable();
    Some(share)
}

/// Whether the kernel has what the set says, as iproute2 shows it, and nothing more of it.
async fn is_as(node: &Node, set: &PolicySet, plan: &Plan, round: u32) {
    let nexthops = node.json("ip -j nexthop show").await.as_array().cloned().unwrap_or_default();
    let mut routes = 0;
    for policy in &set.policies {
        let has_group = policy.active().is_some() || policy.drops_upon_invalid;
        for prefix in &policy.prefixes {
            let found = shown(node, &prefix.to_string()).await;
            assert_eq!(
                found.len(),
                usize::from(has_group),
                "round {round}: {policy} to {prefix}: {found:#?}"
            );
            let Some(route) = found.first() else { continue };
            routes += 1;
            let table = route["table"].as_str().map_or(254, |table| table.parse().unwrap());
            assert_eq!(table, policy.table, "round {round}: {route:#}");
            let id = route["nhid"].as_u64().unwrap();
            let group = plan.groups().iter().find(|group| u64::from(group.id) == id).unwrap();
            assert_eq!(
                (group.color, group.usage),
                (policy.color, GroupUse::Steering),
                "round {round}: {plan}"
            );
            assert_eq!(shown_share(&nexthops, id), share(policy), "round {round}: {policy}");
        }
        let Some(sid) = policy.binding_sid else { continue };
        let found = shown(node, &sid.to_string()).await;
        assert_eq!(found.len(), usize::from(has_group), "round {round}: {policy} at {sid}: {found:#?}");
        routes += found.len();
    }
    let mut all = 0;
    for family in ["-4", "-6"] {
        let shown = node.json(&format!("ip -j {family} route show table all proto 200")).await;
        let is_way = |route: &&Value| route["type"] != "throw";
        all += shown.as_array().map_or(0, |routes| routes.iter().filter(is_way).count());
    }
    assert_eq!(all, routes, "round {round}: routes of no policy are left");
    let mut rules = 0;
    for family in ["-4", "-6"] {
        let shown = node.ip(&format!("{family} rule show")).await;
        rules += shown.lines().filter(|line| line.starts_with("1000:")).count();
    }
    let families = |policy: &Policy| {
        let has = |ipv4| policy.prefixes.iter().any(|prefix| prefix.addr().is_ipv4() == ipv4);
        usize::from(has(true)) + usize::from(has(false))
    };
    let marked = set.policies.iter().filter(|policy| policy.mark.is_some());
    assert_eq!(rules, marked.map(families).sum::<usize>(), "round {round}");
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 300)]
async fn random_sets_converge_from_any_to_any_other(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let headend = Headend::new(conn);
    let mut dice = Dice::new(u32::MAX);
    let mut changed = 0;
    for round in 0..scaled(PAIRS, PAIRS_AT_LEAST) {
        for set in [set(&mut dice), set(&mut dice)] {
            let plan = headend.apply(&set).await?;
            changed += plan.steps().len();
            is_as(&node, &set, &plan, round).await;
            let again = headend.apply(&set).await?;
            assert!(again.is_empty(), "round {round}: after\n{plan}there is still\n{again}");
        }
        // From nothing, every other time.
        if round % 2 == 1 {
            headend.remove(&PolicySet::new("d0", 5000..=5199, OURS).rules_at(1000)).await?;
            let left = node.json("ip -j nexthop show").await;
            assert_eq!(left.as_array().map_or(0, Vec::len), 0, "round {round}: {left:#}");
        }
    }
    assert!(changed > 100, "{changed} steps: the sets are too much alike");
    Ok(())
}

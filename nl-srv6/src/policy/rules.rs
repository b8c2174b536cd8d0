use std::collections::BTreeMap;

use nl_core::IpFamily;
use nl_core::rule::{Rule, RuleAction, RuleKey, RuleVerb};

use super::plan::Step;
use super::set::PolicySet;

/// The steps from the current rules of a set to those that lead packets with a mark to the tables of its policies.
pub(super) fn steps(set: &PolicySet, current: &[Rule]) -> Vec<Step> {
    let Some(priority) = set.rule_priority else { return Vec::new() };
    let mut desired = BTreeMap::new();
    for policy in &set.policies {
        let Some(mark) = policy.mark else { continue };
        for prefix in &policy.prefixes {
            let rule = Rule::new(IpFamily::of(&prefix.addr()))
                .priority(priority)
                .fwmark_masked(mark.value, mark.mask)
                .table(policy.table)
                .protocol(set.protocol.0);
            desired.insert(key(&rule), rule);
        }
    }
    let mut deletions = Vec::new();
    for rule in current.iter().filter(|rule| set.owns_rule(rule)) {
        // Of two that do the same one is removed.
        if desired.remove(&key(rule)).is_none() {
            deletions.push(Step::Rule(RuleVerb::Delete, Box::new(rule.clone())));
        }
    }
    let additions = desired.into_values().map(|rule| Step::Rule(RuleVerb::Add, Box::new(rule)));
    additions.chain(deletions).collect()
}

/// What two rules have in common that do the same, one of them as it was read.
fn key(rule: &Rule) -> RuleKey {
    let mut rule = rule.clone();
    if rule.action == RuleAction::Unspecified {
        rule.action = RuleAction::Table;
    }
    rule.other.clear();
    rule.key()
}

use std::collections::BTreeSet;

use nl_core::rule::{Rule, RuleWatch};
use nl_core::watch::Change;
use nl_testkit::{Lab, Node, Result};

use super::support::{compared, converge, field, shown, synced, texts, until};
use crate::support::route;

/// Until the watch has what a list has, and what iproute2 shows.
pub(super) async fn exact(watch: &mut RuleWatch, node: &Node) {
    converge(watch, async |watch| difference(watch, node).await).await;
}

async fn difference(watch: &RuleWatch, node: &Node) -> Option<String> {
    let mut fresh = RuleWatch::open(&route(node).await).await.unwrap();
    synced(&mut fresh).await;
    let listed = compared(&texts(watch.entries()), &texts(fresh.entries()), "listed");
    let mut ours: Vec<_> = watch.entries().map(|rule| rule.priority.unwrap_or(0).to_string()).collect();
    let mut theirs = Vec::new();
    for command in ["ip -j rule show", "ip -j -6 rule show"] {
        theirs.extend(shown(node, command).await.iter().map(|rule| field(rule, "priority")));
    }
    ours.sort();
    theirs.sort();
    listed.or((ours != theirs).then(|| format!("{ours:?} is {theirs:?}")))
}

fn is(rule: &Rule, priority: u32, table: u32) -> bool {
    (rule.priority, rule.table) == (Some(priority), Some(table))
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn watch_of_rules_follows_those_that_share_a_priority(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut watch = RuleWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    exact(&mut watch, &node).await;
    let before: BTreeSet<_> = texts(watch.entries());

    for table in [5000, 5001] {
        node.ip(&format!("rule add from 192.0.2.0/24 iif d0 pref 100 table {table}")).await;
        until(&mut watch, "a rule", |change| matches!(change, Change::Added(rule) if is(rule, 100, table)))
            .await;
    }
    node.ip("-6 rule add from 2001:db8::/32 fwmark 1/0xff pref 101 table 5002").await;
    until(
        &mut watch,
        "a rule of IPv6",
        |change| matches!(change, Change::Added(rule) if is(rule, 101, 5002)),
    )
    .await;
    // The rules' device comes and goes, which is no change of the rules.
    node.ip("link add d0 type bridge").await;
    exact(&mut watch, &node).await;
    node.ip("link del d0").await;
    for (rule, priority, table) in [("100 table 5000", 100, 5000), ("100 table 5001", 100, 5001)] {
        node.ip(&format!("rule del pref {rule}")).await;
        let is = |change: &Change<Rule>| matches!(change, Change::Deleted(rule) if is(rule, priority, table));
        until(&mut watch, rule, is).await;
    }
    node.ip("-6 rule del pref 101").await;
    until(&mut watch, "the end of it", |change| matches!(change, Change::Deleted(_))).await;
    assert_eq!(texts(watch.entries()), before);
    Ok(())
}

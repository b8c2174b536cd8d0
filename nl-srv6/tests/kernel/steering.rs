//! Steering by color: packets with a mark take a policy and others do not, and how often each list was chosen.

use nl_srv6::encap::Seg6;
use nl_srv6::policy::{GroupUse, Headend, Policy};
use nl_testkit::{Lab, Node, Result, assert_older_than};
use serde_json::Value;

use crate::commands::addr;
use crate::policy::{D1, D2, TO, TO_V4};
use crate::policy::{arrived, counters, learn_neighbours, path, send_flows, set, through, two_ways};
use crate::support::{Network, SOON, is_plain, network, open};

const TABLE: u32 = 100;
const MARK: u32 = 100;

/// The rules of both families that iproute2 shows at the priority of the set.
async fn rules(node: &Node) -> Vec<String> {
    let mut rules = Vec::new();
    for family in ["-4", "-6"] {
        let shown = node.ip(&format!("{family} rule show")).await;
        rules.extend(shown.lines().filter(|line| line.starts_with("1000:")).map(str::to_owned));
    }
    rules
}

/// The routes of both families that iproute2 shows in the table of the policy.
async fn in_table(node: &Node) -> Vec<Value> {
    let (mut routes, table) = (Vec::new(), TABLE.to_string());
    for family in ["-4", "-6"] {
        let shown = node.json(&format!("ip -j {family} route show table all")).await;
        let all = shown.as_array().cloned().unwrap_or_default();
        routes.extend(all.into_iter().filter(|route| route["table"] == *table));
    }
    routes
}

/// Sends three packets of a flow, and sees them arrive at the other customer.
async fn three_arrive(net: &Network, port: u16) -> Result {
    let mut capture = net.c2.capture("eth0").await?;
    net.send(&format!("[2001:db8:2::1]:{port}"), 3).await;
    for _ in 0..3 {
        capture.expect(is_plain, SOON).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", qdisc = "clsact", tool = "ip", tool = "tc"), timeout = 120)]
async fn packets_with_the_mark_take_the_policy_and_others_do_not(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let d = two_ways(&net).await?;
    // Without a policy packets go straight to the customer.
    for (node, router) in [(&net.a, "2001:db8:ab::b"), (&net.b, "2001:db8:bd::d")] {
        node.ip(&format!("-6 route add {TO} via {router}")).await;
    }
    let headend = Headend::new(open(&net.a).await?);
    let color = Policy::new(MARK, addr("fcbb:0:d::")).mark(MARK).table(TABLE);
    let color = color.path(path(200, [through(D1)])).path(path(100, [through(D2)]));
    let mut set = set("b").rules_at(1000).policy(color.prefix("::/0".parse()?).prefix(TO_V4.parse()?));
    headend.apply(&set).await?;
    assert!(headend.apply(&set).await?.is_empty());
    let rules_shown = rules(&net.a).await;
    assert_eq!(rules_shown.len(), 2, "{rules_shown:#?}");
    for word in ["from all", "fwmark 0x64 ", "lookup 100", "proto 200"] {
        assert!(rules_shown.iter().all(|rule| rule.contains(word)), "{word}: {rules_shown:#?}");
    }
    // Two ways into the policy, and a way past it for each first segment.
    let routes = in_table(&net.a).await;
    let thrown: Vec<_> = routes.iter().filter(|route| route["type"] == "throw").map(|r| &r["dst"]).collect();
    assert_eq!((routes.len(), thrown.len()), (4, 2), "{routes:#?}");
    for segment in [D1, D2] {
        assert!(thrown.iter().any(|dst| **dst == *segment), "{segment}: {routes:#?}");
    }

    three_arrive(&net, 5000).await?;
    assert_eq!((counters(&d, D1).await.packets, counters(&d, D2).await.packets), (0, 0));

    // Everything that comes from the customer gets the mark, and keeps it when it is encapsulated.
    net.a.tc("qdisc add dev c clsact").await;
    net.a.tc(&format!("filter add dev c ingress matchall action skbedit mark {MARK}")).await;
    three_arrive(&net, 5001).await?;
    assert_eq!(arrived(&d, 3).await, (3, 0));

    // A failover is one request here too.
    assert_eq!(set.set_valid(false, |list| *list == through(D1)), 1);
    assert_eq!(headend.apply(&set).await?.steps().len(), 1);
    three_arrive(&net, 5002).await?;
    assert_eq!(arrived(&d, 6).await, (3, 3));

    headend.remove(&set).await?;
    assert_eq!((rules(&net.a).await, in_table(&net.a).await), (vec![], vec![]));
    three_arrive(&net, 5003).await?;
    assert_eq!((counters(&d, D1).await.packets, counters(&d, D2).await.packets), (3, 3));
    Ok(())
}

/// Nothing of another program goes with the rules of the set.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn rules_of_other_programs_are_left(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let theirs =
        ["-6 rule add fwmark 7 pref 1000 table 100", "-6 rule add fwmark 8 pref 999 table 100 protocol 200"];
    for rule in theirs {
        net.a.ip(rule).await;
    }
    net.a.ip("-6 route add throw 2001:db8:7::7/128 table 100 proto static").await;
    let before = (net.a.ip("-6 rule show").await, in_table(&net.a).await);
    let headend = Headend::new(open(&net.a).await?);
    let color = Policy::new(MARK, addr("fcbb:0:d::")).mark(MARK).table(TABLE).prefix("::/0".parse()?);
    let set = set("b").rules_at(1000).policy(color.path(path(200, [through(D1)])));
    headend.apply(&set).await?;
    assert!(headend.apply(&set).await?.is_empty());
    assert_eq!(rules(&net.a).await.len(), 2);
    // A rule of the set that another program deletes is added by the next application.
    net.a.ip("-6 rule del fwmark 100 pref 1000 table 100").await;
    assert_eq!(headend.apply(&set).await?.steps().len(), 1);
    headend.remove(&set).await?;
    assert_eq!((net.a.ip("-6 rule show").await, in_table(&net.a).await), before);
    Ok(())
}

/// The kernel counts packets that it routed, not those that arrived.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 120)]
async fn selections_of_each_list_are_those_that_iproute2_shows(lab: Lab) -> Result {
    const FLOWS: u16 = 100;
    let net = network(&lab).await?;
    let d = two_ways(&net).await?;
    let headend = Headend::new(open(&net.a).await?);
    let policy = Policy::new(100, addr("fcbb:0:d::")).path(path(200, [through(D1), through(D2).weight(3)]));
    let set = set("b").policy(policy.prefix(TO.parse()?).binding_sid("fcbb:0:a:b100::".parse()?));
    match headend.selections(&set).await {
        Ok(selections) => assert_eq!(selections, [], "nothing was applied"),
        Err(error) => {
            assert!(error.is_unsupported(), "{error}");
            assert!(error.to_string().contains("counters of nexthop groups"), "{error}");
            assert_older_than(6_u32, 9_u32);
            return Ok(());
        }
    }
    headend.apply(&set).await?;
    learn_neighbours(&net).await?;
    send_flows(&net, 10_000, FLOWS).await;
    let (first, second) = arrived(&d, u64::from(FLOWS) + 1).await;
    let selections = headend.selections(&set).await?;
    let uses: Vec<_> = selections.iter().map(|of| (of.color, of.usage)).collect();
    assert_eq!(uses, [(100, GroupUse::Steering), (100, GroupUse::BindingSid)]);
    let steering = &selections[0];
    let lists: Vec<_> = steering.lists.iter().map(|list| (&*list.segments, list.weight)).collect();
    assert_eq!(lists, [(&[addr(D1)][..], 1), (&[addr(D2)][..], 3)]);
    // Each packet that took a list chose it.
    for (list, packets) in steering.lists.iter().zip([first, second]) {
        assert!(
            list.selections.is_some_and(|selections| selections >= packets),
            "{list:?}: {packets} packets"
        );
    }
    assert_eq!(selections[1].total(), 0, "no packet came to the binding SID: {selections:?}");

    let shown = net.a.json(&format!("ip -s -j nexthop show id {}", steering.id)).await;
    let Some(stats) = shown[0]["group_stats"].as_array() else {
        return Err(format!("no counters in {shown:#}").into());
    };
    assert_eq!(stats.len(), 2, "{shown:#}");
    for (list, shown) in steering.lists.iter().zip(stats) {
        assert_eq!(
            (shown["id"].as_u64(), shown["packets"].as_u64()),
            (Some(list.nexthop.into()), list.selections)
        );
    }
    // A group that is replaced starts again.
    let mut replaced = set.clone();
    replaced.policies[0].paths[0].lists[1].weight = 1;
    assert!(!headend.apply(&replaced).await?.is_empty());
    assert_eq!(headend.selections(&replaced).await?[0].total(), 0);
    Ok(())
}

/// A list by its segments.
fn through_segment(segment: &str) -> Seg6 {
    Seg6::encap([addr(segment)])
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn selections_without_privilege_are_read_and_errors_name_the_device(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let headend = Headend::new(open(&net.a).await?);
    let policy = Policy::new(1, addr("fcbb:0:d::")).path(path(1, [through_segment(D1).into()]));
    let of = |dev: &str| set(dev).policy(policy.clone().prefix(TO.parse().unwrap()));
    let error = headend.selections(&of("nodev")).await.unwrap_err();
    assert_eq!(error.to_string(), "read selections of policies dev nodev: No such device (ENODEV)");
    headend.apply(&of("b")).await?;
    let set = of("b");
    let read = net
        .a
        .unprivileged(move || async move {
            let conn = nl_core::Connection::open(nl_core::Protocol::Route).unwrap();
            match Headend::new(conn).selections(&set).await {
                Ok(selections) => Some(selections.len()),
                Err(error) => {
                    assert!(error.is_unsupported(), "{error}");
                    None
                }
            }
        })
        .await?;
    match read {
        Some(groups) => assert_eq!(groups, 1),
        None => assert_older_than(6_u32, 9_u32),
    }
    Ok(())
}

/// To the kernel, a rule of another protocol is another rule.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn same_rule_of_another_program_stays_beside_that_of_the_policy(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let theirs = "fwmark 100 pref 1000 table 100 protocol 99";
    net.a.ip(&format!("-6 rule add {theirs}")).await;
    let headend = Headend::new(open(&net.a).await?);
    let color = Policy::new(MARK, addr("fcbb:0:d::")).mark(MARK).table(TABLE).prefix("::/0".parse()?);
    let set = set("b").rules_at(1000).policy(color.path(path(200, [through(D1)])));
    headend.apply(&set).await?;
    assert!(headend.apply(&set).await?.is_empty());
    let protocols = async || {
        let shown = net.a.json("ip -6 -j rule show pref 1000").await;
        let rules = shown.as_array().cloned().unwrap_or_default();
        rules.iter().map(|rule| rule["protocol"].to_string()).collect::<Vec<_>>()
    };
    let with_ours = protocols().await;
    assert_eq!(with_ours.len(), 2, "{with_ours:?}");
    headend.remove(&set).await?;
    let without = protocols().await;
    assert_eq!(without.len(), 1, "{without:?}");
    net.a.ip(&format!("-6 rule del {theirs}")).await;
    assert!(protocols().await.is_empty());
    Ok(())
}

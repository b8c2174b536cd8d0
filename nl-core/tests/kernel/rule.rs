//! Routing policy rules on a real kernel, checked with iproute2.

use futures_util::TryStreamExt;
use nl_core::error::Errno;
use nl_core::message::{AF_INET, NLM_F_CREATE, NLM_F_REPLACE};
use nl_core::monitor::Monitor;
use nl_core::rule::{
    FibRuleHdr, RTM_NEWRULE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, Rule, RuleAction, RuleEntry, RuleEvent,
    RuleFlags, RuleVerb, Rules,
};
use nl_core::{IpFamily, Protocol, Request};
use nl_testkit::{Lab, Node, Result, scaled, within};
use serde_json::{Value, json};

use crate::support::{SOON, assert_unsupported, kernel, route};

async fn world(lab: &Lab) -> Result<(Node, Rules)> {
    let node = lab.node("a").await?;
    let rules = Rules::new(route(&node).await);
    Ok((node, rules))
}

/// What `ip -j rule` shows at a priority.
async fn shown(node: &Node, family: &str, priority: u32) -> Vec<Value> {
    let list = node.json(&format!("ip -j {family} rule show")).await;
    list.as_array().unwrap().iter().filter(|rule| rule["priority"] == priority).cloned().collect()
}

async fn read(rules: &Rules, priority: u32) -> Vec<Rule> {
    rules.entries().priority(priority).list().await.unwrap().collect_all().await.unwrap()
}

/// One rule in three forms: through the library, in the words of `ip rule add`, and as `ip -j rule` shows it.
struct Case {
    family: IpFamily,
    ours: fn(RuleEntry) -> RuleEntry,
    words: &'static str,
    shown: Value,
}

fn v4(ours: fn(RuleEntry) -> RuleEntry, words: &'static str, shown: Value) -> Case {
    Case { family: IpFamily::V4, ours, words, shown }
}

fn v6(ours: fn(RuleEntry) -> RuleEntry, words: &'static str, shown: Value) -> Case {
    Case { family: IpFamily::V6, ours, words, shown }
}

impl Case {
    async fn check(&self, node: &Node, rules: &Rules) {
        let Self { family, ours, words, shown: expected } = self;
        let option = if *family == IpFamily::V4 { "-4" } else { "-6" };
        let entry = || ours(rules.entry(*family)).priority(100);
        entry().add().await.unwrap();
        let by_us = shown(node, option, 100).await;
        assert_eq!(by_us.len(), 1, "{words}: {by_us:#?}");
        for (key, value) in expected.as_object().unwrap() {
            // Without /etc/protocols iproute2 has no name for it.
            let value = match by_us[0].get(key) {
                Some(Value::String(number)) if number == "ipproto-6" && value == "tcp" => &json!(number),
                _ => value,
            };
            assert_eq!(by_us[0].get(key), Some(value), "set by us: {words}: {by_us:#?}");
        }
        let ours = read(rules, 100).await;
        assert_eq!(ours.len(), 1, "{ours:?}");
        assert!(entry().add().await.unwrap_err().is_exists());

        // What was read, written back, is the same.
        entry().delete().await.unwrap();
        assert_eq!(shown(node, option, 100).await, [] as [Value; 0], "deleted by us: {words}");
        rules.connection().ack(ours[0].request(RuleVerb::Add)).await.unwrap();
        assert_eq!(read(rules, 100).await, ours, "{words}");
        rules.connection().ack(ours[0].request(RuleVerb::Delete)).await.unwrap();

        node.ip(&format!("{option} rule add {words} pref 100")).await;
        assert_eq!(read(rules, 100).await, ours, "set by iproute2: {words}");
        node.ip(&format!("{option} rule del {words} pref 100")).await;
        assert_eq!(read(rules, 100).await, [], "deleted by iproute2: {words}");
    }
}

#[nl_testkit::test(needs(tool = "ip", link = "bridge"))]
async fn every_selector_and_action_is_set_and_read(lab: Lab) -> Result {
    let (node, rules) = world(&lab).await?;
    node.add_link("d0", "bridge").await?;
    for case in [
        v4(|r| r.table(1000), "table 1000", json!({ "src": "all", "table": "1000" })),
        v4(|r| r, "from all", json!({ "table": "main" })),
        v4(
            |r| r.from("10.0.0.0/8".parse().unwrap()).to("192.0.2.0/24".parse().unwrap()).table(7),
            "from 10.0.0.0/8 to 192.0.2.0/24 table 7",
            json!({ "src": "10.0.0.0", "srclen": 8, "dst": "192.0.2.0", "dstlen": 24, "table": "7" }),
        ),
        v4(|r| r.not_().tos(0x10).table(7), "not tos 0x10 table 7", json!({ "not": null })),
        v4(
            |r| r.fwmark_masked(1, 0xff).table(7),
            "fwmark 1/0xff table 7",
            json!({ "fwmark": "0x1", "fwmask": "0xff" }),
        ),
        v4(|r| r.fwmark(7).table(7), "fwmark 7 table 7", json!({ "fwmark": "0x7" })),
        v4(
            |r| r.iif("d0").oif("gone").table(7),
            "iif d0 oif gone table 7",
            json!({ "iif": "d0", "oif": "gone", "oif_detached": null }),
        ),
        v4(|r| r.uid_range(0).table(7), "uidrange 0-0 table 7", json!({ "uid_start": 0, "uid_end": 0 })),
        v4(
            |r| r.ip_proto(6).sport(80).dport(1000..=2000).table(7),
            "ipproto 6 sport 80 dport 1000-2000 table 7",
            json!({ "ipproto": "tcp", "dport_start": 1000, "dport_end": 2000 }),
        ),
        v4(
            |r| r.suppress_prefixlength(0).suppress_ifgroup(5).table(7),
            "suppress_prefixlength 0 suppress_ifgroup 5 table 7",
            json!({ "suppress_prefixlen": 0 }),
        ),
        v4(|r| r.tun_id(7).table(7), "tun_id 7 table 7", json!({ "tun_id": 7 })),
        v4(|r| r.protocol(77).table(7), "protocol 77 table 7", json!({ "protocol": "77" })),
        v4(|r| r.blackhole(), "blackhole", json!({ "action": "blackhole" })),
        v4(|r| r.unreachable(), "unreachable", json!({ "action": "unreachable" })),
        v4(|r| r.prohibit(), "prohibit", json!({ "action": "prohibit" })),
        v4(|r| r.nop(), "nop", json!({ "nop": null })),
        v4(|r| r.goto(32766), "goto 32766", json!({ "goto": 32766 })),
        v4(|r| r.goto(40000), "goto 40000", json!({ "goto": 40000, "unresolved": null })),
        v6(
            |r| r.from("2001:db8::/32".parse().unwrap()).to("::/0".parse().unwrap()).table(256),
            "from 2001:db8::/32 table 256",
            json!({ "src": "2001:db8::", "srclen": 32, "table": "256" }),
        ),
        v6(|r| r.l3mdev(), "l3mdev", json!({ "l3mdev": null })),
        v6(|r| r.ip_proto(17).dport(53).prohibit(), "ipproto 17 dport 53 prohibit", json!({ "dport": 53 })),
    ] {
        case.check(&node, &rules).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn listing_equals_that_of_iproute2_and_filters_select(lab: Lab) -> Result {
    let (node, rules) = world(&lab).await?;
    for line in [
        "rule add pref 7 table 7 protocol 99",
        "-6 rule add pref 8 table 7",
        "rule add pref 9 iif d0 table 8",
    ] {
        node.ip(line).await;
    }
    for (family, option) in [(IpFamily::V4, "-4"), (IpFamily::V6, "-6")] {
        let ours: Vec<_> = rules.entries().family(family).list().await?.try_collect().await?;
        let theirs = node.json(&format!("ip -j {option} rule show")).await;
        let theirs: Vec<_> =
            theirs.as_array().unwrap().iter().map(|rule| rule["priority"].as_u64().unwrap()).collect();
        let priorities: Vec<_> = ours.iter().map(|rule| u64::from(rule.priority.unwrap())).collect();
        assert_eq!(priorities, theirs);
    }
    let both: Vec<Rule> = rules.entries().list().await?.try_collect().await?;
    assert!(both.iter().any(|rule| rule.family == AF_INET) && both.iter().any(|rule| rule.family != AF_INET));
    let chosen = async |entries: nl_core::rule::RuleEntries| {
        let rules: Vec<Rule> = entries.list().await.unwrap().try_collect().await.unwrap();
        rules.iter().map(|rule| rule.priority.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(chosen(rules.entries().protocol(99)).await, [7]);
    assert_eq!(chosen(rules.entries().table(7)).await, [7, 8]);
    assert_eq!(chosen(rules.entries().table(7).family(IpFamily::V6)).await, [8]);
    assert_eq!(chosen(rules.entries().iif("d0")).await, [9]);
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn flush_by_protocol_leaves_the_others(lab: Lab) -> Result {
    let (node, rules) = world(&lab).await?;
    for number in 1..=5 {
        rules.entry(IpFamily::V4).fwmark(number).priority(100).table(number).protocol(99).add().await?;
        rules.entry(IpFamily::V6).fwmark(number).priority(100).table(number).protocol(99).add().await?;
    }
    rules.entry(IpFamily::V4).priority(100).table(9).protocol(98).add().await?;
    assert_eq!(rules.entries().protocol(99).flush().await?, 10);
    assert_eq!(shown(&node, "-4", 100).await.len(), 1);
    assert_eq!(rules.entries().protocol(99).flush().await?, 0);
    assert_eq!(rules.entries().list().await?.collect_all().await?.len(), 6);
    let error = rules.entries().family(IpFamily::V4).flush().await.unwrap_err();
    assert!(
        error.is_usage() && error.to_string().starts_with("flush rules: a flush needs a protocol"),
        "{error}"
    );
    Ok(())
}

/// As the documentation of the module says.
#[nl_testkit::test(needs(tool = "ip"))]
async fn replace_flag_adds_a_rule_a_second_time(lab: Lab) -> Result {
    let (node, rules) = world(&lab).await?;
    let header = FibRuleHdr { family: AF_INET, table: 7, action: 1, ..FibRuleHdr::default() };
    for _ in 0..2 {
        let mut request =
            Request::unnamed(RTM_NEWRULE).with_flags(NLM_F_CREATE | NLM_F_REPLACE).with_header(&header);
        request.attrs().u32(6, 100);
        rules.connection().ack(request).await?;
    }
    assert_eq!(shown(&node, "-4", 100).await.len(), 2);
    Ok(())
}

/// As the documentation of the module says.
#[nl_testkit::test(needs(tool = "ip"))]
async fn deletion_hits_the_first_rule_that_has_what_was_given(lab: Lab) -> Result {
    let (_node, rules) = world(&lab).await?;
    rules.entry(IpFamily::V4).fwmark(1).table(7).priority(100).add().await?;
    rules.entry(IpFamily::V4).table(7).priority(100).add().await?;
    rules.entry(IpFamily::V4).table(7).priority(100).delete().await?;
    let left = read(&rules, 100).await;
    assert_eq!((left.len(), left[0].fwmark), (1, None), "{left:?}");
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn errors_name_the_operation_and_the_rule(lab: Lab) -> Result {
    let (_node, rules) = world(&lab).await?;
    let entry = || rules.entry(IpFamily::V4).from("10.0.0.0/8".parse().unwrap()).priority(100).table(1000);
    entry().add().await?;
    let error = entry().add().await.unwrap_err();
    let text = "add rule from 10.0.0.0/8 pref 100 table 1000: File exists (EEXIST)";
    assert!(error.is_exists() && error.to_string().starts_with(text), "{error}");
    let error = rules.entry(IpFamily::V6).priority(5).delete().await.unwrap_err();
    let text = "delete rule -6 from all pref 5: No such file or directory (ENOENT)";
    assert!(error.is_not_found() && error.to_string().starts_with(text), "{error}");
    let error = entry().table(0).add().await.unwrap_err();
    let text = "add rule from 10.0.0.0/8 pref 100: table 0; 1 to 4294967295 are possible";
    assert_eq!(error.to_string(), text);

    let generic = Rules::new(rules.connection().sibling(Protocol::Generic)?);
    let error = generic.entry(IpFamily::V4).priority(5).add().await.unwrap_err();
    assert!(error.to_string().ends_with("rules are on NETLINK_ROUTE, not NETLINK_GENERIC"), "{error}");
    assert!(generic.entries().list().await.is_err());
    Ok(())
}

/// A kernel that does not know a selector ignores it: the rule would be for all packets.
#[nl_testkit::test(needs(tool = "ip"))]
async fn newer_selectors_are_set_or_unsupported(lab: Lab) -> Result {
    let (node, rules) = world(&lab).await?;
    let entry = |family| rules.entry(family).priority(100).table(7);
    for (since, family, ours) in [
        ((6, 12), IpFamily::V4, (|r: RuleEntry| r.dscp(10)) as fn(RuleEntry) -> RuleEntry),
        ((6, 12), IpFamily::V6, |r| r.dscp(0)),
        ((6, 14), IpFamily::V6, |r| r.flowlabel(0x12345)),
        ((6, 14), IpFamily::V6, |r| r.flowlabel_masked(0x300, 0xf00)),
        ((6, 15), IpFamily::V4, |r| r.ip_proto(6).sport_masked(0x100, 0xff00).dport_masked(0x50, 0xfff0)),
        ((6, 15), IpFamily::V4, |r| r.dscp_masked(0x20, 0x38)),
    ] {
        let outcome = ours(entry(family)).add().await;
        if kernel() >= since {
            outcome?;
            let list = read(&rules, 100).await;
            assert_eq!(list.len(), 1);
            // What was said is what was kept: the words of one are those of the other.
            let said = ours(entry(family));
            assert!(said.add().await.unwrap_err().is_exists());
            rules.connection().ack(list[0].request(RuleVerb::Delete)).await?;
            rules.connection().ack(list[0].request(RuleVerb::Add)).await?;
            assert_eq!(read(&rules, 100).await, list);
            ours(entry(family)).delete().await?;
        } else {
            let error = outcome.unwrap_err();
            assert_unsupported(&error);
            assert!(error.to_string().starts_with("add rule "), "{error}");
            assert_unsupported(&ours(entry(family)).delete().await.unwrap_err());
        }
        assert_eq!(shown(&node, "-4", 100).await.len() + shown(&node, "-6", 100).await.len(), 0);
    }
    // The question itself changes nothing.
    assert_eq!(rules.entries().list().await?.collect_all().await?.len(), 5);
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip", link = "bridge"))]
async fn flags_report_missing_devices_and_rules(lab: Lab) -> Result {
    let (node, rules) = world(&lab).await?;
    rules.entry(IpFamily::V4).iif("d0").goto(500).priority(100).add().await?;
    let before = read(&rules, 100).await.remove(0);
    assert_eq!(before.flags, RuleFlags::IIF_DETACHED | RuleFlags::UNRESOLVED);
    node.add_link("d0", "bridge").await?;
    rules.entry(IpFamily::V4).nop().priority(500).add().await?;
    let after = read(&rules, 100).await.remove(0);
    assert_eq!((after.flags, after.action), (RuleFlags::empty(), RuleAction::Goto));
    assert_eq!(after.key(), before.key());
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn events_report_new_and_deleted_rules(lab: Lab) -> Result {
    let (node, rules) = world(&lab).await?;
    let builder = rules.connection().monitor().group(RTNLGRP_IPV4_RULE).group(RTNLGRP_IPV6_RULE);
    let mut events: Monitor<RuleEvent> = node.open(move || builder.open(RuleEvent::decode)).await?;
    node.ip("rule add pref 7 table 1000").await;
    node.ip("rule del pref 7").await;
    node.ip("-6 rule add pref 8 blackhole").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(match within(SOON, events.try_next(), "an event").await?.unwrap() {
            RuleEvent::New(rule) => format!("new {rule}"),
            RuleEvent::Deleted(rule) => format!("deleted {rule}"),
            other => panic!("{other:?}"),
        });
    }
    let expected = [
        "new from all pref 7 table 1000",
        "deleted from all pref 7 table 1000",
        "new -6 from all pref 8 blackhole",
    ];
    assert_eq!(seen, expected);
    Ok(())
}

/// The kernel looks through all rules at each addition, so this many take seconds.
#[nl_testkit::test(needs(tool = "ip"), timeout = 240)]
async fn ten_thousand_rules_are_added_listed_and_flushed(lab: Lab) -> Result {
    let (_node, rules) = world(&lab).await?;
    let count = scaled(10_000, 500);
    let changes = (1..=count).map(|number| {
        (
            RuleVerb::Add,
            Rule::new(IpFamily::V4).fwmark(number).table(number).priority(100 + number).protocol(99),
        )
    });
    assert_eq!(rules.batch(changes).summarize(1).await?.into_result()?, u64::from(count));
    let mut listed = rules.entries().protocol(99).list().await?;
    let mut read = 0;
    while let Some(rule) = listed.try_next().await? {
        read += 1;
        assert_eq!(rule.table, rule.fwmark);
    }
    assert_eq!(read, count);
    assert_eq!(rules.entries().protocol(99).flush().await?, u64::from(count));
    let error = rules.entry(IpFamily::V4).fwmark(1).delete().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOENT));
    Ok(())
}

//! The interpreter of tc-testing cases, with cases of our own: one for each way in which a case can end.

use nl_testkit::{Lab, Node, Result};
use nl_testkit_tdc::{self as tdc, Case, Command, Ran, Verdict};

nl_testkit::main!();

#[nl_testkit::test(needs(tool = "tc", qdisc = "htb", link = "veth"), timeout = 60)]
async fn cases_end_as_they_should_with_the_real_tc(lab: Lab) -> Result {
    let node = lab.node("tcut").await?;
    let table = tdc::run(&node, &cases()?, tdc::with_tc).await?;
    let verdicts: Vec<(&str, &str)> = table
        .rows
        .iter()
        .map(|row| match &row.verdict {
            Verdict::Passed => (row.id.as_str(), "passed"),
            Verdict::Failed(reason) | Verdict::NotApplicable(reason) => (row.id.as_str(), reason.as_str()),
            _ => (row.id.as_str(), "?"),
        })
        .collect();
    for (at, (id, start)) in [
        ("a001", "passed"),
        ("a002", "passed"),
        ("a003", "passed"),
        ("b001", "`tc qdisc add dev dummy1 handle 1: root htb` ended with 0, not 2"),
        ("b002", "`tc qdisc show dev dummy1` shows 1 times, not 2: qdisc htb 1:"),
        ("b003", "what comes after fails: `tc qdisc del dev dummy1 root` ended with exit status: 2"),
        ("c001", "what comes before fails: `tc qdisc del dev v0p1 root` ended with exit status: 2"),
        ("c002", "it needs the plugin buildebpfPlugin"),
        ("c003", "the pattern: "),
        ("e001", "passed"),
        ("e002", "`tc -j qdisc show dev dummy1`: \"htb\" is shown where \"hfsc\" is expected"),
    ]
    .into_iter()
    .enumerate()
    {
        let (seen, verdict) = verdicts[at];
        assert!(seen == id && verdict.starts_with(start), "{id} should be: {start}\n{table}");
    }
    assert_eq!((table.passed(), table.failed(), table.not_applicable()), (4, 4, 3));
    // Nothing is left over.
    assert_eq!(node.links().await?, ["lo"]);
    Ok(())
}

#[nl_testkit::test(needs(tool = "tc", qdisc = "hfsc", qdisc = "drr", qdisc = "qfq", qdisc = "ets"))]
async fn cases_of_every_classful_kind_end_as_they_say(lab: Lab) -> Result {
    let node = lab.node("tcut").await?;
    let table = tdc::run(&node, &Case::parse(include_str!("kinds.json"))?, tdc::with_tc).await?;
    assert_eq!(table.passed(), 4, "{table}");
    Ok(())
}

#[nl_testkit::test(needs(tool = "tc", qdisc = "htb", link = "veth"))]
async fn a_library_is_handed_the_words_of_tc(lab: Lab) -> Result {
    let node = lab.node("tcut").await?;
    let cases: Vec<Case> = cases()?.into_iter().filter(|case| case.id.starts_with('a')).collect();
    // It can do nothing but add an htb qdisc, with the real program's help.
    let table = tdc::run(&node, &cases, async |node: Node, command: Command| match command.tc().as_deref() {
        Some(["qdisc", "add", "dev", "dummy1", .., "root", "htb"]) => {
            tdc::with_tc(node, command.clone()).await
        }
        Some(["class", ..]) => Ran::Refused("no such parent".to_owned()),
        _ => Ran::NotApplicable("no such command".to_owned()),
    })
    .await?;
    let verdicts: Vec<_> = table.rows.into_iter().map(|row| row.verdict).collect();
    let no = Verdict::NotApplicable("no such command".to_owned());
    assert_eq!(verdicts, [Verdict::Passed, Verdict::Passed, no]);
    Ok(())
}

#[nl_testkit::test(needs(tool = "tc", qdisc = "htb", link = "veth"))]
async fn a_library_may_be_handed_the_commands_before_too(lab: Lab) -> Result {
    let node = lab.node("tcut").await?;
    let cases: Vec<Case> =
        cases()?.into_iter().filter(|case| ["a003", "b001", "b003"].contains(&case.id.as_str())).collect();
    let table =
        tdc::run_whole(&node, &cases, async |node: Node, command: Command| match command.tc().as_deref() {
            // The step of a003 that may end with 0 or 2.
            Some(["qdisc", "del", "dev", "v0p1", "root"]) => Ran::Refused("there is none".to_owned()),
            Some(["qdisc", "add", "dev", "dummy1", ..]) if command.line.ends_with("1: root htb") => {
                tdc::with_tc(node, command.clone()).await
            }
            _ => Ran::NotApplicable("no such command".to_owned()),
        })
        .await?;
    let handed: Vec<(usize, bool)> =
        table.rows.iter().map(|row| (row.handed, row.verdict == Verdict::Passed)).collect();
    assert_eq!(handed, [(1, true), (1, false), (1, false)], "{table}");
    // What may not fail is not passed over.
    let refuse = async |_: Node, _: Command| Ran::Refused("no".to_owned());
    let table = tdc::run_whole(&node, &cases[2..], refuse).await?;
    let before = "what comes before fails: `tc qdisc add dev dummy1 handle 1: root htb` was refused: no";
    assert_eq!(table.rows[0].verdict, Verdict::Failed(before.to_owned()));
    Ok(())
}

#[nl_testkit::test(needs(tool = "tc", qdisc = "htb", link = "veth"), timeout = 60)]
async fn what_fails_with_the_real_tc_too_is_listed_apart(lab: Lab) -> Result {
    let node = lab.node("tcut").await?;
    let cases: Vec<Case> =
        cases()?.into_iter().filter(|case| ["a001", "b002", "c003"].contains(&case.id.as_str())).collect();
    let mut table =
        tdc::run(&node, &cases, async |_: Node, _: Command| Ran::Refused("no".to_owned())).await?;
    // The pattern of the last is not understood, whoever runs it.
    assert!(matches!(table.rows[2].verdict, Verdict::NotApplicable(_)), "{table}");
    assert_eq!((table.failed(), table.lane_fails()), (2, 0), "{table}");
    tdc::control(&node, &cases, &mut table).await?;
    assert_eq!((table.failed(), table.lane_fails()), (1, 1), "{table}");
    assert!(
        matches!(&table.rows[1].verdict, Verdict::LaneFails(why) if why.contains("shows 1 times, not 2"))
    );
    Ok(())
}

#[nl_testkit::test(needs(tool = "tc", link = "veth"))]
async fn packets_of_a_case_are_sent_and_counted(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("tcut").await?;
    let case = |count: usize| {
        let text = format!(
            r#"[{{"id": "f001", "name": "sent", "category": [], "plugins": {{"requires": ["nsPlugin", "scapyPlugin"]}},
            "setup": ["$TC qdisc add dev $DEV0 root pfifo limit 10"],
            "scapy": {{"iface": "$DEV0", "count": 3, "packet": "Ether()/IP(dst='10.0.0.1', src='10.0.0.2')/ICMP()"}},
            "cmdUnderTest": "$TC qdisc show dev $DEV0", "expExitCode": "0",
            "verifyCmd": "$TC -s qdisc show dev $DEV0", "matchPattern": "Sent {} bytes {count} pkt", "matchCount": "1",
            "teardown": []}}]"#,
            count * 42
        );
        Case::parse(&text)
    };
    for (count, passed) in [(3, 1), (4, 0)] {
        let table = tdc::run(&node, &case(count)?, tdc::with_tc).await?;
        assert_eq!(table.passed(), passed, "{table}");
    }
    Ok(())
}

/// Only the initial user namespace adds actions. A case that expects a refusal would pass for that reason.
#[nl_testkit::test(needs(vm, tool = "tc", link = "veth"), timeout = 60)]
async fn a_refusal_for_want_of_privilege_fails_a_case(lab: Lab) -> Result {
    let node = lab.node("tcut").await?;
    let case = |setup: &str, command: &str| {
        let text = format!(
            r#"[{{"id": "f002", "name": "refused", "category": [], "plugins": {{"requires": "nsPlugin"}}, "setup": [{setup}],
            "cmdUnderTest": "{command}", "expExitCode": "255", "verifyCmd": "$TC qdisc show dev $DEV1",
            "matchPattern": "x", "matchCount": "0", "teardown": []}}]"#
        );
        Case::parse(&text)
    };
    let add = "$TC actions add action pass index 9";
    let flush = r#"["$TC actions flush action gact", 0, 1, 255]"#;
    for (setup, command, refused) in
        [("", add, "tc actions add action pass index 9"), (flush, "false", "tc actions flush action gact")]
    {
        let cases = case(setup, command)?;
        let mut table = tdc::run(&node, &cases, tdc::with_tc).await?;
        tdc::control(&node, &cases, &mut table).await?;
        let begin = format!("refused for want of privilege: `{refused}`");
        assert!(
            matches!(&table.rows[0].verdict, Verdict::Failed(why) if why.starts_with(&begin)),
            "{begin}\n{table}"
        );
    }
    // Said by a library.
    let refuse = async |_: Node, _: Command| Ran::Refused("Operation not permitted (EPERM)".to_owned());
    let table = tdc::run(&node, &case("", add)?, refuse).await?;
    assert_eq!((table.failed(), table.passed()), (1, 0), "{table}");
    Ok(())
}

/// What the real root is refused is an answer: an action that a filter uses cannot be deleted.
#[nl_testkit::test(needs(vm, host_root, tool = "tc", link = "veth", qdisc = "ingress"), timeout = 60)]
async fn a_refusal_of_real_root_is_an_answer(lab: Lab) -> Result {
    let node = lab.node("tcut").await?;
    let cases = Case::parse(
        r#"[{"id": "f003", "name": "used", "category": [], "plugins": {"requires": "nsPlugin"},
        "setup": ["$TC qdisc add dev $DEV1 ingress", "$TC actions add action pass index 9",
        "$TC filter add dev $DEV1 ingress protocol all prio 1 matchall action gact index 9"],
        "cmdUnderTest": "$TC actions flush action gact", "expExitCode": "1", "verifyCmd": "$TC actions ls action gact",
        "matchPattern": "index 9 ref", "matchCount": "1", "teardown": []}]"#,
    )?;
    let table = tdc::run(&node, &cases, tdc::with_tc).await?;
    assert_eq!(table.passed(), 1, "{table}");
    Ok(())
}

/// A simulated card with four queues is played by a veth.
#[nl_testkit::test(needs(tool = "tc", link = "veth"), timeout = 60)]
async fn a_case_of_a_simulated_card_has_its_queues(lab: Lab) -> Result {
    let node = lab.node("tcut").await?;
    let cases = Case::parse(
        r#"[{"id": "f004", "name": "queues", "category": [], "plugins": {"requires": "nsPlugin"},
        "setup": ["echo \"1 1 4\" > /sys/bus/netdevsim/new_device"],
        "cmdUnderTest": "$TC qdisc add dev $ETH root handle 1: mq", "expExitCode": "0",
        "verifyCmd": "$TC class show dev $ETH", "matchPattern": "class mq 1:[1-4] root", "matchCount": "4",
        "teardown": ["echo \"1\" > /sys/bus/netdevsim/del_device"]}]"#,
    )?;
    let table = tdc::run(&node, &cases, tdc::with_tc).await?;
    assert_eq!(table.passed(), 1, "{table}");
    assert_eq!(node.links().await?, ["lo"]);
    Ok(())
}

#[cfg(test)]
fn cases() -> Result<Vec<Case>> {
    Case::parse(include_str!("cases.json"))
}

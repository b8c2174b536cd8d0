//! The interpreter of tc-testing cases, with cases of our own: one for each way in which a case can end.

use nl_testkit::tdc::{self, Case, Command, Ran, Verdict};
use nl_testkit::{Lab, Node, Result};

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
        ("b002", "`sh -c tc qdisc show dev dummy1` shows 1 times, not 2: qdisc htb 1:"),
        ("b003", "what comes after fails: `sh -c tc qdisc del dev dummy1 root` ended with exit status: 2"),
        ("c001", "what comes before fails: `sh -c tc qdisc del dev v0p1 root` ended with exit status: 2"),
        ("c002", "it needs the plugin buildebpfPlugin"),
        ("c003", "the pattern: "),
        ("e001", "passed"),
        ("e002", "`sh -c tc -j qdisc show dev dummy1`: \"htb\" is shown where \"hfsc\" is expected"),
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
    let table = tdc::run(&node, &Case::parse(include_str!("tdc_kinds.json"))?, tdc::with_tc).await?;
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

#[cfg(test)]
fn cases() -> Result<Vec<Case>> {
    Case::parse(include_str!("tdc.json"))
}

//! The kernel's own test cases of traffic control (`tools/testing/selftests/tc-testing`), with this crate in place of `tc`.
//!
//! The real `tc` runs the commands before and after the command under test, and shows the outcome. If the crate does not have the
//! command under test, such as `ping`, the crate runs the commands before it. [`expected`] has the expected results, and
//! `README.md` the actual ones.

mod actions;
mod clock;
mod command;
mod expected;
mod filters;
mod kinds;
mod later;
mod leaves;
mod words;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;

use futures_util::future::try_join_all;
use nl_tc::Tc;
use nl_testkit::{Lab, Need, Node, Result};
use nl_testkit_tdc::{self as tdc, Case, Table, Verdict};

use self::clock::Clock;
use self::command::carry_out;
use self::expected::{Expected, Outcome};
use super::support::open;

macro_rules! files {
    ($($name:ident $file:literal $seconds:literal $($need:ident $(= $what:literal)?),+;)+) => {$(
        #[nl_testkit::test(
            needs(cached = "tdc", tool = "tc", link = "veth", $($need $(= $what)?),+),
            timeout = $seconds
        )]
        async fn $name(lab: Lab) -> Result {
            try_file(&lab, $file, $seconds).await
        }
    )+};
}

files! {
    cases_of_drr "qdiscs/drr.json" 60 qdisc = "drr";
    cases_of_ets "qdiscs/ets.json" 120 qdisc = "ets";
    cases_of_hfsc "qdiscs/hfsc.json" 60 qdisc = "hfsc";
    cases_of_htb "qdiscs/htb.json" 60 qdisc = "htb";
    cases_of_qfq "qdiscs/qfq.json" 60 qdisc = "qfq";
    // Each of these once crashed a kernel. They run only in dedicated machines.
    cases_of_qdiscs_together "infra/qdiscs.json" 120 vm, tool = "ping", link = "dummy", link = "ifb",
        qdisc = "drr", qdisc = "ets", qdisc = "hfsc", qdisc = "htb", qdisc = "netem", qdisc = "qfq", qdisc = "tbf";
    cases_of_cake "qdiscs/cake.json" 120 qdisc = "cake";
    cases_of_cake_mq "qdiscs/cake_mq.json" 120 vm, kernel = "7";
    cases_of_cbs "qdiscs/cbs.json" 60 qdisc = "cbs";
    cases_of_codel "qdiscs/codel.json" 60 qdisc = "codel";
    cases_of_etf "qdiscs/etf.json" 60 qdisc = "etf";
    cases_of_fifo "qdiscs/fifo.json" 60 link = "dummy";
    cases_of_fq "qdiscs/fq.json" 120 qdisc = "fq";
    cases_of_fq_codel "qdiscs/fq_codel.json" 120 qdisc = "fq_codel";
    cases_of_fq_pie "qdiscs/fq_pie.json" 60 qdisc = "fq_pie";
    cases_of_ingress "qdiscs/ingress.json" 60 qdisc = "ingress";
    cases_of_mq "qdiscs/mq.json" 60 vm;
    cases_of_mqprio "qdiscs/mqprio.json" 60 vm;
    cases_of_netem "qdiscs/netem.json" 120 qdisc = "netem", netem_distribution = "normal";
    cases_of_pie "qdiscs/pie.json" 60 qdisc = "pie";
    cases_of_prio "qdiscs/prio.json" 120 qdisc = "prio";
    cases_of_red "qdiscs/red.json" 120 qdisc = "red";
    cases_of_sfq "qdiscs/sfq.json" 60 qdisc = "sfq";
    cases_of_taprio "qdiscs/taprio.json" 120 vm;
    cases_of_tbf "qdiscs/tbf.json" 60 qdisc = "tbf";
    // The kernel lets only the initial user namespace add and delete actions by themselves.
    cases_of_action_connmark "actions/connmark.json" 120 vm, host_root;
    cases_of_action_ctinfo "actions/ctinfo.json" 120 vm, host_root;
    cases_of_action_gact "actions/gact.json" 180 vm, host_root;
    cases_of_action_mirred "actions/mirred.json" 240 vm, host_root;
    cases_of_action_police "actions/police.json" 240 vm, host_root;
    cases_of_action_skbedit "actions/skbedit.json" 240 vm, host_root;
    cases_of_actions_together "infra/actions.json" 180 vm, host_root;
    cases_of_filter_flower "filters/flower.json" 120 vm, host_root;
    cases_of_filter_fw "filters/fw.json" 300 vm, host_root;
    cases_of_filter_matchall "filters/matchall.json" 180 vm, host_root;
    cases_of_filter_u32 "filters/u32.json" 120 vm, host_root;
    cases_of_filters_together "infra/filter.json" 60 vm;
}

/// The number of cases that run at once, each in a namespace: many only wait for a `ping` without an answer.
const AT_ONCE: usize = 8;

#[cfg(test)]
async fn try_file(lab: &Lab, file: &str, seconds: u64) -> Result {
    let Done { table, lane, late } = run_file(lab, file, seconds).await?;
    let wrong = compare(&table, &lane) + &late;
    assert!(wrong.is_empty(), "{file}, {}:\n{wrong}", lane.about);
    Ok(())
}

/// What came of a file.
#[derive(Debug)]
struct Done {
    table: Table,
    lane: Lane,
    /// The cases that did not end or did not begin, as text.
    late: String,
}

#[cfg(test)]
async fn run_file(lab: &Lab, file: &str, seconds: u64) -> Result<Done> {
    let mut cases = tdc::cached(file)?.ok_or_else(|| format!("{file} is not in the cache"))?;
    lab.quiet();
    let aside = lab.node("lane").await?;
    let lane = Lane::this(&aside).await?;
    eprintln!("{file}, {}:", lane.about);
    for case in &mut cases {
        case.skip = case.skip.take().or_else(|| expected::brings_down(&case.id, lane.number));
    }
    let clock = Clock::new(seconds);
    let left = RefCell::new(cases.into_iter().enumerate());
    let workers = (0..AT_ONCE.min(left.borrow().len())).map(async |number| -> Result<Vec<_>> {
        let node = lab.node(&format!("tcut{number}")).await?;
        let tc = open(&node).await?;
        let mut done = Vec::new();
        while let Some((place, case)) = next(&left) {
            // The node of a case that did not end is not used again.
            let Some(table) = clock.run(&case.id, try_case(&node, &tc, &case)).await else { break };
            let table = table?;
            eprint!("{}", table.rows.iter().map(ToString::to_string).collect::<String>());
            done.push((place, table.rows));
        }
        Ok(done)
    });
    let mut done = try_join_all(workers).await?.concat();
    done.sort_by_key(|(place, _)| *place);
    let mut table = Table::default();
    table.rows.extend(done.into_iter().flat_map(|(_, rows)| rows));
    eprintln!("{file}, {}: {}", lane.about, table.summary());
    eprintln!("{file} took: {}", clock.took());
    let mut late = clock.late();
    let not_begun = left.into_inner().map(|(_, case)| case.id).collect::<Vec<_>>().join(" ");
    if !not_begun.is_empty() {
        late += &format!("not begun: {not_begun}\n");
    }
    if !late.is_empty() {
        // At once: if the kernel is stuck, taking the test down may not end either.
        eprintln!("{file}, {}:\n{late}", lane.about);
        eprintln!("{}", aside.command(["sh", "-c", "dmesg | tail -n 60"]).await);
    }
    Ok(Done { table, lane, late })
}

/// The next item of a shared iterator.
fn next<I: Iterator>(left: &RefCell<I>) -> Option<I::Item> {
    left.borrow_mut().next()
}

#[cfg(test)]
async fn try_case(node: &Node, tc: &Tc, case: &Case) -> Result<Table> {
    let one = std::slice::from_ref(case);
    let mut table = match is_change(case) {
        true => tdc::run(node, one, |_, command| carry_out(tc, command)).await?,
        false => Table::default(),
    };
    // If the crate cannot run the command under test, only the commands before it are used.
    if table.rows.len() == table.not_applicable() {
        table = tdc::run_whole(node, one, |_, command| carry_out(tc, command)).await?;
    }
    for row in &mut table.rows {
        if let Verdict::Failed(reason) = &row.verdict
            && expected::is_declined(&row.id, reason)
        {
            row.verdict = Verdict::NotApplicable(format!("nl-tc does not do this: {reason}"));
        }
    }
    tdc::control(node, one, &mut table).await?;
    Ok(table)
}

/// Whether the command under test is `tc` changing something.
#[cfg(test)]
fn is_change(case: &Case) -> bool {
    let mut words = case.command.split_whitespace();
    let verbs = ["add", "change", "del", "delete", "flush", "replace"];
    words.next() == Some("$TC") && words.nth(1).is_some_and(|verb| verbs.contains(&verb))
}

/// Where the cases run.
#[derive(Debug)]
struct Lane {
    about: String,
    /// The kernel with known results; `None` for any other kernel.
    number: Option<&'static str>,
}

impl Lane {
    #[cfg(test)]
    async fn this(node: &Node) -> Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let version = node.command(["tc", "-V"]).await.ok();
        let number = KERNELS.iter().copied().find(|number| release.starts_with(&format!("{number}.")));
        Ok(Self {
            about: format!("Linux {}, {}", release.trim(), version.trim()),
            number: number.filter(|_| Need::Vm.probe().is_ok()),
        })
    }
}

const KERNELS: &[&str] = &["6.1", "6.12", "7"];

/// The unexpected results as text, and as lines for the tables of expected results.
fn compare(table: &Table, lane: &Lane) -> String {
    let (mut wrong, mut measured) = (String::new(), String::new());
    for row in &table.rows {
        let (outcome, reason) = match &row.verdict {
            Verdict::Passed => (Outcome::Passes, ""),
            Verdict::NotApplicable(reason) => (Outcome::NotApplicable, reason.as_str()),
            Verdict::LaneFails(reason) => (Outcome::FailsWithTc, reason.as_str()),
            Verdict::Failed(reason) => {
                let _ = writeln!(wrong, "{} failed: {reason}", row.id);
                continue;
            }
            _ => continue,
        };
        let Some(kernel) = lane.number else { continue };
        let Expected { outcome: desired, reason: why } = expected::of(&row.id, kernel);
        if outcome != desired || !reason.contains(why) {
            let _ =
                writeln!(wrong, "{}: {outcome:?} ({reason}), where {desired:?} ({why}) is expected", row.id);
            measured += &expected::line(&row.id, kernel, outcome, reason);
        }
    }
    if !measured.is_empty() {
        let _ = write!(wrong, "what was measured, for `EXCEPTIONS` in expected.rs:\n{measured}");
    }
    wrong
}

//! Running cases in a node.

use std::{collections::BTreeSet, fmt};

use nl_testkit::{Need, Node, Output, Result};
use regex_lite::{Regex, RegexBuilder};

use crate::{
    case::{Case, Command, Step, missing, replace},
    machine::{played, prepare, shell, variable},
    packet::frame,
    privilege,
};

/// How a command of a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ran {
    /// With this exit code, as `tc` has it, and this output.
    Exit(i32, String),
    /// It cannot be said in terms of the library, for this reason.
    NotApplicable(String),
    /// The library or the kernel refused it; any exit code but 0 is right then.
    Refused(String),
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It did not come out as the case says.
    Failed(String),
    /// It does not come out as the case says with the real `tc` either: so ended both.
    LaneFails(String),
    /// It could not be tried.
    NotApplicable(String),
    /// It came out as the case says.
    Passed,
}

/// A case and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The number of the case.
    pub id: String,
    /// What it is about.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
    /// How many of its commands the function ran.
    pub handed: usize,
    /// Why the function refused the command under test.
    pub refusal: Option<String>,
}

/// What became of all cases; prints as a table with the reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// In the order of the cases.
    pub rows: Vec<Row>,
}

impl Table {
    /// How many came out as they say.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict == Verdict::Passed).count()
    }

    /// How many did not.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.verdict, Verdict::Failed(_))).count()
    }

    /// How many do not with the real `tc` either.
    #[must_use]
    pub fn lane_fails(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.verdict, Verdict::LaneFails(_))).count()
    }

    /// How many of each.
    #[must_use]
    pub fn summary(&self) -> String {
        let too = match self.lane_fails() {
            0 => String::new(),
            fails => format!("{fails} failed with tc too, "),
        };
        format!(
            "{} passed, {} failed, {too}{} not applicable",
            self.passed(),
            self.failed(),
            self.not_applicable()
        )
    }

    /// How many could not be tried.
    #[must_use]
    pub fn not_applicable(&self) -> usize {
        self.rows.len() - self.passed() - self.failed() - self.lane_fails()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, reason) = match &self.verdict {
            Verdict::Failed(reason) => ("FAILED", reason.as_str()),
            Verdict::LaneFails(reason) => ("lane", reason.as_str()),
            Verdict::NotApplicable(reason) => ("n/a", reason.as_str()),
            Verdict::Passed => ("passed", self.refusal.as_deref().unwrap_or_default()),
        };
        writeln!(f, "{}  {word:<6}  {}", self.id, self.name)?;
        for line in reason.lines() {
            writeln!(f, "              {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            row.fmt(f)?;
        }
        writeln!(f, "{}", self.summary())
    }
}

/// Runs cases one after the other in a node that has nothing else in it; `command` runs each command under test.
///
/// Each case begins with a veth pair (`$DEV0`, `$DEV1`) and a dummy device (`$DUMMY`), all up, and nothing else. Where the
/// kernel has no dummy devices a veth plays its part. A case is not applicable when it asks for a plugin, a program or a qdisc
/// that is not there, or when what comes before the command under test fails. A simulated network card with several queues
/// (netdevsim) is a veth with as many, and the second device of the kernel's runner (`$DEV2`) is a veth too.
///
/// A case that is refused for want of privilege has failed, whoever ran it: what every program is refused shows nothing.
///
/// # Errors
///
/// When the node cannot be prepared.
pub async fn run<F, Fut>(node: &Node, cases: &[Case], command: F) -> Result<Table>
where
    F: FnMut(Node, Command) -> Fut,
    Fut: Future<Output = Ran>,
{
    Runner { command, whole: false }.run(node, cases).await
}

/// The same, but `command` is given the commands that prepare a case too. Those that are not applicable to it run in a shell;
/// a case is not applicable when all are. For cases whose command under test is about something else, such as `ping`.
///
/// # Errors
///
/// When the node cannot be prepared.
pub async fn run_whole<F, Fut>(node: &Node, cases: &[Case], command: F) -> Result<Table>
where
    F: FnMut(Node, Command) -> Fut,
    Fut: Future<Output = Ran>,
{
    Runner { command, whole: true }.run(node, cases).await
}

/// Runs the cases that failed with the real `tc`, and marks those that fail then too, or come not as far.
///
/// # Errors
///
/// When the node cannot be prepared.
pub async fn control(node: &Node, cases: &[Case], table: &mut Table) -> Result {
    for row in &mut table.rows {
        let (Verdict::Failed(ours), Some(case)) = (&row.verdict, cases.iter().find(|case| case.id == row.id))
        else {
            continue;
        };
        let theirs = run(node, std::slice::from_ref(case), with_tc).await?;
        let verdict = theirs.rows.into_iter().next().map(|row| row.verdict);
        let Some(Verdict::Failed(theirs) | Verdict::NotApplicable(theirs)) = verdict else { continue };
        let refused = [ours, &theirs].into_iter().find(|reason| privilege::is_missing(reason));
        row.verdict = match refused {
            Some(reason) => Verdict::Failed(reason.clone()),
            None => Verdict::LaneFails(format!("with tc: {theirs}\nwithout: {ours}")),
        };
    }
    Ok(())
}

/// Runs a command with the real `tc`.
pub async fn with_tc(node: Node, command: Command) -> Ran {
    exit(shell(&node, &command.line).await)
}

struct Runner<F> {
    command: F,
    whole: bool,
}

impl<F, Fut> Runner<F>
where
    F: FnMut(Node, Command) -> Fut,
    Fut: Future<Output = Ran>,
{
    async fn run(&mut self, node: &Node, cases: &[Case]) -> Result<Table> {
        let mut table = Table::default();
        for case in cases {
            let mut row = Row {
                id: case.id.clone(),
                name: case.name.clone(),
                verdict: Verdict::Passed,
                handed: 0,
                refusal: None,
            };
            let unmet = match unmet(case) {
                None => unmet_program(node, case).await,
                reason => reason,
            };
            row.verdict = match unmet {
                Some(reason) => Verdict::NotApplicable(reason),
                None => {
                    let verdict = self.one(node, case, &mut row).await;
                    clean(node, case).await?;
                    verdict?
                }
            };
            table.rows.push(row);
        }
        Ok(table)
    }

    async fn one(&mut self, node: &Node, case: &Case, row: &mut Row) -> Result<Verdict> {
        prepare(node, case).await?;
        let named = |line: &str| replace(line, |name| variable(case, name));
        if let Some(verdict) = self.before(node, case, row).await {
            return Ok(verdict);
        }
        let line = named(&case.command);
        let ran = match (self.command)(node.clone(), Command { line: line.clone() }).await {
            Ran::NotApplicable(_) if row.handed > 0 => exit(shell(node, &line).await),
            Ran::NotApplicable(reason) => return Ok(Verdict::NotApplicable(reason)),
            ran => {
                row.handed += 1;
                ran
            }
        };
        if let Ran::Refused(text) | Ran::Exit(_, text) = &ran
            && let Some(reason) = privilege::missing(&line, text)
        {
            return Ok(Verdict::Failed(reason));
        }
        let (code, output) = match ran {
            Ran::Refused(reason) => {
                row.refusal = Some(reason.clone());
                ((case.exit_code == 0).then_some(-1), reason)
            }
            Ran::Exit(code, output) => (Some(code), output),
            Ran::NotApplicable(reason) => return Ok(Verdict::NotApplicable(reason)),
        };
        if let Some(code) = code.filter(|code| *code != case.exit_code) {
            let reason = format!("`{line}` ended with {code}, not {}\n{output}", case.exit_code);
            return Ok(Verdict::Failed(reason));
        }
        for packets in &case.packets {
            let device = named(&packets.device);
            match frame(&packets.packet, node.mac_of(&device).await?) {
                Ok(bytes) => {
                    for _ in 0..packets.count {
                        node.send_frame(&device, &bytes).await?;
                    }
                }
                Err(reason) => return Ok(Verdict::NotApplicable(reason)),
            }
        }
        let shown = shell(node, &named(&case.verify)).await;
        if let Some(reason) = privilege::missing(&shown.command, &shown.stderr) {
            return Ok(Verdict::Failed(reason));
        }
        match check(case, &shown) {
            Verdict::Passed => {}
            other => return Ok(other),
        }
        match steps(node, case, &case.teardown).await {
            Ok(()) => Ok(Verdict::Passed),
            Err(reason) if privilege::is_missing(&reason) => Ok(Verdict::Failed(reason)),
            Err(reason) => Ok(Verdict::Failed(format!("what comes after fails: {reason}"))),
        }
    }

    /// The commands that prepare the case; a verdict if it ends with them.
    async fn before(&mut self, node: &Node, case: &Case, row: &mut Row) -> Option<Verdict> {
        for step in &case.setup {
            let line = played(&replace(&step.line, |name| variable(case, name)));
            let ran = match self.whole {
                true => (self.command)(node.clone(), Command { line: line.clone() }).await,
                false => Ran::NotApplicable(String::new()),
            };
            let failed = match ran {
                Ran::NotApplicable(_) => match steps(node, case, std::slice::from_ref(step)).await {
                    Ok(()) => continue,
                    Err(reason) if privilege::is_missing(&reason) => return Some(Verdict::Failed(reason)),
                    Err(reason) => {
                        return Some(Verdict::NotApplicable(format!("what comes before fails: {reason}")));
                    }
                },
                Ran::Exit(_, text) | Ran::Refused(text) if privilege::missing(&line, &text).is_some() => {
                    return privilege::missing(&line, &text).map(Verdict::Failed);
                }
                Ran::Exit(code, output) if !step.good.contains(&code) => {
                    format!("ended with {code}\n{output}")
                }
                Ran::Refused(reason) if step.good == [0] => format!("was refused: {reason}"),
                Ran::Exit(..) | Ran::Refused(_) => {
                    row.handed += 1;
                    continue;
                }
            };
            return Some(Verdict::Failed(format!("what comes before fails: `{line}` {failed}")));
        }
        None
    }
}

/// Whether a case shows what it must.
fn check(case: &Case, shown: &Output) -> Verdict {
    let text = match shown.status.success() || shown.stderr.is_empty() {
        true => &shown.stdout,
        false => &shown.stderr,
    };
    let line = &shown.command;
    if let Some(expected) = &case.json {
        return match serde_json::from_str(text) {
            Ok(value) => match missing(&value, expected) {
                None => Verdict::Passed,
                Some(what) => Verdict::Failed(format!("`{line}`: {what}\n{text}")),
            },
            Err(error) => Verdict::Failed(format!("`{line}` shows no JSON: {error}\n{text}")),
        };
    }
    match pattern(case.pattern.as_deref().unwrap_or_default()) {
        // Where nothing is shown the kernel's runner finds nothing, not even an empty pattern.
        Ok(pattern) => match pattern.find_iter(text).take_while(|_| !text.is_empty()).count() {
            found if found == case.count => Verdict::Passed,
            found => Verdict::Failed(format!(
                "`{line}` shows {found} times, not {}: {pattern}\n{text}",
                case.count
            )),
        },
        Err(error) => Verdict::NotApplicable(format!("the pattern: {error}")),
    }
}

fn pattern(text: &str) -> std::result::Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).multi_line(true).dot_matches_new_line(true).build()
}

async fn steps(node: &Node, case: &Case, steps: &[Step]) -> std::result::Result<(), String> {
    for step in steps {
        let line = played(&replace(&step.line, |name| variable(case, name)));
        let output = shell(node, &line).await;
        if let Some(reason) = privilege::missing(&line, &output.stderr) {
            return Err(reason);
        }
        if !output.status.code().is_some_and(|code| step.good.contains(&code)) {
            return Err(output.to_string());
        }
    }
    Ok(())
}

/// Takes every device away, and with them their qdiscs, classes and filters; and the actions of the kinds that the case names.
async fn clean(node: &Node, case: &Case) -> Result {
    for name in node.links().await? {
        // The other end of a pair goes with the first.
        if name != "lo" && node.links().await?.contains(&name) {
            node.delete_link(&name).await?;
        }
    }
    let lines = case.setup.iter().map(|step| step.line.as_str()).chain([case.command.as_str()]);
    let kinds: BTreeSet<&str> = lines.flat_map(kinds_of_actions).collect();
    for kind in kinds {
        // There may be none, and no such kind.
        drop(shell(node, &format!("tc actions flush action {kind}")).await);
    }
    Ok(())
}

/// The words behind `action`.
fn kinds_of_actions(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split_whitespace();
    words.clone().zip(words.skip(1)).filter(|(word, _)| *word == "action").map(|(_, kind)| kind).filter(
        |kind| {
            !["add", "change", "replace", "delete", "del", "flush", "get", "list", "ls", "show"]
                .contains(kind)
                && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        },
    )
}

fn exit(output: Output) -> Ran {
    match output.status.code() {
        Some(code) => Ran::Exit(code, format!("{}{}", output.stdout, output.stderr)),
        None => Ran::Exit(-1, output.to_string()),
    }
}

/// Why a case cannot be tried here.
fn unmet(case: &Case) -> Option<String> {
    if case.skip.is_some() {
        return case.skip.clone();
    }
    if case.pattern.is_none() && case.json.is_none() {
        return Some("it does not say what must be shown".to_owned());
    }
    if let Some(Err(error)) = case.pattern.as_deref().map(pattern) {
        return Some(format!("the pattern: {error}"));
    }
    let is_played = |plugin: &str| ["nsPlugin", "scapyPlugin"].contains(&plugin);
    if let Some(plugin) = case.plugins.iter().find(|plugin| !is_played(plugin)) {
        return Some(format!("it needs the plugin {plugin}"));
    }
    if let Some(reason) = case.packets.iter().find_map(|sent| frame(&sent.packet, [0; 6]).err()) {
        return Some(reason);
    }
    let lines: Vec<&str> = case
        .setup
        .iter()
        .map(|step| step.line.as_str())
        .chain([case.command.as_str(), case.verify.as_str()])
        .collect();
    for name in ["$EBPFDIR", "$BATCH_FILE", "$BATCH_DIR"] {
        if lines.iter().any(|line| line.contains(name)) {
            return Some(format!("it needs {name}"));
        }
    }
    // A veth has no offloads to switch.
    if lines.iter().any(|line| line.contains("netdevsim"))
        && lines.iter().any(|line| line.contains("ethtool") || played(line).contains("netdevsim"))
    {
        return Some("it needs netdevsim".to_owned());
    }
    if lines.iter().any(|line| line.contains("$IFB"))
        && let Err(reason) = Need::Link("ifb".into()).probe()
    {
        return Some(reason);
    }
    // Of words that are a qdisc's name the first in a line is one; `prio` is a parameter of other kinds too.
    let mut kinds =
        lines.into_iter().filter_map(|line| line.split_whitespace().find(|word| QDISCS.contains(word)));
    kinds.find_map(|kind| Need::Qdisc(kind.to_owned().into()).probe().err())
}

/// Which program is not there. Other programs called ping do not know the words of iputils'.
async fn unmet_program(node: &Node, case: &Case) -> Option<String> {
    let steps = case.setup.iter().map(|step| step.line.as_str());
    let mut lines = steps.chain([case.command.as_str()]);
    if !lines.any(|line| line.starts_with("ping ")) {
        return None;
    }
    let version = shell(node, "ping -V").await;
    (!version.stdout.contains("iputils")).then(|| "it needs the ping of iputils".to_owned())
}

/// Those that make the kernel's answer depend on how it was built. Without mq, mqprio and taprio: a probe has no device with queues.
const QDISCS: &[&str] = &[
    "cake", "cbs", "choke", "codel", "drr", "dualpi2", "ets", "etf", "fq", "fq_codel", "fq_pie", "gred",
    "hfsc", "hhf", "htb", "multiq", "netem", "pie", "plug", "prio", "qfq", "red", "sfb", "sfq", "skbprio",
    "tbf", "teql0",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_cannot_be_tried_says_why() {
        let case = |change: &str, to: &str| {
            let text = r#"[{"id": "a", "name": "n", "category": [], "plugins": {"requires": "nsPlugin"}, "setup": [],
                "cmdUnderTest": "$TC qdisc show dev $DEV1", "expExitCode": "0", "verifyCmd": "true",
                "matchPattern": "x", "matchCount": "0", "teardown": []}]"#;
            Case::parse(&text.replace(change, to)).unwrap().remove(0)
        };
        for (from, to, why) in [
            ("\"nsPlugin\"", "\"buildebpfPlugin\"", "it needs the plugin buildebpfPlugin"),
            (
                "\"id\"",
                "\"scapy\": {\"iface\": \"$DEV0\", \"count\": 1, \"packet\": \"IPv6()\"}, \"id\"",
                "the packet IPv6(): not three layers",
            ),
            ("\"id\"", "\"skip\": \"yes\", \"id\"", "the kernel's runner skips it"),
            ("\"matchPattern\"", "\"matchNothing\"", "it does not say what must be shown"),
            ("$DEV1", "$BATCH_DIR", "it needs $BATCH_DIR"),
        ] {
            assert_eq!(unmet(&case(from, to)).as_deref(), Some(why));
        }
    }

    #[test]
    fn table_counts_and_lists_reasons() {
        let row = |id: &str, verdict| Row {
            id: id.to_owned(),
            name: "name".to_owned(),
            verdict,
            handed: 1,
            refusal: None,
        };
        let rows = vec![
            row("1", Verdict::Passed),
            row("2", Verdict::Failed("one\ntwo".to_owned())),
            row("3", Verdict::NotApplicable("why".to_owned())),
            row("4", Verdict::LaneFails("how".to_owned())),
            Row { refusal: Some("no".to_owned()), ..row("5", Verdict::Passed) },
        ];
        let table = Table { rows };
        assert_eq!((table.passed(), table.failed(), table.not_applicable()), (2, 1, 1));
        assert_eq!(
            table.to_string(),
            "1  passed  name\n2  FAILED  name\n              one\n              two\n3  n/a     name\n              why\n\
             4  lane    name\n              how\n5  passed  name\n              no\n\
             2 passed, 1 failed, 1 failed with tc too, 1 not applicable\n"
        );
    }
}

//! Counting what ran, and the closing table.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::cargo::Run;

/// What happened in one lane.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) lane: String,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Kernel tests that ran, whatever became of them.
    pub(crate) ran: BTreeSet<String>,
    /// How many seconds each of them took.
    pub(crate) seconds: BTreeMap<String, f64>,
    pub(crate) skips: Vec<Skip>,
    /// Kernel tests that failed.
    pub(crate) failures: Vec<Skip>,
    /// Failures that are not the failure of one test.
    pub(crate) problems: Vec<String>,
}

/// A test that did not run, or not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) reason: String,
}

/// The counts of libtest's closing lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// How many closing lines there were.
    pub(crate) results: u64,
}

impl Report {
    pub(crate) fn new(lane: &str) -> Self {
        Self { lane: lane.to_owned(), ..Self::default() }
    }

    /// Adds the outcome of one binary, read from what it printed.
    pub(crate) fn add_run(&mut self, binary: &str, run: &Run) {
        let counts = Counts::of(&run.lines);
        self.passed += counts.passed;
        self.failed += counts.failed;
        self.check(binary, run, counts);
        self.failures.extend(run.lines.iter().filter_map(|line| failure(binary, line, &run.lines)));
        let before = self.skips.len();
        self.skips.extend(run.lines.iter().filter_map(|line| skip(binary, line)));
        let listed = u64::try_from(self.skips.len() - before).unwrap_or(u64::MAX);
        if listed != counts.ignored {
            self.problems
                .push(format!("{binary} counts {} ignored tests and names {listed}", counts.ignored));
        }
    }

    /// Adds another part of the same lane.
    pub(crate) fn join(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ran.extend(other.ran);
        self.seconds.extend(other.seconds);
        self.skips.extend(other.skips);
        self.failures.extend(other.failures);
        self.problems.extend(other.problems);
    }

    /// Notes an end that is not a verdict: a crash, or no closing line.
    pub(crate) fn check(&mut self, binary: &str, run: &Run, counts: Counts) {
        if counts.results == 0 {
            self.problems.push(format!("{binary} printed no result ({})", run.ending));
        } else if !run.success && counts.failed == 0 {
            self.problems.push(format!("{binary} failed without a failed test ({})", run.ending));
        }
    }

    /// Notes a lane in which nothing ran.
    pub(crate) fn must_have_run(&mut self) {
        if self.count() == 0 && self.problems.is_empty() {
            self.problems.push("no test ran".to_owned());
        }
    }

    const fn count(&self) -> u64 {
        self.passed + self.failed
    }

    pub(crate) fn all_failed(&self) -> u64 {
        self.failed + u64::try_from(self.problems.len()).unwrap_or(u64::MAX)
    }
}

impl Counts {
    /// Sums `test result: ok. 3 passed; 0 failed; 1 ignored; …` lines.
    pub(crate) fn of(lines: &[String]) -> Self {
        let mut counts = Self::default();
        for line in
            lines.iter().filter_map(|line| plain(line).strip_prefix("test result: ").map(str::to_owned))
        {
            let Some((_, numbers)) = line.split_once(". ") else { continue };
            counts.results += 1;
            for part in numbers.split("; ") {
                let Some((number, what)) = part.split_once(' ') else { continue };
                let Ok(number) = number.parse::<u64>() else { continue };
                match what {
                    "passed" => counts.passed += number,
                    "failed" => counts.failed += number,
                    "ignored" => counts.ignored += number,
                    _ => {}
                }
            }
        }
        counts
    }
}

/// All lanes of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    reports: Vec<Report>,
    /// Tests that every lane skipped, when that is a failure.
    never: Vec<Skip>,
}

impl Tally {
    pub(crate) fn add(&mut self, report: Report) {
        self.reports.push(report);
    }

    /// Of each lane, in the order in which they ended.
    pub(crate) fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// Tests that ran in no lane, when that is a failure.
    pub(crate) fn never(&self) -> &[Skip] {
        &self.never
    }

    /// How much failed; a run in which no lane reported is a failure too.
    pub(crate) fn failed(&self) -> u64 {
        let never = u64::try_from(self.never.len()).unwrap_or(u64::MAX);
        if self.reports.is_empty() {
            1
        } else {
            never + self.reports.iter().map(Report::all_failed).sum::<u64>()
        }
    }

    /// Makes it a failure that a test ran nowhere; for runs of all the lanes.
    pub(crate) fn each_must_have_run_somewhere(&mut self) {
        let ran: BTreeSet<&String> = self.reports.iter().flat_map(|report| &report.ran).collect();
        let skips = self.reports.iter().flat_map(|report| &report.skips);
        let never: BTreeMap<&String, &Skip> =
            skips.filter(|skip| !ran.contains(&skip.test)).map(|skip| (&skip.test, skip)).collect();
        self.never = never.into_values().cloned().collect();
    }

    fn passed(&self) -> u64 {
        self.reports.iter().map(|report| report.passed).sum()
    }

    fn skipped(&self) -> usize {
        self.reports.iter().map(|report| report.skips.len()).sum()
    }
}

/// The table, the skips by reason, what failed and why, once more the names of what failed, and the line with the sums: where a log is
/// cut, its end is kept.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16} {:>7} {:>7} {:>7} {:>7}", "lane", "ran", "passed", "failed", "skipped")?;
        for report in &self.reports {
            let (failed, skipped) = (report.all_failed(), report.skips.len());
            let Report { lane, passed, .. } = report;
            writeln!(f, "{lane:<16} {:>7} {passed:>7} {failed:>7} {skipped:>7}", report.count())?;
        }
        let mut reasons: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for report in &self.reports {
            for Skip { test, reason } in &report.skips {
                reasons.entry(reason).or_default().insert(format!("{test} ({})", report.lane));
            }
        }
        for (reason, tests) in reasons {
            writeln!(f, "\nskipped: {reason}")?;
            for test in tests {
                writeln!(f, "  {test}")?;
            }
        }
        if self.reports.is_empty() {
            writeln!(f, "\nfailed: no test ran in any lane")?;
        }
        for report in &self.reports {
            for Skip { test, reason } in &report.failures {
                let reason: Vec<&str> = reason.lines().take(SHOWN).collect();
                writeln!(f, "\nfailed in lane {}: {test}\n  {}", report.lane, reason.join("\n  "))?;
            }
            for problem in &report.problems {
                writeln!(f, "\nfailed in lane {}: {problem}", report.lane)?;
            }
        }
        for Skip { test, reason } in &self.never {
            writeln!(f, "\nfailed: {test} ran in no lane; the last reason: {reason}")?;
        }
        writeln!(f)?;
        for report in &self.reports {
            for Skip { test, .. } in &report.failures {
                writeln!(f, "failed: {test} ({})", report.lane)?;
            }
        }
        writeln!(f, "{} passed, {} failed, {} skipped", self.passed(), self.failed(), self.skipped())
    }
}

/// How many lines of a failure are shown once more.
const SHOWN: usize = 20;

/// Reads `test NAME ... ignored, REASON`.
fn skip(binary: &str, line: &str) -> Option<Skip> {
    let line = plain(line);
    let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let reason = outcome.strip_prefix("ignored")?.trim_start_matches([',', ' ']);
    let reason = if reason.is_empty() { "marked as ignored, without a reason" } else { reason };
    Some(Skip { test: format!("{binary}: {}", name.trim_end()), reason: reason.to_owned() })
}

/// Reads `test NAME ... FAILED`, and what the test printed from under its heading.
fn failure(binary: &str, line: &str, lines: &[String]) -> Option<Skip> {
    let line = plain(line);
    let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.trim_end();
    let headings = [format!("---- {name} stdout ----"), format!("---- {name} ----")];
    let printed = lines.iter().skip_while(|line| !headings.contains(line)).skip(1);
    let printed = printed.take_while(|line| !line.starts_with("---- ") && *line != "failures:");
    let printed: Vec<&str> = printed.map(String::as_str).filter(|line| !line.is_empty()).collect();
    Some(Skip { test: format!("{binary}: {name}"), reason: printed.join("\n") })
}

/// A line without terminal colours.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        text.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(success: bool, lines: &[&str]) -> Run {
        Run {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            success,
            ending: "the end".to_owned(),
        }
    }

    #[test]
    fn result_lines_are_summed() {
        let mut report = Report::new("unit");
        let one =
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s";
        let two = "test result: \u{1b}[31mFAILED\u{1b}[0m. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        report.add_run("x", &run(false, &[one, two]));
        assert_eq!((report.passed, report.failed, report.problems.len()), (4, 2, 0));
    }

    #[test]
    fn a_failed_test_is_named_again_at_the_end_with_what_it_said() {
        let mut report = Report::new("unit");
        let lines = [
            "test a ... ok",
            "test m::b ... FAILED",
            "test c ... ignored, no vxlan",
            "failures:",
            "",
            "---- m::b stdout ----",
            "",
            "left is not right",
            "",
            "failures:",
            "    m::b",
            "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured",
        ];
        report.add_run("x", &run(false, &lines));
        let mut tally = Tally::default();
        tally.add(report);
        let text = tally.to_string();
        let end = "  x: c (unit)\n\nfailed in lane unit: x: m::b\n  left is not right\n\nfailed: x: m::b (unit)\n1 passed, 1 failed, 1 skipped\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn a_binary_without_a_result_is_a_failure() {
        let mut report = Report::new("unit");
        report.add_run("x", &run(true, &["running 3 tests"]));
        assert_eq!(report.problems, ["x printed no result (the end)"]);
    }

    #[test]
    fn a_crash_after_good_results_is_a_failure() {
        let mut report = Report::new("unit");
        report.add_run("x", &run(false, &["test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured"]));
        assert_eq!(report.problems, ["x failed without a failed test (the end)"]);
    }

    #[test]
    fn a_lane_in_which_nothing_ran_fails() {
        let mut report = Report::new("unit");
        report.add_run("x", &run(true, &["test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured"]));
        report.must_have_run();
        let mut tally = Tally::default();
        tally.add(report);
        assert_eq!(tally.failed(), 1);
    }

    #[test]
    fn a_run_without_lanes_fails() {
        assert_eq!(Tally::default().failed(), 1);
    }

    #[test]
    fn a_test_that_ran_in_no_lane_fails_the_run() {
        let skip = |test: &str| Skip { test: test.to_owned(), reason: "no vxlan".to_owned() };
        let mut one = Report { passed: 1, skips: vec![skip("a"), skip("b")], ..Report::new("one") };
        one.ran.insert("c".to_owned());
        let mut two = Report { passed: 1, skips: vec![skip("a")], ..Report::new("two") };
        two.ran.insert("b".to_owned());
        let mut tally = Tally::default();
        tally.add(one);
        tally.add(two);
        assert_eq!(tally.failed(), 0);
        tally.each_must_have_run_somewhere();
        assert_eq!(tally.failed(), 1);
        assert!(tally.to_string().contains("failed: a ran in no lane; the last reason: no vxlan"), "{tally}");
    }

    #[test]
    fn skips_are_grouped_by_reason_and_the_sums_come_last() {
        let mut report = Report::new("unit");
        let lines = [
            "test a ... ignored, no vxlan",
            "test b     ... ignored, no vxlan",
            "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured",
        ];
        report.add_run("x", &run(true, &lines));
        let mut tally = Tally::default();
        tally.add(report);
        let text = tally.to_string();
        assert!(text.contains("skipped: no vxlan\n  x: a (unit)\n  x: b (unit)\n"), "{text}");
        assert_eq!(text.lines().last(), Some("1 passed, 0 failed, 2 skipped"));
    }
}

//! Counting what a test binary wrote down, and comparing it with what it printed.

use nl_testkit::Result;
use serde_json::Value;

use crate::{
    cargo::{Run, text},
    tally::{Counts, Report, Skip},
};

/// Adds the lines of a ledger to the report; `listed` is how many tests there should be, if that is known already.
pub(crate) fn count(
    binary: &str,
    lines: &[String],
    run: &Run,
    listed: Option<usize>,
    report: &mut Report,
) -> Result {
    let counts = Counts::of(&run.lines);
    report.check(binary, run, counts);
    let mut written = Counts::default();
    for line in lines {
        let entry: Value = serde_json::from_str(line)?;
        let test = format!("{}::{}", text(&entry, "/crate"), text(&entry, "/test"));
        match text(&entry, "/outcome").as_str() {
            "passed" => {
                written.passed += 1;
                report.ran.insert(test);
            }
            "failed" => {
                written.failed += 1;
                report.ran.insert(test.clone());
                report.failures.push(Skip { test, reason: text(&entry, "/reason") });
            }
            "skipped" => {
                written.ignored += 1;
                report.skips.push(Skip { test, reason: text(&entry, "/reason") });
            }
            _ => return Err(format!("a line of the ledger has no outcome: {line}").into()),
        }
    }
    report.passed += written.passed;
    report.failed += written.failed;
    let (Counts { passed, failed, ignored, .. }, w) = (counts, written);
    if counts.results > 0 && (passed, failed, ignored) != (w.passed, w.failed, w.ignored) {
        report.problems.push(format!("{binary} printed other counts than it wrote to its ledger"));
    }
    let written = w.passed + w.failed + w.ignored;
    let listed = listed.unwrap_or_else(|| announced(&run.lines));
    if usize::try_from(written) != Ok(listed) {
        report.problems.push(format!("{binary} lists {listed} tests and wrote down {written}"));
    }
    Ok(())
}

/// Sums `running 3 tests` lines.
fn announced(lines: &[String]) -> usize {
    let number = |line: &String| {
        let (number, _) = line.strip_prefix("running ")?.split_once(" test")?;
        number.parse::<usize>().ok()
    };
    lines.iter().filter_map(number).sum()
}

//! Counting what test binaries wrote down, and comparing it with what they printed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use nl_testkit::Result;
use serde_json::Value;

use crate::{
    cargo::{Run, text},
    lanes::Lanes,
    tally::{Counts, Report, Skip, Tally},
};

/// Adds the lines of a ledger to the report; `listed` is how many tests there should be, if that is known already.
pub(crate) fn count(
    binary: &str,
    lines: &[String],
    run: &Run,
    listed: Option<usize>,
    lanes: &Lanes,
    report: &mut Report,
) -> Result {
    let counts = Counts::of(&run.lines);
    report.check(binary, run, counts);
    let mut written = Counts::default();
    for line in lines {
        enter(&serde_json::from_str(line)?, lanes, report, &mut written)?;
    }
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

/// Puts ledgers together, those of one lane into one report; a folder stands for all in it whose names end in `.jsonl`.
pub(crate) fn merge(paths: &[&str], promises: &Lanes) -> Result<Tally> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        find(Path::new(path), &mut files).map_err(|error| format!("{path}: {error}"))?;
        if files.len() == before {
            return Err(format!("there is no ledger in {path}").into());
        }
    }
    let mut lanes: BTreeMap<String, Report> = BTreeMap::new();
    for file in files {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let lines = fs::read_to_string(&file).map_err(|error| wrong(&error))?;
        for line in lines.lines() {
            let entry: Value = serde_json::from_str(line).map_err(|error| wrong(&error))?;
            let name = text(&entry, "/lane");
            let report = lanes.entry(name).or_insert_with_key(|name| Report::new(name));
            enter(&entry, promises, report, &mut Counts::default()).map_err(|error| wrong(&error))?;
        }
    }
    let mut tally = Tally::default();
    lanes.into_values().for_each(|report| tally.add(report));
    tally.each_must_have_run_somewhere();
    Ok(tally)
}

/// Adds one test.
fn enter(entry: &Value, lanes: &Lanes, report: &mut Report, counts: &mut Counts) -> Result {
    let test = format!("{}::{}", text(entry, "/crate"), text(entry, "/test"));
    if text(entry, "/test").is_empty() {
        return Err(format!("a line of the ledger names no test: {entry}").into());
    }
    if let Some(seconds) = entry.get("seconds").and_then(Value::as_f64) {
        report.seconds.insert(test.clone(), seconds);
    }
    match text(entry, "/outcome").as_str() {
        "passed" => {
            counts.passed += 1;
            report.passed += 1;
            report.ran.insert(test);
        }
        "failed" => {
            counts.failed += 1;
            report.failed += 1;
            report.ran.insert(test.clone());
            report.failures.push(Skip { test, reason: text(entry, "/reason") });
        }
        "skipped" => {
            counts.ignored += 1;
            let need = text(entry, "/need");
            if lanes.promise(&text(entry, "/lane"), &need) {
                report
                    .problems
                    .push(format!("{test} was skipped for want of {need}, which the lane promises"));
            }
            report.skips.push(Skip { test, reason: text(entry, "/reason") });
        }
        _ => return Err(format!("a line of the ledger has no outcome: {entry}").into()),
    }
    Ok(())
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "jsonl") {
            find(&path, files)?;
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(lane: &str, test: &str, outcome: &str, need: &str) -> Value {
        json!({
            "crate": "x", "binary": "kernel", "test": test, "lane": lane, "outcome": outcome,
            "need": need, "reason": format!("{need}: none"), "seconds": 0.1,
        })
    }

    /// What merging these says, with how much failed; the ledgers are in a folder in a folder.
    fn merged(ledgers: &[&[Value]]) -> Result<(u64, String)> {
        let name = format!("nl-testkit-merge-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name);
        for (number, lines) in ledgers.iter().enumerate() {
            let inner = folder.join(format!("ledger-{number}"));
            fs::create_dir_all(&inner)?;
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            fs::write(inner.join("ledger.jsonl"), text)?;
            fs::write(inner.join("console.txt"), "no ledger")?;
        }
        let lanes = Lanes::beside(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")));
        let tally = merge(&[&folder.to_string_lossy()], &lanes);
        fs::remove_dir_all(&folder)?;
        let tally = tally?;
        Ok((tally.failed(), tally.to_string()))
    }

    #[test]
    fn a_skip_in_one_lane_is_made_good_by_another() {
        let host =
            [written("host-rootless", "a", "skipped", "vm"), written("host-rootless", "b", "passed", "")];
        let vm = [written("vm-7", "a", "passed", "")];
        let (failed, text) = merged(&[&host, &vm]).unwrap();
        assert_eq!(failed, 0, "{text}");
        assert_eq!(text.lines().last(), Some("2 passed, 0 failed, 1 skipped"));
    }

    #[test]
    fn a_test_that_ran_in_no_lane_fails() {
        let host =
            [written("host-rootless", "a", "skipped", "vm"), written("host-rootless", "b", "passed", "")];
        let vm = [written("vm-7", "a", "skipped", "link = \"odd\"")];
        let (failed, text) = merged(&[&host, &vm]).unwrap();
        assert_eq!(failed, 1, "{text}");
        assert!(text.contains("failed: x::a ran in no lane"), "{text}");
    }

    #[test]
    fn a_skip_of_what_the_lane_promises_fails() {
        let need = "link = \"macsec\"";
        let six = [written("vm-6.1", "a", "skipped", need)];
        let seven = [written("vm-7", "a", "passed", "")];
        let (failed, text) = merged(&[&six, &seven]).unwrap();
        assert_eq!(failed, 1, "{text}");
        assert!(
            text.contains("failed in lane vm-6.1: x::a was skipped for want of link = \"macsec\""),
            "{text}"
        );
    }

    #[test]
    fn a_failure_fails() {
        let (failed, text) = merged(&[&[written("vm-7", "a", "failed", "")]]).unwrap();
        assert_eq!(failed, 1, "{text}");
    }

    #[test]
    fn nothing_and_nonsense_are_errors() {
        assert!(merged(&[]).is_err());
        assert!(merged(&[&[json!({ "lane": "vm-7", "test": "a", "outcome": "odd" })]]).is_err());
        assert!(merged(&[&[json!({ "lane": "vm-7", "outcome": "passed" })]]).is_err());
        assert!(merge(&["/nowhere/at/all"], &Lanes::default()).is_err());
    }

    #[test]
    fn ledgers_without_a_line_are_no_success() {
        let (failed, text) = merged(&[&[]]).unwrap();
        assert_eq!(failed, 1, "{text}");
    }
}

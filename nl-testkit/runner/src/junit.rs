//! What happened, in the format of JUnit, for programs that show results.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use nl_testkit::Result;

use crate::tally::{Report, Skip, Tally};

/// A suite for each lane with a case for each kernel test, and for each failure that is not that of one test.
pub(crate) fn document(tally: &Tally) -> Result<String> {
    let mut document = Document::new("testkit");
    document.add_test_suites(tally.reports().iter().map(suite));
    if !tally.never().is_empty() {
        let mut suite = TestSuite::new("no lane");
        suite.add_test_cases(tally.never().iter().map(|Skip { test, reason }| {
            case(test, failure(&format!("ran in no lane; the last reason: {reason}")))
        }));
        document.add_test_suite(suite);
    }
    Ok(document.to_string()?)
}

fn suite(report: &Report) -> TestSuite {
    let mut suite = TestSuite::new(&report.lane);
    let failed = |test: &String| report.failures.iter().find(|failure| failure.test == *test);
    for test in &report.ran {
        let status = failed(test).map_or_else(TestCaseStatus::success, |it| failure(&it.reason));
        let mut case = case(test, status);
        if let Some(seconds) = report.seconds.get(test) {
            case.set_time(Duration::try_from_secs_f64(*seconds).unwrap_or_default());
        }
        suite.add_test_case(case);
    }
    for Skip { test, reason } in &report.skips {
        let mut status = TestCaseStatus::skipped();
        status.set_message(reason.as_str());
        suite.add_test_case(case(test, status));
    }
    for problem in &report.problems {
        suite.add_test_case(case("the lane itself", failure(problem)));
    }
    suite
}

fn case(test: &str, status: TestCaseStatus) -> TestCase {
    // The package is the class, as other programs have it.
    let (package, name) = test.split_once("::").unwrap_or(("", test));
    let mut case = TestCase::new(name, status);
    case.set_classname(package);
    case
}

fn failure(reason: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(reason.lines().next().unwrap_or_default()).set_description(reason);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read back by the crate that reads such files elsewhere.
    #[test]
    fn each_outcome_is_read_back() {
        let mut report = Report::new("vm-6.12");
        report.ran.extend(["x::a::passes".to_owned(), "x::b".to_owned()]);
        report.seconds.insert("x::b".to_owned(), 1.5);
        report
            .failures
            .push(Skip { test: "x::b".into(), reason: "left is not right\n  <left>: \"1\"".into() });
        report.skips.push(Skip { test: "x::c".into(), reason: "link = \"vxlan\": none".into() });
        report.problems.push("the kernel panicked".into());
        let mut tally = Tally::default();
        tally.add(report);
        tally.each_must_have_run_somewhere();
        let read = Document::deserialize_from_str(&document(&tally).unwrap()).unwrap();
        let [lane, nowhere] = read.test_suites.as_slice() else { panic!("{read:?}") };
        assert_eq!((lane.name.as_str(), nowhere.name.as_str()), ("vm-6.12", "no lane"));
        assert_eq!((lane.tests, lane.failures, lane.skipped), (4, 2, 1));
        let [passed, failed, skipped, problem] = lane.test_cases.as_slice() else { panic!("{lane:?}") };
        assert_eq!((passed.name.as_str(), passed.classname.as_deref()), ("a::passes", Some("x")));
        assert!(matches!(passed.status, TestCaseStatus::Success { .. }));
        assert_eq!(failed.time, Some(Duration::from_millis(1500)));
        assert_eq!(failed.status, failure("left is not right\n  <left>: \"1\""));
        assert!(
            matches!(&skipped.status, TestCaseStatus::Skipped { message: Some(text), .. } if text.contains("vxlan"))
        );
        assert_eq!(problem.status, failure("the kernel panicked"));
        assert_eq!(nowhere.failures, 1);
    }
}

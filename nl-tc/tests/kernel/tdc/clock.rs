//! The deadlines of cases, and what each case took.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::Duration;

use nl_testkit::patient;
use tokio::time::{Instant, timeout_at};

/// Measures the cases of a file.
#[derive(Debug)]
pub(super) struct Clock {
    /// No case goes on after it.
    end: Instant,
    ended: RefCell<Vec<(String, Duration)>>,
    late: RefCell<Vec<(String, Duration)>>,
}

impl Clock {
    /// Starts now. `seconds` is what the test has: a fifth of it is for saying what happened.
    pub(super) fn new(seconds: u64) -> Self {
        let whole = patient(Duration::from_secs(seconds));
        Self { end: Instant::now() + whole * 4 / 5, ended: RefCell::default(), late: RefCell::default() }
    }

    /// Runs a case. `None` if it has not ended at its deadline: nobody knows then what state its node is in.
    pub(super) async fn run<T>(&self, id: &str, case: impl Future<Output = T>) -> Option<T> {
        let begin = Instant::now();
        let output = timeout_at(self.end.min(begin + patient(CASE)), case).await.ok();
        let list = if output.is_some() { &self.ended } else { &self.late };
        list.borrow_mut().push((id.to_owned(), begin.elapsed()));
        output
    }

    /// The cases that have not ended at their deadlines, one a line.
    pub(super) fn late(&self) -> String {
        self.late.borrow().iter().fold(String::new(), |mut text, (id, after)| {
            let _ = writeln!(text, "{id} had not ended after {:.1} s", after.as_secs_f64());
            text
        })
    }

    /// What each case took, the longest first.
    pub(super) fn took(&self) -> String {
        let mut ended = self.ended.borrow().clone();
        ended.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        let each = ended.iter().map(|(id, took)| format!("{id} {:.1} s", took.as_secs_f64()));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// Two pings without an answer take 20 seconds, and a case that fails is run again with the real `tc`.
const CASE: Duration = Duration::from_secs(60);

//! One JSON line per test, so that a later job can find out what ran nowhere.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, Write},
    sync::Mutex,
    time::Duration,
};

use serde_json::json;

use super::{case::Binary, plan::Lane};
use crate::{Need, record::lock};

/// How a test went.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    Failed,
    Passed,
    /// For want of something.
    Skipped(&'a Need),
}

/// The file named by `NL_TESTKIT_LEDGER`.
#[derive(Debug)]
pub(super) struct Ledger {
    package: &'static str,
    binary: &'static str,
    lane: String,
    file: Mutex<File>,
}

impl Ledger {
    pub(super) fn from_env(binary: &Binary, lane: &Lane) -> Result<Option<Self>, String> {
        let Some(path) = env::var_os("NL_TESTKIT_LEDGER").filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| format!("open the ledger {}: {error}", path.display()))?;
        let lane = lane.name.clone();
        Ok(Some(Self { package: binary.package, binary: binary.name, lane, file: Mutex::new(file) }))
    }

    /// Appends a line in one write, as other processes may append too.
    pub(super) fn write(
        &self,
        test: &str,
        outcome: Outcome<'_>,
        reason: &str,
        time: Duration,
    ) -> io::Result<()> {
        let (outcome, need) = match outcome {
            Outcome::Failed => ("failed", None),
            Outcome::Passed => ("passed", None),
            Outcome::Skipped(need) => ("skipped", Some(need.to_string())),
        };
        let line = json!({
            "crate": self.package,
            "binary": self.binary,
            "test": test,
            "lane": self.lane,
            "outcome": outcome,
            "need": need,
            "reason": reason,
            "seconds": time.as_secs_f64(),
        });
        lock(&self.file).write_all(format!("{line}\n").as_bytes())
    }
}

//! Kernel tests on this machine's kernel, rootless or as real root.

use std::{fs, process::Command};

use nl_testkit::Result;

use super::Lane;
use crate::{
    cargo::{Executable, Workspace, show},
    ledger,
    tally::Report,
};

#[derive(Debug)]
pub(crate) struct Host {
    name: &'static str,
    /// What the test binaries run, in `NL_TESTKIT_MODE`.
    mode: &'static str,
    /// Whether it is fine that no test belongs here.
    may_be_empty: bool,
    executables: Vec<Executable>,
    filter: Option<String>,
}

impl Host {
    /// Tests in a user namespace; those that need real root are left to the other lane if there is one.
    pub(crate) fn rootless(executables: Vec<Executable>, filter: Option<String>, root_follows: bool) -> Self {
        let mode = if root_follows { "user-only" } else { "user" };
        // A filter may pick tests of the other lane only.
        let may_be_empty = root_follows && filter.is_some();
        Self { name: "host-rootless", mode, may_be_empty, executables, filter }
    }

    /// Tests that need real root.
    pub(crate) fn root(executables: Vec<Executable>, filter: Option<String>) -> Self {
        Self { name: "host-root", mode: "root-only", may_be_empty: true, executables, filter }
    }

    fn command(&self, workspace: &Workspace, executable: &Executable) -> Result<Command> {
        let mut command = workspace.command(executable);
        command.env("NL_TESTKIT_MODE", self.mode).env("NL_TESTKIT_LANE", self.name);
        command.env("NL_TESTKIT_PROMISES", workspace.lanes.file(self.name)?).args(&self.filter);
        Ok(command)
    }

    /// How many tests of the binary belong here.
    fn list(&self, workspace: &Workspace, executable: &Executable) -> Result<usize> {
        list(self.command(workspace, executable)?)
    }

    fn run_one(&self, workspace: &Workspace, executable: &Executable, report: &mut Report) -> Result {
        let listed = self.list(workspace, executable)?;
        if listed == 0 {
            return Ok(());
        }
        println!("\n--- {}", executable.name());
        let folder = workspace.target.join("nl-testkit");
        fs::create_dir_all(&folder)?;
        let ledger = folder.join(format!("ledger-{}-{}.jsonl", self.name, executable.package));
        // Made here: in their user namespace the tests of root may not create files in another user's folder.
        if ledger.exists() {
            fs::remove_file(&ledger)?;
        }
        fs::write(&ledger, "")?;
        let mut command = self.command(workspace, executable)?;
        command.env("NL_TESTKIT_LEDGER", &ledger);
        let run = show(command)?;
        let text = fs::read_to_string(ledger).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        ledger::count(&executable.name(), &lines, &run, Some(listed), &workspace.lanes, report)
    }
}

/// How many tests a command for a test binary would run or skip.
pub(crate) fn list(mut command: Command) -> Result<usize> {
    let output = command.args(["--list", "--format", "terse"]).env_remove("NL_TESTKIT_LEDGER").output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("it does not list its tests ({})\n{stderr}", output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.ends_with(": test")).count())
}

impl Lane for Host {
    fn name(&self) -> &str {
        self.name
    }

    fn run(&self, workspace: &Workspace) -> Option<Report> {
        let mut report = Report::new(self.name);
        for executable in &self.executables {
            if let Err(error) = self.run_one(workspace, executable, &mut report) {
                report.problems.push(format!("{}: {error}", executable.name()));
            }
        }
        let nothing =
            report.passed + report.failed == 0 && report.skips.is_empty() && report.problems.is_empty();
        if nothing && self.may_be_empty {
            println!("no test belongs to this lane");
            return None;
        }
        report.must_have_run();
        Some(report)
    }
}

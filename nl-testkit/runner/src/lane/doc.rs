//! Examples in the documentation.

use super::Lane;
use crate::{
    cargo::{Workspace, show},
    tally::Report,
    tools::cargo,
};

#[derive(Debug)]
pub(crate) struct Doc;

impl Lane for Doc {
    fn name(&self) -> &str {
        "doc"
    }

    fn run(&self, _workspace: &Workspace) -> Option<Report> {
        let mut report = Report::new(self.name());
        let mut command = cargo();
        command.args(["test", "--workspace", "--doc", "--all-features", "--no-fail-fast"]);
        match show(command) {
            Ok(run) => report.add_run("doc", &run),
            Err(error) => report.problems.push(format!("cargo test --doc: {error}")),
        }
        report.must_have_run();
        Some(report)
    }
}

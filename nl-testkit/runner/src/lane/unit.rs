//! Unit and property tests: every test binary that is no kernel test.

use super::Lane;
use crate::{
    cargo::{Executable, Workspace, show},
    tally::Report,
};

#[derive(Debug)]
pub(crate) struct Unit {
    executables: Vec<Executable>,
}

impl Unit {
    pub(crate) const fn new(executables: Vec<Executable>) -> Self {
        Self { executables }
    }
}

impl Lane for Unit {
    fn name(&self) -> &str {
        "unit"
    }

    fn run(&self, workspace: &Workspace) -> Option<Report> {
        let mut report = Report::new(self.name());
        for executable in &self.executables {
            println!("\n--- {}", executable.name());
            match show(workspace.command(executable)) {
                Ok(run) => report.add_run(&executable.name(), &run),
                Err(error) => report.problems.push(format!("{}: {error}", executable.name())),
            }
        }
        report.must_have_run();
        Some(report)
    }
}

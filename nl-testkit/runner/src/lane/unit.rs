//! Unit and property tests: every test binary that is no kernel test, as many at once as there are processors.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::Lane;
use crate::{
    cargo::{Executable, Workspace, hear},
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

    /// The next that nobody has begun.
    fn next(&self, begun: &AtomicUsize) -> Option<(usize, &Executable)> {
        let at = begun.fetch_add(1, Ordering::Relaxed);
        self.executables.get(at).map(|executable| (at, executable))
    }
}

impl Lane for Unit {
    fn name(&self) -> &str {
        "unit"
    }

    fn run(&self, workspace: &Workspace) -> Option<Report> {
        let mut report = Report::new(self.name());
        let heard: Vec<_> = self.executables.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((at, executable)) = self.next(&next) {
                let run = hear(workspace.command(executable));
                let text = run.iter().flat_map(|run| &run.lines).map(|line| format!("{line}\n"));
                print!("\n--- {}\n{}", executable.name(), text.collect::<String>());
                // Each is run once.
                let _ = heard.get(at).map(|place| place.set(run));
            }
        };
        let at_once = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| (0..at_once).for_each(|_| drop(scope.spawn(work))));
        for (executable, heard) in self.executables.iter().zip(heard) {
            match heard.into_inner() {
                Some(Ok(run)) => report.add_run(&executable.name(), &run),
                Some(Err(error)) => report.problems.push(format!("{}: {error}", executable.name())),
                None => report.problems.push(format!("{} was not run", executable.name())),
            }
        }
        report.must_have_run();
        Some(report)
    }
}

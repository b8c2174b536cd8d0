//! Lanes: the places tests run in, one module each.

pub(crate) mod doc;
pub(crate) mod host;
pub(crate) mod side_by_side;
pub(crate) mod unit;
pub(crate) mod vm;

use crate::{cargo::Workspace, tally::Report};

/// A place tests run in.
pub(crate) trait Lane {
    /// The name in the table and in `NL_TESTKIT_LANE`.
    fn name(&self) -> &str;

    /// Runs the tests; `None` when there is nothing to do in this lane, which is no failure.
    fn run(&self, workspace: &Workspace) -> Option<Report>;
}

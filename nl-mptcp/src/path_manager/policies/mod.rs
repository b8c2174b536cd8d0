mod backup;
mod follow;
mod full_mesh;
mod guarded;
mod ndiffports;

pub use backup::BackupOnMetered;
pub use follow::FollowInterfaces;
pub use full_mesh::FullMesh;
pub use guarded::Guarded;
pub use ndiffports::NDiffPorts;

use super::event::PathEvent;
use super::plan::{Decision, Plan};
use super::policy::Policy;
use super::table::Table;

/// Makes no decisions.
impl Policy for () {
    fn decide(&mut self, _: &PathEvent, _: &mut Plan<'_>) {}
}

impl Policy for Box<dyn Policy + '_> {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        (**self).decide(event, plan);
    }

    fn review(&mut self, table: &Table, decision: Decision) -> Option<Decision> {
        (**self).review(table, decision)
    }
}

impl<F: FnMut(&PathEvent, &mut Plan<'_>) + Send> Policy for F {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        self(event, plan);
    }
}

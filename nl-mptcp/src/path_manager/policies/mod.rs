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
use super::plan::Plan;
use super::policy::Policy;

/// Makes no decisions.
impl Policy for () {
    fn decide(&mut self, _: &PathEvent, _: &mut Plan<'_>) {}
}

/// Both, one after the other.
impl<A: Policy, B: Policy> Policy for (A, B) {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        self.0.decide(event, plan);
        self.1.decide(event, plan);
    }
}

impl Policy for Box<dyn Policy + '_> {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        (**self).decide(event, plan);
    }
}

impl<F: FnMut(&PathEvent, &mut Plan<'_>) + Send> Policy for F {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        self(event, plan);
    }
}

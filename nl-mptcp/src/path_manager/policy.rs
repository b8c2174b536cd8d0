use super::event::PathEvent;
use super::plan::Plan;

/// Decides what to do with connections; [how to write one](super#writing-a-policy).
pub trait Policy: Send {
    /// Called for every event, after the table has changed.
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>);
}

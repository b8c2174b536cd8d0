use super::event::PathEvent;
use super::plan::{Decision, Plan};
use super::table::Table;

/// Decides what to do with connections; [how to write one](super#writing-a-policy).
pub trait Policy: Send {
    /// Called for every event, after the table has changed.
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>);

    /// Called for each decision of a policy before this one, as `A` is in `(A, B)`, before it is issued: returns the decision that is
    /// issued, which may be another one; `None` vetoes it. Unless a policy says otherwise, it leaves them as they are.
    ///
    /// The table does not show the decision yet, and ids that the [`Plan`] would choose are 0.
    ///
    /// ```
    /// use nl_mptcp::path_manager::{Decision, FullMesh, PathEvent, Plan, Policy, Table};
    ///
    /// /// No subflow to a private network.
    /// struct NoneToPrivate;
    ///
    /// impl Policy for NoneToPrivate {
    ///     fn decide(&mut self, _: &PathEvent, _: &mut Plan<'_>) {}
    ///
    ///     fn review(&mut self, _: &Table, decision: Decision) -> Option<Decision> {
    ///         match &decision {
    ///             Decision::Create { subflow, .. } => match subflow.remote {
    ///                 std::net::SocketAddr::V4(remote) if remote.ip().is_private() => None,
    ///                 _ => Some(decision),
    ///             },
    ///             _ => Some(decision),
    ///         }
    ///     }
    /// }
    ///
    /// let policy = (FullMesh::new(), NoneToPrivate);
    /// ```
    /// A [`Guarded`](super::Guarded) policy has a closure for that.
    fn review(&mut self, table: &Table, decision: Decision) -> Option<Decision> {
        let _ = table;
        Some(decision)
    }
}

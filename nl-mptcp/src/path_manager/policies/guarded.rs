use crate::path_manager::event::PathEvent;
use crate::path_manager::plan::{Decision, Guard, Plan};
use crate::path_manager::policy::Policy;
use crate::path_manager::table::Table;

/// A policy whose decisions a [`Guard`] can veto or alter before they are issued.
///
/// ```
/// use nl_mptcp::path_manager::{Decision, FollowInterfaces, FullMesh, Guarded, Table};
///
/// // No more than two subflows by way of a tunnel, and those as backups.
/// let guard = |table: &Table, decision: Decision| match decision {
///     Decision::Create { token, subflow } => {
///         let tunnel = table.interface_of(subflow.local.ip()).filter(|i| i.name == "tun0");
///         let Some(tunnel) = tunnel else { return Some(Decision::Create { token, subflow }) };
///         let by_tunnel = table.connection(token)?.subflows.iter().filter(|s| s.index == Some(tunnel.index)).count();
///         (by_tunnel < 2).then(|| Decision::Create { token, subflow: subflow.backup() })
///     }
///     other => Some(other),
/// };
/// let policy = Guarded::new((FollowInterfaces::new(), FullMesh::new()), guard);
/// ```
/// Guards can be nested. The inner one sees a decision first, and the outer one what that made of it.
///
/// A policy that repeats a decision until the table shows it is called for each event as before, so a veto costs no more than that.
#[derive(Clone, Copy, Debug)]
pub struct Guarded<P, G> {
    policy: P,
    guard: G,
}

impl<P: Policy, G: Guard> Guarded<P, G> {
    /// This policy, whose decisions this guard sees first.
    #[must_use]
    pub fn new(policy: P, guard: G) -> Self {
        Self { policy, guard }
    }
}

impl<P: Policy, G: Guard> Policy for Guarded<P, G> {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        guarded(&mut self.policy, &mut self.guard, event, plan);
    }

    fn review(&mut self, table: &Table, decision: Decision) -> Option<Decision> {
        self.policy.review(table, decision)
    }
}

/// Both, one after the other; `B` reviews what `A` decides.
impl<A: Policy, B: Policy> Policy for (A, B) {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        guarded(&mut self.0, &mut Reviewer(&mut self.1), event, plan);
        self.1.decide(event, plan);
    }

    fn review(&mut self, table: &Table, decision: Decision) -> Option<Decision> {
        let decision = self.0.review(table, decision)?;
        self.1.review(table, decision)
    }
}

/// Calls a policy whose decisions this guard sees, and then that of the plan.
fn guarded(policy: &mut impl Policy, guard: &mut dyn Guard, event: &PathEvent, plan: &mut Plan<'_>) {
    let mut both = Both { inner: guard, outer: plan.guard.as_deref_mut() };
    let mut guarded = Plan {
        table: &mut *plan.table,
        made: &mut *plan.made,
        refused: &mut *plan.refused,
        next: &mut *plan.next,
        clock: &mut *plan.clock,
        guard: Some(&mut both),
    };
    policy.decide(event, &mut guarded);
}

/// A policy as the guard of the one before it.
struct Reviewer<'a, P>(&'a mut P);

impl<P: Policy> Guard for Reviewer<'_, P> {
    fn review(&mut self, table: &Table, decision: Decision) -> Option<Decision> {
        self.0.review(table, decision)
    }
}

/// The inner guard, and then that of the plan.
struct Both<'a, 'b> {
    inner: &'a mut dyn Guard,
    outer: Option<&'a mut (dyn Guard + 'b)>,
}

impl Guard for Both<'_, '_> {
    fn review(&mut self, table: &Table, decision: Decision) -> Option<Decision> {
        let decision = self.inner.review(table, decision)?;
        match &mut self.outer {
            Some(outer) => outer.review(table, decision),
            None => Some(decision),
        }
    }
}

use crate::Token;
use crate::path_manager::event::PathEvent;
use crate::path_manager::plan::Plan;
use crate::path_manager::policy::Policy;
use crate::subflow::Subflow;

/// A number of subflows between the two addresses of the initial one, from different ports. A network that hashes flows can then send them over different paths or queues.
/// The client creates them. One that fails or is closed is replaced only after lost events.
#[derive(Clone, Copy, Debug)]
pub struct NDiffPorts {
    subflows: usize,
}

impl NDiffPorts {
    /// The total number of subflows.
    #[must_use]
    pub fn new(subflows: usize) -> Self {
        Self { subflows }
    }

    fn complete(self, token: Token, plan: &mut Plan<'_>) {
        let Some(connection) = plan.table().connection(token) else { return };
        let ours =
            connection.established && !connection.kernel_managed && connection.server_side == Some(false);
        if !ours || connection.deny_join_initial {
            return;
        }
        let (local, remote) = (connection.local.ip(), connection.remote);
        let between = connection.subflows.iter().filter(|s| s.local.ip() == local && s.remote == remote);
        let mut subflow = Subflow::new((local, 0).into(), remote);
        subflow.index = plan.table().binding(local);
        for _ in between.count()..self.subflows {
            plan.create(token, subflow.clone());
        }
    }
}

impl Policy for NDiffPorts {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        match event {
            PathEvent::Established { token } => self.complete(*token, plan),
            PathEvent::Synced => {
                for token in plan.table().tokens() {
                    self.complete(token, plan);
                }
            }
            _ => {}
        }
    }
}

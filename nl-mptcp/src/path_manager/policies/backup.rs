use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::Token;
use crate::path_manager::event::PathEvent;
use crate::path_manager::plan::Plan;
use crate::path_manager::policy::Policy;

/// Subflows from some interfaces are backups: they carry data only when no regular subflow can. This includes the initial subflow.
/// It creates no subflows; combine it with a policy that does. Each side decides for the data it sends, and informs the peer.
#[derive(Clone, Debug)]
pub struct BackupOnMetered {
    metered: BTreeSet<String>,
}

impl BackupOnMetered {
    /// Subflows from the interfaces of these names are backups.
    #[must_use]
    pub fn new<S: Into<String>>(interfaces: impl IntoIterator<Item = S>) -> Self {
        Self { metered: interfaces.into_iter().map(Into::into).collect() }
    }

    fn mark(&self, token: Token, plan: &mut Plan<'_>) {
        let table = plan.table();
        let Some(connection) = table.connection(token).filter(|c| c.established && !c.kernel_managed) else {
            return;
        };
        let metered =
            |address: IpAddr| table.interface_of(address).is_some_and(|i| self.metered.contains(&i.name));
        let unmarked = connection.open().filter(|s| !s.backup);
        let ends: Vec<_> = unmarked.filter(|s| metered(s.local.ip())).map(|s| (s.local, s.remote)).collect();
        for (local, remote) in ends {
            plan.backup(token, local, remote);
        }
    }
}

impl Policy for BackupOnMetered {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        match event {
            PathEvent::Established { token } | PathEvent::SubflowEstablished { token, .. } => {
                self.mark(*token, plan);
            }
            PathEvent::Synced => {
                for token in plan.table().tokens() {
                    self.mark(token, plan);
                }
            }
            _ => {}
        }
    }
}

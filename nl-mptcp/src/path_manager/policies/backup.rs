use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::Token;
use crate::path_manager::event::PathEvent;
use crate::path_manager::plan::{Decision, Plan};
use crate::path_manager::policy::Policy;
use crate::path_manager::table::Table;
use crate::selection::matches;

/// Subflows from some interfaces are backups: they carry data only when no regular subflow can. This includes the initial subflow.
/// It creates no subflows; combine it with a policy that does. Each side decides for the data it sends, and informs the peer.
///
/// Behind a policy that creates subflows, as in `(FullMesh::new(), BackupOnMetered::new(["wwan0"]))`, they are backups from their first
/// packet on, where the kernel [can](Table::binds_subflows) do that (Linux 6.7). Elsewhere they become backups when they are established.
/// A policy before it cannot make them regular.
#[derive(Clone, Debug)]
pub struct BackupOnMetered {
    metered: BTreeSet<String>,
}

impl BackupOnMetered {
    /// Subflows from the interfaces of these names are backups. A `*` at the end of a name stands for any rest.
    #[must_use]
    pub fn new<S: Into<String>>(interfaces: impl IntoIterator<Item = S>) -> Self {
        Self { metered: interfaces.into_iter().map(Into::into).collect() }
    }

    fn is_metered(&self, table: &Table, address: IpAddr) -> bool {
        let metered = |name: &str| self.metered.iter().any(|pattern| matches(pattern, name));
        table.interface_of(address).is_some_and(|interface| metered(&interface.name))
    }

    fn mark(&self, token: Token, plan: &mut Plan<'_>) {
        let table = plan.table();
        let Some(connection) = table.connection(token).filter(|c| c.established && !c.kernel_managed) else {
            return;
        };
        let unmarked = connection.open().filter(|s| !s.backup && self.is_metered(table, s.local.ip()));
        let ends: Vec<_> = unmarked.map(|s| (s.local, s.remote)).collect();
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
    fn review(&mut self, table: &Table, decision: Decision) -> Option<Decision> {
        Some(match decision {
            Decision::SetBackup { local, backup: false, .. } if self.is_metered(table, local.ip()) => {
                return None;
            }
            Decision::Create { token, subflow }
                if table.binds_subflows() && self.is_metered(table, subflow.local.ip()) =>
            {
                Decision::Create { token, subflow: subflow.backup() }
            }
            other => other,
        })
    }
}

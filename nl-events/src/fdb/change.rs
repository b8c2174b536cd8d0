use nl_bridge::fdb::FdbEntry;
use nl_core::watch::Change;

use super::row::{FdbRow, Remote};

/// What changed in a table that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum FdbChange {
    /// An entry is new, or existed when the watch began.
    Added(FdbEntry),
    /// An entry was deleted.
    Deleted(FdbEntry),
    /// An address is behind another port, or behind another VXLAN endpoint.
    Moved {
        /// Where it was.
        from: FdbEntry,
        /// Where it is.
        to: FdbEntry,
    },
    /// The table is the same as in the kernel. Everything that existed when the watch began, or that was missed when events
    /// were lost, has been reported.
    Synced,
    /// An entry has another state or other flags.
    Updated {
        /// How it was.
        before: FdbEntry,
        /// How it is.
        after: FdbEntry,
    },
}

impl From<Change<FdbRow>> for FdbChange {
    fn from(change: Change<FdbRow>) -> Self {
        match change {
            Change::Added(FdbRow(entry)) => Self::Added(entry),
            Change::Deleted(FdbRow(entry)) => Self::Deleted(entry),
            Change::Changed { before: FdbRow(before), after: FdbRow(after) } => {
                if before.index != after.index || Remote::of(&before) != Remote::of(&after) {
                    Self::Moved { from: before, to: after }
                } else {
                    Self::Updated { before, after }
                }
            }
            Change::Synced => Self::Synced,
        }
    }
}

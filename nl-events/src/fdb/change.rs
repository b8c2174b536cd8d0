use nl_bridge::fdb::FdbEntry;
use nl_core::watch::Change;

use super::row::{FdbRow, Remote};

/// A change of a watched table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum FdbChange {
    /// An entry is new, or existed when the watch began.
    Added(FdbEntry),
    /// An entry was deleted.
    Deleted(FdbEntry),
    /// The watched bridge or device was deleted or moved to another namespace: all its entries have been reported as deleted,
    /// and this is the last item. A watch that [follows a name](super::FdbWatchBuilder::follow_name) goes on instead.
    DeviceGone,
    /// An address moved to another port or another VXLAN endpoint.
    Moved {
        /// The entry before.
        from: FdbEntry,
        /// The entry now.
        to: FdbEntry,
    },
    /// The table is the same as in the kernel. Everything that existed when the watch began, or that was missed when events
    /// were lost, has been reported.
    Synced,
    /// The state or the flags of an entry changed.
    Updated {
        /// The entry before.
        before: FdbEntry,
        /// The entry now.
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

use std::net::IpAddr;
use std::sync::Arc;

use nl_bridge::fdb::{FdbEntry, FdbState};
use nl_core::MacAddr;

use crate::watch::{Change, Entry, Keyed};

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

impl From<Change<FdbEntry>> for FdbChange {
    fn from(change: Change<FdbEntry>) -> Self {
        /// The table keeps a reference to what is new, and none to what it has given up.
        fn own(entry: Arc<Keyed<FdbEntry>>) -> FdbEntry {
            Arc::try_unwrap(entry).map_or_else(|shared| shared.0.clone(), |entry| entry.0)
        }
        match change {
            Change::Added(entry) => Self::Added(own(entry)),
            Change::Deleted(entry) => Self::Deleted(own(entry)),
            Change::Changed { before, after } => {
                let (before, after) = (own(before), own(after));
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

/// Whether the watch has such entries: the address filters of plain devices change without an event.
pub(super) fn is_watched(entry: &FdbEntry) -> bool {
    entry.master.is_some() || entry.is_tunnel()
}

/// What makes an FDB entry the same entry.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The bridge, or the VXLAN device.
    table: u32,
    mac: MacAddr,
    vlan: Option<u16>,
    src_vni: Option<u32>,
    /// Only for group and all-zero addresses, which have many remotes.
    remote: Option<Remote>,
}

#[derive(PartialEq, Eq, Hash)]
struct Remote {
    dst: Option<IpAddr>,
    port: Option<u16>,
    vni: Option<u32>,
    via: Option<u32>,
    nexthop: Option<u32>,
}

impl Remote {
    fn of(entry: &FdbEntry) -> Self {
        Self { dst: entry.dst, port: entry.port, vni: entry.vni, via: entry.via, nexthop: entry.nexthop }
    }
}

impl Entry for FdbEntry {
    type Key = Key;

    fn key(&self) -> Key {
        let many = self.master.is_none() && (self.mac.is_multicast() || self.mac.is_zero());
        Key {
            table: self.master.unwrap_or(self.index),
            mac: self.mac,
            vlan: self.vlan,
            src_vni: self.src_vni,
            remote: many.then(|| Remote::of(self)),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        without_age(self) == without_age(other)
    }
}

/// The whole entry, without what changes by itself: its ages, and whether an entry past its time was collected yet.
/// Attributes that the kernel leaves out when they are empty are empty.
fn without_age(entry: &FdbEntry) -> FdbEntry {
    let mut entry = entry.clone();
    let aged = FdbState::STALE | FdbState::REACHABLE;
    if entry.state.intersects(aged) {
        entry.state |= aged;
    }
    entry.ages = None;
    entry.flags_ext = Some(entry.flags_ext.unwrap_or_default());
    entry.notify = Some(entry.notify.unwrap_or_default());
    entry
}

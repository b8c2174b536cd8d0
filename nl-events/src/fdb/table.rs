use std::collections::HashMap;
use std::collections::hash_map;
use std::net::IpAddr;

use nl_bridge::fdb::{FdbEntry, FdbState};
use nl_core::MacAddr;

use super::FdbEvent;

/// What changed in a table that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum FdbChange {
    /// An entry is new, or was there when the watch began.
    Added(FdbEntry),
    /// An entry is gone.
    Deleted(FdbEntry),
    /// An address is behind another port, or behind another VXLAN endpoint.
    Moved {
        /// Where it was.
        from: FdbEntry,
        /// Where it is.
        to: FdbEntry,
    },
    /// The table is the kernel's: all that was there when the watch began, or that was missed when events were lost,
    /// has been told.
    Synced,
    /// An entry is as it was but for its state or flags.
    Updated {
        /// How it was.
        before: FdbEntry,
        /// How it is.
        after: FdbEntry,
    },
}

/// What makes an entry the same entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The bridge, or the VXLAN device.
    pub(super) table: u32,
    mac: MacAddr,
    vlan: Option<u16>,
    src_vni: Option<u32>,
    /// Only for group and all-zero addresses, which have many remotes.
    remote: Option<Remote>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Remote {
    dst: Option<IpAddr>,
    port: Option<u16>,
    vni: Option<u32>,
    via: Option<u32>,
    nexthop: Option<u32>,
}

impl Key {
    /// `None` for entries no watch is about.
    pub(super) fn of(entry: &FdbEntry) -> Option<Self> {
        let key = Self {
            table: entry.index,
            mac: entry.mac,
            vlan: entry.vlan,
            src_vni: entry.src_vni,
            remote: None,
        };
        match entry.master {
            Some(master) => Some(Self { table: master, ..key }),
            None if !entry.is_tunnel() => None,
            None if entry.mac.is_multicast() || entry.mac.is_zero() => {
                Some(Self { remote: Some(remote(entry)), ..key })
            }
            None => Some(key),
        }
    }
}

fn remote(entry: &FdbEntry) -> Remote {
    Remote { dst: entry.dst, port: entry.port, vni: entry.vni, via: entry.via, nexthop: entry.nexthop }
}

/// Entries by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    entries: HashMap<Key, FdbEntry>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &FdbEntry> {
        self.entries.values()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.entries.keys()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&FdbEntry> {
        self.entries.get(key)
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = (Key, FdbEntry)> {
        self.entries.into_iter()
    }

    /// Puts an entry there, and says what that changed.
    pub(super) fn put(&mut self, key: Key, entry: FdbEntry) -> Option<FdbChange> {
        match self.entries.entry(key) {
            hash_map::Entry::Vacant(place) => {
                place.insert(entry.clone());
                Some(FdbChange::Added(entry))
            }
            hash_map::Entry::Occupied(mut place) => {
                let before = place.insert(entry.clone());
                if before.index != entry.index || remote(&before) != remote(&entry) {
                    Some(FdbChange::Moved { from: before, to: entry })
                } else if same(&before, &entry) {
                    None
                } else {
                    Some(FdbChange::Updated { before, after: entry })
                }
            }
        }
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<FdbChange> {
        self.entries.remove(key).map(FdbChange::Deleted)
    }

    /// Does what an event says.
    pub(super) fn apply(&mut self, key: Key, event: FdbEvent) -> Option<FdbChange> {
        match event {
            FdbEvent::New(entry) => self.put(key, entry),
            FdbEvent::Deleted(_) => self.remove(&key),
        }
    }
}

/// Whether two readings of an entry are the same but for what changes by itself: its ages, and whether an entry past its
/// time was collected yet.
fn same(a: &FdbEntry, b: &FdbEntry) -> bool {
    let aged = FdbState::STALE | FdbState::REACHABLE;
    let state =
        |entry: &FdbEntry| if entry.state.intersects(aged) { entry.state | aged } else { entry.state };
    state(a) == state(b)
        && a.flags == b.flags
        && a.flags_ext.unwrap_or_default() == b.flags_ext.unwrap_or_default()
        && a.notify.unwrap_or_default() == b.notify.unwrap_or_default()
        && a.protocol == b.protocol
        && a.link_netnsid == b.link_netnsid
}

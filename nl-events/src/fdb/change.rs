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

#[cfg(test)]
mod tests {
    use nl_bridge::fdb::{FdbFlags, FdbFlagsExt, FdbNotify, RTM_NEWNEIGH};
    use nl_core::attr::AttrBuf;
    use nl_core::message::{AF_BRIDGE, FixedHeader, MessageRef, NdMsg};

    use super::*;

    fn entry() -> FdbEntry {
        let mut entry = FdbEntry::new(MacAddr::new([2, 0, 0, 0, 0, 1]), 5);
        entry.master = Some(3);
        entry.state = FdbState::REACHABLE;
        entry
    }

    /// As the kernel sends it, a second old.
    fn aged() -> FdbEntry {
        let mut payload = Vec::new();
        NdMsg { family: AF_BRIDGE, index: 5, state: 2, flags: 0, kind: 0 }.write(&mut payload);
        let mut attrs = AttrBuf::new();
        let ticks = [100_u32, 100, 100, 1].map(u32::to_ne_bytes).concat();
        attrs.writer().bytes(2, &[2, 0, 0, 0, 0, 1]).bytes(3, &ticks).u32(9, 3);
        payload.extend(attrs.finish().unwrap());
        let entry = FdbEntry::decode(MessageRef::from_parts(RTM_NEWNEIGH, 0, &payload)).unwrap();
        assert!(entry.ages.is_some());
        entry
    }

    fn change(before: &FdbEntry, after: &FdbEntry) -> Option<FdbChange> {
        assert!(before.key() == after.key());
        let keyed = |entry: &FdbEntry| Arc::new(Keyed(entry.clone()));
        let changed = Change::Changed { before: keyed(before), after: keyed(after) };
        (!before.is_same(after)).then(|| changed.into())
    }

    #[test]
    fn every_field_that_differs_is_an_update_or_a_move() {
        type Edit = fn(&mut FdbEntry);
        let updates: [(&str, Edit); 9] = [
            ("state", |e| e.state = FdbState::NOARP),
            ("state beside ages", |e| e.state |= FdbState::NOARP),
            ("flags", |e| e.flags = FdbFlags::STICKY),
            ("flags_ext", |e| e.flags_ext = Some(FdbFlagsExt::LOCKED)),
            ("link_netnsid", |e| e.link_netnsid = Some(0)),
            ("protocol", |e| e.protocol = Some(3)),
            ("notify", |e| e.notify = Some(FdbNotify::ACTIVITY)),
            ("dont_refresh", |e| e.dont_refresh = true),
            ("kind", |e| e.kind = 1),
        ];
        for (field, edit) in updates {
            let mut after = entry();
            edit(&mut after);
            assert!(matches!(change(&entry(), &after), Some(FdbChange::Updated { .. })), "{field}");
        }
        let moves: [(&str, Edit); 6] = [
            ("index", |e| e.index = 6),
            ("dst", |e| e.dst = Some(IpAddr::from([192, 0, 2, 1]))),
            ("port", |e| e.port = Some(4789)),
            ("vni", |e| e.vni = Some(7)),
            ("via", |e| e.via = Some(8)),
            ("nexthop", |e| e.nexthop = Some(9)),
        ];
        for (field, edit) in moves {
            let mut after = entry();
            edit(&mut after);
            assert!(matches!(change(&entry(), &after), Some(FdbChange::Moved { .. })), "{field}");
        }
    }

    #[test]
    fn every_field_of_the_key_makes_another_entry() {
        type Edit = fn(&mut FdbEntry);
        let edits: [(&str, Edit); 4] = [
            ("mac", |e| e.mac = MacAddr::new([2, 0, 0, 0, 0, 2])),
            ("master", |e| e.master = Some(4)),
            ("vlan", |e| e.vlan = Some(1)),
            ("src_vni", |e| e.src_vni = Some(1)),
        ];
        for (field, edit) in edits {
            let mut other = entry();
            edit(&mut other);
            assert!(entry().key() != other.key(), "{field}");
        }
        let mut group = FdbEntry::new(MacAddr::ZERO, 5);
        group.dst = Some(IpAddr::from([192, 0, 2, 1]));
        let mut other = group.clone();
        other.dst = Some(IpAddr::from([192, 0, 2, 2]));
        assert!(group.key() != other.key());
    }

    #[test]
    fn ages_and_attributes_that_are_empty_are_no_change() {
        type Edit = fn(&mut FdbEntry);
        let edits: [(&str, Edit); 4] = [
            ("ages", |e| e.ages = aged().ages),
            ("an entry past its time", |e| e.state = FdbState::STALE),
            ("flags_ext", |e| e.flags_ext = Some(FdbFlagsExt::empty())),
            ("notify", |e| e.notify = Some(FdbNotify::empty())),
        ];
        for (field, edit) in edits {
            let mut after = entry();
            edit(&mut after);
            assert_eq!(change(&entry(), &after), None, "{field}");
        }
    }
}

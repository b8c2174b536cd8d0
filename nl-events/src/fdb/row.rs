use std::borrow::Cow;
use std::net::IpAddr;

use nl_bridge::fdb::{FdbEntry, FdbState};
use nl_core::MacAddr;
use nl_core::watch::Entry;

/// An entry of a table that is watched.
#[derive(Clone, PartialEq)]
pub(super) struct FdbRow(pub(super) FdbEntry);

impl FdbRow {
    /// Whether such entries are watched: the address filters of plain devices change without an event.
    pub(super) fn is_watched(entry: &FdbEntry) -> bool {
        entry.is_bridge() || entry.is_tunnel()
    }
}

impl Entry for FdbRow {
    type Key = Key;

    fn key(&self) -> Key {
        let Self(entry) = self;
        let many = entry.master.is_none() && (entry.mac.is_multicast() || entry.mac.is_zero());
        Key {
            table: entry.master.unwrap_or(entry.index),
            mac: entry.mac,
            vlan: entry.vlan,
            src_vni: entry.src_vni,
            remote: many.then(|| Remote::of(entry)),
        }
    }

    /// Without the ages, and without the difference between an expired and a live dynamic entry. Omitted attributes become empty.
    fn normalized(&self) -> Cow<'_, Self> {
        let Self(mut entry) = self.clone();
        let aged = FdbState::STALE | FdbState::REACHABLE;
        if entry.state.intersects(aged) {
            entry.state |= aged;
        }
        entry.ages = None;
        entry.flags_ext = Some(entry.flags_ext.unwrap_or_default());
        entry.notify = Some(entry.notify.unwrap_or_default());
        Cow::Owned(Self(entry))
    }
}

/// The identity of an FDB entry.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The bridge, or the VXLAN device.
    table: u32,
    mac: MacAddr,
    vlan: Option<u16>,
    src_vni: Option<u32>,
    /// Only for group and all-zero addresses, which have many remotes.
    remote: Option<Remote>,
}

/// The destination of an entry of a VXLAN device.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Remote {
    dst: Option<IpAddr>,
    port: Option<u16>,
    vni: Option<u32>,
    via: Option<u32>,
    nexthop: Option<u32>,
}

impl Remote {
    pub(super) fn of(entry: &FdbEntry) -> Self {
        Self { dst: entry.dst, port: entry.port, vni: entry.vni, via: entry.via, nexthop: entry.nexthop }
    }
}

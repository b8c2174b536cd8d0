use std::collections::BTreeSet;
use std::net::IpAddr;

use nl_bridge::fdb::{FdbEntry, FdbFlags, FdbFlagsExt, FdbNotify, FdbState, RTM_NEWNEIGH};
use nl_core::MacAddr;
use nl_core::attr::AttrBuf;
use nl_core::message::{AF_BRIDGE, FixedHeader, MessageRef, NdMsg};
use nl_core::watch::{Change, Entry};

use super::change::FdbChange;
use super::row::FdbRow;

type Edit = fn(&mut FdbEntry);

/// Fields outside the key, whose edit is an update.
const UPDATES: [(&str, Edit); 9] = [
    ("state", |e| e.state = FdbState::NOARP),
    ("state", |e| e.state |= FdbState::NOARP),
    ("flags", |e| e.flags = FdbFlags::STICKY),
    ("flags_ext", |e| e.flags_ext = Some(FdbFlagsExt::LOCKED)),
    ("link_netnsid", |e| e.link_netnsid = Some(0)),
    ("protocol", |e| e.protocol = Some(3)),
    ("notify", |e| e.notify = Some(FdbNotify::ACTIVITY)),
    ("dont_refresh", |e| e.dont_refresh = true),
    ("ndm_type", |e| e.ndm_type = 1),
];
const MOVES: [(&str, Edit); 6] = [
    ("index", |e| e.index = 6),
    ("dst", |e| e.dst = Some(IpAddr::from([192, 0, 2, 1]))),
    ("port", |e| e.port = Some(4789)),
    ("vni", |e| e.vni = Some(7)),
    ("via", |e| e.via = Some(8)),
    ("nexthop", |e| e.nexthop = Some(9)),
];
const KEYS: [(&str, Edit); 4] = [
    ("mac", |e| e.mac = MacAddr::new([2, 0, 0, 0, 0, 2])),
    ("master", |e| e.master = Some(4)),
    ("vlan", |e| e.vlan = Some(1)),
    ("src_vni", |e| e.src_vni = Some(1)),
];
/// Not compared, because the kernel changes them without an event.
const IGNORED: [(&str, Edit); 1] = [("ages", |e| e.ages = aged().ages)];

fn entry() -> FdbEntry {
    let mut entry = FdbEntry::new(MacAddr::new([2, 0, 0, 0, 0, 1]), 5);
    entry.master = Some(3);
    entry.state = FdbState::REACHABLE;
    entry
}

/// The same entry as the kernel sends it, one second old.
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

fn row(entry: &FdbEntry) -> FdbRow {
    FdbRow(entry.clone())
}

fn change(before: &FdbEntry, after: &FdbEntry) -> Option<FdbChange> {
    let (before, after) = (row(before), row(after));
    assert!(before.key() == after.key());
    let changed = before.normalized() != after.normalized();
    changed.then(|| Change::Changed { before, after }.into())
}

fn edited(edit: Edit) -> FdbEntry {
    let mut entry = entry();
    edit(&mut entry);
    entry
}

/// A new field of `FdbEntry` fails this test until it is in a list above. The tests below then check that its changes are reported.
#[test]
fn every_field_of_entry_is_edited_by_a_test() {
    let shown = format!("{:#?}", entry());
    let fields: BTreeSet<_> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with([' ', '}'])))
        .filter_map(|line| line.split_once(": ").map(|(field, _)| field))
        .collect();
    assert_eq!(fields.len(), 19, "{shown}");
    let edits = UPDATES.iter().chain(&MOVES).chain(&KEYS).chain(&IGNORED);
    assert_eq!(fields, edits.clone().map(|(field, _)| *field).collect());
    for (field, edit) in edits {
        assert_ne!(edited(*edit), entry(), "{field}");
    }
}

#[test]
fn differing_field_is_an_update_or_a_move() {
    for (field, edit) in UPDATES {
        let change = change(&entry(), &edited(edit));
        assert!(matches!(change, Some(FdbChange::Updated { .. })), "{field}: {change:?}");
    }
    for (field, edit) in MOVES {
        let change = change(&entry(), &edited(edit));
        assert!(matches!(change, Some(FdbChange::Moved { .. })), "{field}: {change:?}");
    }
}

#[test]
fn differing_key_field_is_another_entry() {
    for (field, edit) in KEYS {
        assert!(row(&entry()).key() != row(&edited(edit)).key(), "{field}");
    }
    let mut group = FdbEntry::new(MacAddr::ZERO, 5);
    group.dst = Some(IpAddr::from([192, 0, 2, 1]));
    let mut other = group.clone();
    other.dst = Some(IpAddr::from([192, 0, 2, 2]));
    assert!(row(&group).key() != row(&other).key());
}

#[test]
fn ages_and_empty_attributes_are_no_change() {
    let edits: [(&str, Edit); 3] = [
        ("an entry past its time", |e| e.state = FdbState::STALE),
        ("flags_ext", |e| e.flags_ext = Some(FdbFlagsExt::empty())),
        ("notify", |e| e.notify = Some(FdbNotify::empty())),
    ];
    for (field, edit) in IGNORED.into_iter().chain(edits) {
        assert_eq!(change(&entry(), &edited(edit)), None, "{field}");
    }
}

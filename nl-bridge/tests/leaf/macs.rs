//! MAC addresses behind other leaves, which a control plane keeps beside the description.

use nl_bridge::fdb::{FdbEntry, FdbFlags, FdbState, RemoteMac};
use nl_bridge::leaf::{
    BridgeConfig, InterfaceConfig, LeafMac, MacChange, MacTable, RouterConfig, SegmentConfig, VxlanConfig,
};
use nl_core::MacAddr;
use proptest::prelude::*;

use crate::kernel::Kernel;
use crate::{leaf, lines};

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 7]);

fn with(maps: &[(u16, u32)]) -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(leaf(1));
    BridgeConfig::new("br0").vxlan(maps.iter().fold(vxlan, |vxlan, (vlan, vni)| vxlan.map(*vlan, *vni)))
}

/// Applies a description, checks that a second plan is empty, and returns the steps.
fn applied(config: &BridgeConfig, kernel: &mut Kernel) -> Vec<String> {
    let plan = config.plan(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    assert_eq!(lines(&config.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);
    lines(&plan)
}

#[test]
fn vni_that_moves_to_another_vlan_leaves_no_addresses_behind() {
    let mut kernel = Kernel::new(&[]);
    applied(&with(&[(10, 10010), (20, 10020)]), &mut kernel);
    for vlan in [10, 20] {
        kernel.learn("vx0", vlan, MAC);
    }
    let steps = applied(&with(&[(11, 10010), (20, 10020)]), &mut kernel);
    assert_eq!(
        steps,
        [
            "add vlan dev vx0 vid 11",
            "flush fdb dev br0 brport vx0 vlan 10 extern_learn",
            "set tunnel dev vx0 unmap 10 map 11 to 10010",
            "delete vlan dev vx0 vid 10",
        ]
    );
    // Those of what stays are left.
    assert_eq!(kernel.learned("vx0"), [(20, MAC)]);
}

#[test]
fn vlans_that_exchange_their_vnis_forget_their_addresses() {
    let mut kernel = Kernel::new(&[]);
    applied(&with(&[(10, 10010), (20, 10020), (30, 10030)]), &mut kernel);
    for vlan in [10, 20, 30] {
        kernel.learn("vx0", vlan, MAC);
    }
    let steps = applied(&with(&[(10, 10020), (20, 10010), (30, 10030)]), &mut kernel);
    let flushed: Vec<_> = steps.iter().filter(|step| step.starts_with("flush")).collect();
    assert_eq!(
        flushed,
        [
            "flush fdb dev br0 brport vx0 vlan 10 extern_learn",
            "flush fdb dev br0 brport vx0 vlan 20 extern_learn",
        ]
    );
    assert_eq!(kernel.learned("vx0"), [(30, MAC)]);
}

/// Somebody takes the VLAN from the port, which leaves the addresses, and the next plan finds them.
#[test]
fn addresses_of_a_vlan_that_somebody_removed_are_found() {
    let mut kernel = Kernel::new(&[]);
    applied(&with(&[(10, 10010)]), &mut kernel);
    kernel.learn("vx0", 10, MAC);
    kernel.delete_vlan("vx0", 10);
    assert_eq!(
        applied(&with(&[]), &mut kernel),
        ["flush fdb dev br0 brport vx0 vlan 10 extern_learn", "delete vni 10010 dev vx0"]
    );
    assert!(kernel.learned("vx0").is_empty());
}

#[test]
fn addresses_in_a_vlan_of_others_are_left() {
    let mut kernel = Kernel::new(&[]);
    let own = || with(&[(10, 10010)]).own_vlans(1..=99);
    applied(&own(), &mut kernel);
    kernel.add_vlans("vx0", &[1200]);
    kernel.learn("vx0", 1200, MAC);
    assert_eq!(applied(&own(), &mut kernel), [] as [&str; 0]);
    assert_eq!(kernel.learned("vx0"), [(1200, MAC)]);
    let steps = applied(&own().exact(), &mut kernel);
    assert_eq!(steps[0], "flush fdb dev br0 brport vx0 vlan 1200 extern_learn");
    assert!(kernel.learned("vx0").is_empty());
}

/// The kernel keeps what the VXLAN device knows of a VNI that leaves its filter, and it would be there for whoever gets the VNI next.
#[test]
fn addresses_of_a_vni_that_no_vlan_has_any_more_are_removed() {
    let mut kernel = Kernel::new(&[]);
    let own = |maps: &[(u16, u32)]| with(maps).own_vnis(10_000..=19_999).own_nexthops(5001..=5099);
    applied(&own(&[(10, 10010), (20, 10020)]).segment(SegmentConfig::new(5001).leaf(leaf(2))), &mut kernel);
    for vni in [10010, 10020, 77] {
        kernel.add_behind("vx0", MAC, vni, 5001);
    }
    let kept = || own(&[(20, 10020)]).segment(SegmentConfig::new(5001).leaf(leaf(2)));
    let steps = applied(&kept(), &mut kernel);
    let deleted: Vec<_> = steps.iter().filter(|step| step.contains("fdb")).collect();
    assert_eq!(deleted, ["delete fdb 02:00:00:00:00:07 dev vx0 src_vni 10010 nhid 5001 self permanent"]);
    // Those of a VNI that stays, and of one that is not the description's.
    assert_eq!(kernel.tunnels("vx0").len(), 2);
}

const fn mac(number: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 2, number])
}

/// Both entries of an address as a list has them: that of the device, and that of the bridge.
fn rows(it: RemoteMac) -> [FdbEntry; 2] {
    let [device, mut bridge] = it.entries();
    bridge.master = Some(3);
    [device, bridge]
}

fn remote(number: u8, vlan: u16, vni: u32) -> RemoteMac {
    RemoteMac::new(mac(number), 7).vlan(vlan).src_vni(vni)
}

fn two() -> BridgeConfig {
    with(&[(10, 10010), (20, 10020)])
}

#[test]
fn addresses_that_differ_are_written_and_those_that_are_not_wanted_removed() {
    let there = [
        rows(remote(1, 10, 10010).dst(leaf(2))),
        rows(remote(2, 10, 10010).dst(leaf(2))),
        rows(remote(3, 20, 10020).nexthop(5001)),
        rows(remote(4, 20, 10020).dst(leaf(3))),
    ];
    let mut there: Vec<FdbEntry> = there.into_iter().flatten().collect();
    // The bridge has lost one.
    let [device, _] = rows(remote(5, 10, 10010).dst(leaf(2)));
    there.push(device);
    let wanted = [
        LeafMac::new(mac(1), 10010, leaf(2)),
        LeafMac::new(mac(2), 10010, leaf(9)),
        // The same address in another VNI is another one.
        LeafMac::new(mac(2), 10020, leaf(2)),
        LeafMac::on_segment(mac(3), 10020, 5001),
        LeafMac::new(mac(5), 10010, leaf(2)),
    ];
    let changes = two().plan_macs(wanted, &there).unwrap();
    let expected = [
        MacChange::Replace(LeafMac::new(mac(2), 10010, leaf(9))),
        MacChange::Replace(LeafMac::new(mac(2), 10020, leaf(2))),
        MacChange::Replace(LeafMac::new(mac(5), 10010, leaf(2))),
        MacChange::Delete { mac: mac(4), vni: 10020 },
    ];
    assert_eq!(changes, expected);
}

#[test]
fn addresses_of_others_and_of_routers_are_left() {
    let transit = InterfaceConfig::new("vlan20", 20).router(RouterConfig::new(leaf(2), mac(1)));
    let config = two().interface(transit);
    let [device, _] = rows(remote(4, 10, 10010).dst(leaf(2)));
    let mut by_hand = device.clone();
    by_hand.flags.remove(FdbFlags::EXT_LEARNED);
    let mut elsewhere = device;
    elsewhere.src_vni = Some(77);
    let there = [
        rows(remote(1, 20, 10020).dst(leaf(2)).router()).to_vec(),
        // That of a router which the description does not know.
        rows(remote(2, 10, 10010).dst(leaf(2)).router()).to_vec(),
        vec![by_hand, elsewhere],
        rows(RemoteMac::new(MacAddr::ZERO, 7).vlan(10).src_vni(10010).dst(leaf(2))).to_vec(),
    ];
    let there = there.concat();
    assert!(config.plan_macs([], &there).unwrap().is_empty());
    let error = config.plan_macs([LeafMac::new(mac(1), 10020, leaf(2))], []).unwrap_err().to_string();
    assert_eq!(
        error,
        "leaf br0: macs: 02:00:00:00:02:01: it is that of a router of the description, in vni 10020"
    );
}

/// As `bridge fdb add … static` makes it.
fn by_hand(mut entry: FdbEntry) -> FdbEntry {
    entry.flags.remove(FdbFlags::EXT_LEARNED);
    entry.state = FdbState::NOARP;
    entry
}

/// One entry of an address is somebody else's: it stays, and the other one is written or removed alone.
#[test]
fn entry_of_others_under_an_address_is_left() {
    let mut there = Vec::new();
    for number in [1, 2, 3, 4, 5, 6] {
        let [device, bridge] = rows(remote(number, 10, 10010).dst(leaf(2)));
        match number {
            // The bridge's entry is that of an operator.
            1 | 4 => there.extend([device, by_hand(bridge)]),
            // That of the device is.
            2 | 5 => there.extend([by_hand(device), bridge]),
            // Both are.
            _ => there.extend([by_hand(device), by_hand(bridge)]),
        }
    }
    let delete = |number, table| MacChange::DeleteOne { mac: mac(number), vni: 10010, table };
    let removed = [1, 2, 4, 5].map(|number| match number {
        1 | 4 => delete(number, MacTable::Device),
        _ => delete(number, MacTable::Bridge),
    });
    assert_eq!(two().plan_macs([], &there).unwrap(), removed);
    let moved = |number| LeafMac::new(mac(number), 10010, leaf(9));
    let changes = two().plan_macs([1, 2, 3].map(moved), &there).unwrap();
    let expected = [
        MacChange::ReplaceOne { mac: moved(1), table: MacTable::Device },
        delete(4, MacTable::Device),
        delete(5, MacTable::Bridge),
    ];
    assert_eq!(changes, expected);
    // What is missing beside an entry of somebody else is written, and then nothing differs.
    let alone: Vec<FdbEntry> =
        there[..4].iter().filter(|row| !row.flags.contains(FdbFlags::EXT_LEARNED)).cloned().collect();
    let wanted = [1, 2].map(|number| LeafMac::new(mac(number), 10010, leaf(2)));
    let expected = [
        MacChange::ReplaceOne { mac: wanted[0], table: MacTable::Device },
        MacChange::ReplaceOne { mac: wanted[1], table: MacTable::Bridge },
    ];
    assert_eq!(two().plan_macs(wanted, &alone).unwrap(), expected);
    assert_eq!(two().plan_macs(wanted, &there[..4]).unwrap(), []);
}

/// What was learned from a frame ages, and is nobody's.
#[test]
fn learned_entry_is_no_entry_of_others() {
    let [device, mut bridge] = rows(remote(1, 10, 10010).dst(leaf(2)));
    bridge.flags.remove(FdbFlags::EXT_LEARNED);
    let there = [device, bridge];
    let wanted = LeafMac::new(mac(1), 10010, leaf(2));
    assert_eq!(two().plan_macs([wanted], &there).unwrap(), [MacChange::Replace(wanted)]);
    assert_eq!(two().plan_macs([], &there).unwrap(), [MacChange::Delete { mac: mac(1), vni: 10010 }]);
}

#[test]
fn bad_addresses_are_refused_with_the_reason() {
    let twice = [LeafMac::new(mac(1), 10010, leaf(2)), LeafMac::on_segment(mac(1), 10010, 5001)];
    let cases = [
        (vec![LeafMac::new(mac(1), 77, leaf(2))], "02:00:00:00:02:01: vni 77 has no VLAN"),
        (
            vec![LeafMac::new(MacAddr::ZERO, 10010, leaf(2))],
            "mac: 00:00:00:00:00:00 cannot be the address of a device",
        ),
        (vec![LeafMac::on_segment(mac(1), 10010, 0)], "nexthop id 0; 1 to 4294967295 are possible"),
        (
            vec![LeafMac::new(mac(1), 10010, "2001:db8::1".parse().unwrap())],
            "02:00:00:00:02:01: dst: 2001:db8::1 and 192.0.2.1 are of different families",
        ),
        (twice.to_vec(), "02:00:00:00:02:01 is there twice in vni 10010"),
    ];
    for (wanted, text) in cases {
        let error = two().plan_macs(wanted, []).unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert_eq!(error.to_string(), format!("leaf br0: macs: {text}"));
    }
}

#[cfg(feature = "serde")]
#[test]
fn address_is_read_from_a_line() {
    let line = r#"{"mac":"02:00:00:00:02:01","vni":10010,"dst":"192.0.2.2"}"#;
    let read: LeafMac = serde_json::from_str(line).unwrap();
    assert_eq!(read, LeafMac::new(mac(1), 10010, leaf(2)));
    assert_eq!(serde_json::to_string(&read).unwrap(), line);
    let read: LeafMac =
        serde_json::from_str(r#"{"nhid":5001,"vni":10010,"mac":"02:00:00:00:02:01"}"#).unwrap();
    assert_eq!(read, LeafMac::on_segment(mac(1), 10010, 5001));
    assert!(serde_json::from_str::<LeafMac>(r#"{"mac":"02:00:00:00:02:01","vni":10010}"#).is_err());
}

/// A row of an address: whether it is there, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Row {
    No,
    Own,
    Foreign,
}

fn any_row() -> impl Strategy<Value = Row> {
    prop_oneof![Just(Row::No), Just(Row::Own), Just(Row::Foreign)]
}

/// Addresses by VNI; which of both rows are there.
fn any_macs() -> impl Strategy<Value = Vec<(LeafMac, [Row; 2])>> {
    let behind = prop_oneof![(2..5_u8).prop_map(Ok::<u8, u32>), (5001..5003_u32).prop_map(Err::<u8, u32>)];
    let each = (behind, [any_row(), any_row()]);
    prop::collection::btree_map((0..6_u8, any::<bool>()), each, 0..12).prop_map(|macs| {
        let each = macs.into_iter().map(|((number, second), (behind, there))| {
            let vni = if second { 10020 } else { 10010 };
            let it = match behind {
                Ok(number_of_leaf) => LeafMac::new(mac(number), vni, leaf(number_of_leaf)),
                Err(id) => LeafMac::on_segment(mac(number), vni, id),
            };
            (it, there)
        });
        each.collect()
    })
}

const fn vlan_of(vni: u32) -> u16 {
    if vni == 10010 { 10 } else { 20 }
}

fn listed(it: &LeafMac) -> [FdbEntry; 2] {
    let remote = RemoteMac::new(it.mac, 7).vlan(vlan_of(it.vni)).src_vni(it.vni);
    rows(match it.behind {
        nl_bridge::leaf::Behind::Leaf(leaf) => remote.dst(leaf),
        nl_bridge::leaf::Behind::Segment(id) => remote.nexthop(id),
        other => unreachable!("{other:?}"),
    })
}

fn is_own(row: &FdbEntry) -> bool {
    row.flags.contains(FdbFlags::EXT_LEARNED)
}

/// Whether an entry is that of an address in one of the tables.
fn is_of(row: &FdbEntry, mac: MacAddr, vni: u32, table: MacTable) -> bool {
    row.mac == mac
        && match table {
            MacTable::Bridge => row.is_bridge() && row.vlan == Some(vlan_of(vni)),
            MacTable::Device => row.src_vni == Some(vni),
        }
}

proptest! {
    #[test]
    fn any_addresses_become_any_others_and_those_of_others_stay(before in any_macs(), after in any_macs()) {
        let there = before.iter().flat_map(|(it, there)| {
            let rows = listed(it).into_iter().zip(*there);
            rows.filter_map(|(row, is)| match is {
                Row::No => None,
                Row::Own => Some(row),
                Row::Foreign => Some(by_hand(row)),
            })
        });
        let mut there: Vec<FdbEntry> = there.collect();
        let foreign: Vec<FdbEntry> = there.iter().filter(|row| !is_own(row)).cloned().collect();
        let wanted = || after.iter().map(|(it, _)| *it);
        let both = [MacTable::Device, MacTable::Bridge];
        for change in two().plan_macs(wanted(), &there).unwrap() {
            let (mac, vni, tables, new) = match change {
                MacChange::Replace(it) => (it.mac, it.vni, both.to_vec(), Some(it)),
                MacChange::ReplaceOne { mac: it, table } => (it.mac, it.vni, vec![table], Some(it)),
                MacChange::Delete { mac, vni } => (mac, vni, both.to_vec(), None),
                MacChange::DeleteOne { mac, vni, table } => (mac, vni, vec![table], None),
                other => unreachable!("{other:?}"),
            };
            let before = there.len();
            there.retain(|row| !tables.iter().any(|table| is_of(row, mac, vni, *table)));
            match new {
                Some(it) => there.extend(
                    listed(&it).into_iter().zip(both).filter(|(_, table)| tables.contains(table)).map(|(row, _)| row),
                ),
                None => prop_assert!(there.len() < before, "nothing would be done: {:?}", change),
            }
        }
        prop_assert!(two().plan_macs(wanted(), &there).unwrap().is_empty());
        // Those of others are as they were, and each wanted address has both.
        let left: Vec<FdbEntry> = there.iter().filter(|row| !is_own(row)).cloned().collect();
        prop_assert_eq!(&left, &foreign);
        let has = |it: &LeafMac, table| there.iter().any(|row| is_of(row, it.mac, it.vni, table));
        prop_assert!(wanted().all(|it| both.iter().all(|table| has(&it, *table))));
        let is_wanted = |row: &FdbEntry| wanted().any(|it| both.iter().any(|table| is_of(row, it.mac, it.vni, *table)));
        prop_assert!(there.iter().all(|row| is_wanted(row) || !is_own(row)));
    }
}

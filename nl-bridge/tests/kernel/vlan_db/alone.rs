//! Setting an option of VLANs changes that option of these VLANs, and nothing else.

use std::collections::BTreeMap;

use nl_bridge::vlan_db::{McastRouter, StpState, VlanDb, VlanDbEntry, VlanDbVerb};
use nl_core::Connection;
use nl_testkit::race::Dice;
use nl_testkit::{Lab, Node, Result, kernel_version};
use serde_json::{Value, json};

use super::support::*;

const FIRST: u16 = 10;
const LAST: u16 = 15;

/// The options of one request: each is there or not, and at least one is.
fn options(dice: &mut Dice, is_port: bool, mut entry: VlanDbEntry) -> VlanDbEntry {
    let states = [
        StpState::Disabled,
        StpState::Listening,
        StpState::Learning,
        StpState::Forwarding,
        StpState::Blocking,
    ];
    let routers = [McastRouter::Disabled, McastRouter::Learn, McastRouter::Permanent];
    let last: u8 = match kernel_version() {
        _ if !is_port => 2,
        version if version >= (7, 2) => 5,
        version if version >= (6, 4) => 4,
        _ => 2,
    };
    // This one in any case.
    let one = dice.roll(last);
    for option in 0..last {
        if option != one && dice.roll(3_u8) != 0 {
            continue;
        }
        entry = match option {
            0 => entry.state(*dice.pick(&states)),
            1 => entry.mcast_router(*dice.pick(&routers)),
            2 => entry.mcast_max_groups(*dice.pick(&[0, 1, 7, u32::MAX])),
            3 => entry.neigh_suppress(dice.roll(2_u8) == 0),
            _ => entry.neigh_forward_grat(dice.roll(2_u8) == 0),
        };
    }
    entry
}

/// What a request sets of an entry that is there.
fn apply(entry: &mut VlanDbEntry, set: &VlanDbEntry) {
    entry.state = set.state.or(entry.state);
    entry.mcast_router = set.mcast_router.or(entry.mcast_router);
    entry.mcast_max_groups = set.mcast_max_groups.or(entry.mcast_max_groups);
    entry.neigh_suppress = set.neigh_suppress.or(entry.neigh_suppress);
    entry.neigh_forward_grat = set.neigh_forward_grat.or(entry.neigh_forward_grat);
}

async fn all(conn: &Connection) -> BTreeMap<(&'static str, u16), VlanDbEntry> {
    let mut out = BTreeMap::new();
    for dev in ["br0", "p1", "p2"] {
        out.extend(vlans(conn, dev).await.into_iter().map(|(vlan, entry)| ((dev, vlan), entry)));
    }
    out
}

/// The flags of all VLANs, as iproute2 shows them.
async fn all_flags(node: &Node) -> Vec<Value> {
    let mut out = Vec::new();
    for dev in ["br0", "p1", "p2"] {
        for vlan in FIRST..=LAST + 1 {
            out.push(json!([dev, vlan, flags(node, dev, vlan).await]));
        }
    }
    out
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", iproute2 = "6.8"), timeout = 120)]
async fn setting_any_options_leaves_flags_membership_and_the_other_options(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    node.ip("link set br0 type bridge mcast_vlan_snooping 1").await;
    for line in [
        "vlan add vid 10 dev p1 pvid untagged",
        "vlan add vid 11 dev p1 untagged",
        "vlan add vid 12-15 dev p1",
        "vlan add vid 10-14 dev p2 untagged",
        "vlan add vid 15 dev p2 pvid",
        "vlan add vid 10-12 dev br0 self",
        "vlan add vid 13 dev br0 self pvid untagged",
        "vlan add vid 14-15 dev br0 self untagged",
    ] {
        node.bridge(line).await;
    }
    let db = VlanDb::new(route(&node).await);
    let flags = all_flags(&node).await;
    assert_eq!(flags[7], json!(["p1", 10, ["PVID", "Egress Untagged"]]));
    let mut expected = all(db.connection()).await;
    assert_eq!(expected.len(), 3 * usize::from(LAST - FIRST + 1));
    let mut dice = Dice::new(0x5eed);
    for round in 0..60 {
        let dev = *dice.pick(&["p1", "p1", "p2", "br0"]);
        let first = FIRST + dice.roll(LAST - FIRST + 1);
        let last = first + dice.roll(LAST - first + 1);
        let range = nl_bridge::VlanRange::new(first, last)?;
        let set = options(&mut dice, dev != "br0", VlanDbEntry::new(node.index_of(dev).await?, range));
        db.connection().ack(set.request(VlanDbVerb::Set)).await?;
        for vlan in first..=last {
            apply(expected.get_mut(&(dev, vlan)).unwrap(), &set);
        }
        assert_eq!(all(db.connection()).await, expected, "round {round}: {set} on {dev}");
    }
    assert_eq!(all_flags(&node).await, flags);
    // A VLAN that is not there is not made, and those beside it stay.
    let error = db.entry("p1", LAST..=LAST + 1).state(StpState::Blocking).set().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(all(db.connection()).await, expected);
    Ok(())
}

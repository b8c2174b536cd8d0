//! Multihoming: segments as nexthop groups, and bonds with peers.

use nl_bridge::leaf::{BridgeConfig, PortConfig, SegmentConfig, VxlanConfig};
use nl_core::MacAddr;
use nl_core::nexthop::Nexthop;
use proptest::prelude::*;

use crate::kernel::Kernel;
use crate::{leaf, lines};

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 7]);

fn segment(id: u32, leaves: &[u8]) -> SegmentConfig {
    leaves.iter().fold(SegmentConfig::new(id), |segment, number| segment.leaf(leaf(*number)))
}

fn base() -> BridgeConfig {
    BridgeConfig::new("br0").vxlan(VxlanConfig::new("vx0").local(leaf(1)).map(10, 10010))
}

/// A leaf with these segments.
fn with(segments: impl IntoIterator<Item = SegmentConfig>) -> BridgeConfig {
    segments.into_iter().fold(base().own_nexthops(5000..=5099), BridgeConfig::segment)
}

fn applied(config: &BridgeConfig, kernel: &mut Kernel) -> Vec<String> {
    let plan = config.plan(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    assert_eq!(lines(&config.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0], "behind\n{plan}");
    lines(&plan)
}

#[test]
fn segment_is_a_group_of_the_nexthops_of_its_leaves() {
    let mut kernel = Kernel::new(&[]);
    applied(&base(), &mut kernel);
    let steps = applied(&with([segment(5001, &[2, 3]), segment(5002, &[3])]), &mut kernel);
    assert_eq!(
        steps,
        [
            "add nexthop id 5099 via 192.0.2.2 proto 203 fdb",
            "add nexthop id 5098 via 192.0.2.3 proto 203 fdb",
            "replace nexthop id 5001 group 5098/5099 proto 203 fdb",
            "replace nexthop id 5002 group 5098 proto 203 fdb",
        ]
    );
}

/// The new leaf is there before the group has it, and the old one goes behind that.
#[test]
fn segment_that_switches_over_is_replaced_at_once() {
    let mut kernel = Kernel::new(&[]);
    applied(&with([segment(5001, &[2, 3])]), &mut kernel);
    kernel.add_behind("vx0", MAC, 10010, 5001);
    assert_eq!(
        applied(&with([segment(5001, &[3, 4])]), &mut kernel),
        [
            "add nexthop id 5097 via 192.0.2.4 proto 203 fdb",
            "replace nexthop id 5001 group 5097/5098 proto 203 fdb",
            "delete nexthop id 5099",
        ]
    );
    assert_eq!(kernel.tunnels("vx0").len(), 1);
    // With the segment go the addresses behind it.
    let steps = applied(&with([]), &mut kernel);
    assert_eq!(steps, ["delete nexthop id 5001", "delete nexthop id 5097", "delete nexthop id 5098"]);
    assert_eq!(kernel.tunnels("vx0").len(), 0);
}

#[test]
fn bond_without_a_carrier_goes_to_its_peers() {
    let mut kernel = Kernel::new(&["bond1"]);
    let bond = || PortConfig::new("bond1").access(10);
    let with_peers = |leaves: &[u8]| with([]).port(bond().peers(segment(5001, leaves)));
    let steps = applied(&with_peers(&[2]), &mut kernel);
    assert!(steps.contains(&"set port bond1 backup_port vx0 backup_nhid 5001".to_owned()), "{steps:#?}");
    assert_eq!(kernel.backup("bond1"), Some(("vx0".into(), 5001)));
    // Other peers are another group under the same number.
    let steps = applied(&with_peers(&[2, 3]), &mut kernel);
    assert!(steps.iter().all(|step| !step.contains("bond1")), "{steps:#?}");
    // A VXLAN device that is replaced is another port.
    let mut anew = with_peers(&[2, 3]);
    anew.vxlan = anew.vxlan.map(|vxlan| vxlan.port(8472));
    applied(&anew, &mut kernel);
    assert_eq!(kernel.backup("bond1"), Some(("vx0".into(), 5001)));
    // The port lets go of the group before that goes.
    let steps = applied(&with([]).port(bond()), &mut kernel);
    let at = |line: &str| steps.iter().position(|step| step == line);
    assert!(at("set port bond1 nobackup_port backup_nhid 0") < at("delete nexthop id 5001"), "{steps:#?}");
    assert_eq!(kernel.backup("bond1"), None);
}

#[test]
fn nexthops_outside_of_the_range_are_left() {
    let mut kernel = Kernel::new(&[]);
    kernel.add_nexthop(Nexthop::new(99).via(leaf(2)).fdb());
    let mut routes = Nexthop::new(5050);
    routes.gateway = Some(leaf(9));
    kernel.add_nexthop(routes);
    applied(&with([segment(5001, &[2])]), &mut kernel);
    let plan = with([segment(5001, &[2])]).plan(&kernel.snapshot()).unwrap();
    let others: Vec<_> = plan.others().iter().map(ToString::to_string).collect();
    assert_eq!(others, ["unsafe: nexthop id 5050 via 192.0.2.9, which is for routes"]);
    let error = with([segment(5050, &[2])]).plan(&kernel.snapshot()).unwrap_err().to_string();
    assert_eq!(error, "leaf br0: segments[0].id: nexthop id 5050 is that of routes, and so somebody else's");
    let error = with([segment(5099, &[3])]).plan(&kernel.snapshot()).unwrap_err().to_string();
    assert!(error.ends_with("nexthop id 5099 is that of a leaf already; give another one"), "{error}");
    kernel.apply(&with([]).plan_removal(&kernel.snapshot()).unwrap());
    assert_eq!(kernel.nexthops().len(), 2, "{:?}", kernel.nexthops());
}

#[test]
fn segments_that_contradict_the_description_are_refused() {
    let mut without = with([segment(5001, &[2])]);
    without.vxlan = None;
    let cases = [
        (base().segment(segment(5001, &[2])), "segments[0]: own_nexthops is missing"),
        (base().own_nexthops(0..=9), "own_nexthops: nexthop ids 0-9; from 1 on"),
        (with([segment(4999, &[2])]), "segments[0].id: nexthop id 4999; 5000 to 5099 are possible"),
        (with([segment(5001, &[])]), "segments[0].leaves: no leaf; at least one is needed"),
        (with([segment(5001, &[2, 2])]), "segments[0].leaves[1]: 192.0.2.2 is there twice"),
        (
            with([segment(5001, &[2])]).port(PortConfig::new("bond1").peers(segment(5001, &[3]))),
            "ports[0].peers.id: nexthop id 5001 is there twice",
        ),
        (without, "segments[0]: there is no VXLAN device"),
        (
            base().own_nexthops(7..=8).segment(segment(7, &[2, 3])),
            "own_nexthops: 2 nexthop ids for 1 segments and 2 leaves; 3 are needed",
        ),
    ];
    for (config, text) in cases {
        let why = config.check().unwrap_err().to_string();
        assert!(why.starts_with(text), "{why}\nexpected {text}");
    }
    let mut reversed = base();
    reversed.own_nexthops = Some(std::ops::RangeInclusive::new(6, 5));
    let why = reversed.check().unwrap_err().to_string();
    assert!(why.starts_with("own_nexthops: nexthop ids 6-5"), "{why}");
}

#[cfg(feature = "serde")]
#[test]
fn segments_survive_a_round_trip() {
    let config = with([segment(5001, &[2])]).port(PortConfig::new("bond1").peers(segment(5002, &[3])));
    let text = serde_json::to_string(&config).unwrap();
    assert!(text.contains(r#""own_nexthops":"5000-5099""#), "{text}");
    assert!(text.contains(r#""peers":{"id":5002,"leaves":["192.0.2.3"]}"#), "{text}");
    assert_eq!(serde_json::from_str::<BridgeConfig>(&text).unwrap(), config);
}

fn any_segments() -> impl Strategy<Value = BridgeConfig> {
    let leaves = || prop::collection::btree_set(2..6_u8, 1..4);
    let remote = prop::collection::btree_map(5001..5004_u32, leaves(), 0..3);
    let bond = prop::option::of(prop::option::of((5004..5006_u32, leaves())));
    (remote, bond, prop::bool::weighted(0.9)).prop_map(|(remote, bond, iana)| {
        let each = |(id, leaves): (u32, std::collections::BTreeSet<u8>)| {
            segment(id, &leaves.into_iter().collect::<Vec<_>>())
        };
        let mut config = with(remote.into_iter().map(each));
        config.vxlan = config.vxlan.map(|vxlan| vxlan.port(if iana { 4789 } else { 8472 }));
        if let Some(peers) = bond {
            let mut port = PortConfig::new("bond1").access(10);
            port.peers = peers.map(each);
            config = config.port(port);
        }
        config
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_segments_become_any_others(before in any_segments(), after in any_segments()) {
        let mut kernel = Kernel::new(&["bond1"]);
        kernel.apply(&before.plan(&kernel.snapshot()).unwrap());
        prop_assert!(before.plan(&kernel.snapshot()).unwrap().is_empty());
        let plan = after.plan(&kernel.snapshot()).unwrap();
        for step in plan.steps() {
            let mut killed = kernel.clone();
            killed.apply(&after.plan(&killed.snapshot()).unwrap());
            let second = after.plan(&killed.snapshot()).unwrap();
            prop_assert!(second.is_empty(), "{second}before {step} of\n{plan}");
            kernel.step(step);
        }
        let second = after.plan(&kernel.snapshot()).unwrap();
        prop_assert!(second.is_empty(), "{second}behind\n{plan}");
        let peers = after.ports.first().and_then(|port| port.peers.as_ref());
        prop_assert_eq!(kernel.backup("bond1").map(|(_, id)| id), peers.map(|peers| peers.id));
        kernel.apply(&after.plan_removal(&kernel.snapshot()).unwrap());
        prop_assert_eq!(kernel.snapshot(), Kernel::new(&["bond1"]).snapshot());
    }
}

//! Symmetric routing: the routers of other leaves behind an L3 VNI.

use nl_bridge::leaf::{BridgeConfig, InterfaceConfig, RouterConfig, VrfConfig, VxlanConfig};
use nl_core::neighbour::Neighbour;
use nl_core::route::{Route, RouteProtocol};
use nl_core::{IpPrefix, MacAddr};
use proptest::prelude::*;

use crate::kernel::Kernel;
use crate::{leaf, lines};

const fn mac(number: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 1, number])
}

fn ip(text: &str) -> IpPrefix {
    text.parse().unwrap()
}

/// The router of a leaf, with what is behind it.
fn router(number: u8, prefixes: &[&str]) -> RouterConfig {
    let router = RouterConfig::new(leaf(number), mac(number));
    prefixes.iter().fold(router, |router, prefix| router.route(ip(prefix)))
}

/// A tenant with an L3 VNI.
fn tenant(routers: impl IntoIterator<Item = RouterConfig>) -> BridgeConfig {
    let transit = InterfaceConfig::new("vlan4000", 4000).vrf("red");
    BridgeConfig::new("br0")
        .address(MacAddr::new([2, 0, 0, 0, 0, 1]))
        .vrf(VrfConfig::new("red", 1001))
        .interface(routers.into_iter().fold(transit, InterfaceConfig::router))
        .vxlan(VxlanConfig::new("vx0").local(leaf(1)).map(10, 10010).map(4000, 4000))
}

fn applied(config: &BridgeConfig, kernel: &mut Kernel) -> Vec<String> {
    let plan = config.plan(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    assert_eq!(lines(&config.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0], "behind\n{plan}");
    lines(&plan)
}

/// From a public report: the L3 VNI of a tenant gets another number. Nothing of the old one is left.
#[test]
fn l3_vni_that_gets_another_number_leaves_nothing_behind() {
    let mut kernel = Kernel::new(&[]);
    let with = |vni: u32| {
        let mut config = tenant([router(2, &["10.0.20.0/24"])]);
        config.vxlan = Some(VxlanConfig::new("vx0").local(leaf(1)).map(4000, vni));
        config
    };
    applied(&with(4000), &mut kernel);
    for vni in [4001, 4000] {
        applied(&with(vni), &mut kernel);
        let tunnels = kernel.tunnels("vx0");
        assert!(tunnels.len() == 1 && tunnels[0].contains(&format!(" vni {vni} ")), "{tunnels:?}");
        assert_eq!(kernel.learned("vx0"), [(4000, mac(2))]);
        assert_eq!(kernel.vnis("vx0"), [vni].into());
        assert_eq!(kernel.routes(1001).len(), 1);
    }
}

#[test]
fn router_is_an_address_a_neighbour_and_routes() {
    let mut kernel = Kernel::new(&[]);
    applied(&tenant([]), &mut kernel);
    let steps = applied(&tenant([router(2, &["10.0.20.0/24", "2001:db8:20::/64"])]), &mut kernel);
    assert_eq!(
        steps,
        [
            "replace fdb 02:00:00:00:01:02 dev vx0 dst 192.0.2.2 src_vni 4000 self router extern_learn",
            "replace fdb 02:00:00:00:01:02 dev vx0 vlan 4000 extern_learn master",
            "replace neighbour 192.0.2.2 dev vlan4000 lladdr 02:00:00:00:01:02 extern_learn protocol 203 \
             nud permanent",
            "replace neighbour ::ffff:192.0.2.2 dev vlan4000 lladdr 02:00:00:00:01:02 extern_learn protocol 203 \
             nud permanent",
            "replace route 10.0.20.0/24 via 192.0.2.2 table 1001 proto 203 onlink dev vlan4000",
            "replace route 2001:db8:20::/64 via ::ffff:192.0.2.2 table 1001 proto 203 onlink dev vlan4000",
        ]
    );
    // And goes in the other direction.
    let steps = applied(&tenant([]), &mut kernel);
    let verbs: Vec<_> =
        steps.iter().map(|step| step.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        verbs,
        ["delete route", "delete route", "delete neighbour", "delete neighbour", "delete fdb", "delete fdb",]
    );
    assert!(steps[4].contains(" vlan 4000 "), "the bridge's entry first: {steps:#?}");
    assert_eq!((kernel.learned("vx0"), kernel.tunnels("vx0")), (vec![], vec![]));
}

#[test]
fn router_that_changes_is_changed_and_what_stays_is_left() {
    let mut kernel = Kernel::new(&[]);
    let other = router(3, &["10.0.30.0/24"]);
    applied(&tenant([router(2, &["10.0.20.0/24"]), other.clone()]), &mut kernel);
    // Another MAC address.
    let mut moved = router(2, &["10.0.20.0/24"]);
    moved.address = mac(9);
    let steps = applied(&tenant([moved.clone(), other.clone()]), &mut kernel);
    assert_eq!(steps.len(), 5, "{steps:#?}");
    assert!(steps.iter().all(|step| !step.contains("10.0.30.0") && !step.contains(" route ")), "{steps:#?}");
    assert_eq!(kernel.neighbours("vlan4000"), ["192.0.2.2 02:00:00:00:01:09", "192.0.2.3 02:00:00:00:01:03"]);
    // A prefix that moves to another leaf is one step: it is never without a way.
    let elsewhere = [router(2, &[]), router(3, &["10.0.20.0/24", "10.0.30.0/24"])];
    applied(&tenant([router(2, &["10.0.20.0/24"]), other]), &mut kernel);
    let steps = applied(&tenant(elsewhere), &mut kernel);
    assert_eq!(steps, ["replace route 10.0.20.0/24 via 192.0.2.3 table 1001 proto 203 onlink dev vlan4000"]);
}

#[test]
fn prefix_behind_two_leaves_is_one_route_over_both() {
    let mut kernel = Kernel::new(&[]);
    let steps = applied(&tenant([router(2, &["10.0.20.0/24"]), router(3, &["10.0.20.0/24"])]), &mut kernel);
    assert_eq!(
        steps.last().unwrap(),
        "replace route 10.0.20.0/24 table 1001 proto 203 \
         nexthop via 192.0.2.2 dev vlan4000 weight 1 onlink nexthop via 192.0.2.3 dev vlan4000 weight 1 onlink"
    );
    assert_eq!(kernel.routes(1001), ["10.0.20.0/24 192.0.2.2,192.0.2.3"]);
    let steps = applied(&tenant([router(3, &["10.0.20.0/24"])]), &mut kernel);
    assert_eq!(steps[0], "replace route 10.0.20.0/24 via 192.0.2.3 table 1001 proto 203 onlink dev vlan4000");
    assert_eq!(kernel.routes(1001), ["10.0.20.0/24 192.0.2.3"]);
}

/// A device that changes its VRF, its bridge or its address loses routes and neighbours.
#[test]
fn routes_and_neighbours_that_go_with_a_device_come_back() {
    let mut kernel = Kernel::new(&[]);
    let with = |change: &dyn Fn(&mut BridgeConfig)| {
        let mut config = tenant([router(2, &["10.0.20.0/24", "2001:db8::/64"])]);
        change(&mut config);
        config
    };
    type Change = fn(&mut BridgeConfig);
    let changes: [(Change, u32); 7] = [
        (|_| (), 1001),
        (|config| config.vrfs[0].table = 1002, 1002),
        (|config| config.interfaces[0].vrf = None, 254),
        (|config| config.address = Some(mac(99)), 1001),
        (|config| config.interfaces[0].address = Some(mac(98)), 1001),
        (|config| config.interfaces[0].vlan = 10, 1001),
        (|config| config.vxlan = config.vxlan.take().map(|vxlan| vxlan.port(8472)), 1001),
    ];
    for (change, table) in changes {
        applied(&with(&change), &mut kernel);
        assert_eq!(kernel.routes(table), ["10.0.20.0/24 192.0.2.2", "2001:db8::/64 ::ffff:192.0.2.2"]);
        assert_eq!(kernel.neighbours("vlan4000").len(), 2);
        assert_eq!(kernel.learned("vx0").len(), 1);
        assert_eq!(kernel.tunnels("vx0").len(), 1);
    }
}

#[test]
fn interface_that_becomes_an_l3_vni_has_its_routes() {
    let mut kernel = Kernel::new(&[]);
    let mut before = tenant([]);
    before.interfaces[0] = InterfaceConfig::new("vlan4000", 4000).vrf("red").ip(ip("10.9.0.1/24"));
    applied(&before, &mut kernel);
    // With its last address go its routes, so these come behind it.
    applied(&tenant([router(2, &["10.0.20.0/24"])]), &mut kernel);
    assert_eq!(kernel.routes(1001), ["10.0.20.0/24 192.0.2.2"]);
    applied(&before, &mut kernel);
    assert_eq!(kernel.routes(1001), [] as [&str; 0]);
}

#[test]
fn routes_and_neighbours_of_others_are_left() {
    let mut kernel = Kernel::new(&[]);
    let config = || tenant([router(2, &["10.0.20.0/24"])]);
    applied(&config(), &mut kernel);
    let bgp = Route::new(ip("10.0.99.0/24")).table(1001).via(leaf(9)).protocol(RouteProtocol::BGP);
    kernel.add_route("vlan4000", bgp);
    kernel.add_neighbour("vlan4000", Neighbour::new(leaf(9), 0).lladdr(mac(9)).extern_learn().protocol(186));
    let others: Vec<_> =
        config().plan(&kernel.snapshot()).unwrap().others().iter().map(ToString::to_string).collect();
    assert_eq!(others.len(), 2, "{others:#?}");
    assert!(others[0].starts_with("foreign: neighbour 192.0.2.9 dev vlan4000 lladdr"), "{others:#?}");
    assert_eq!(others[1], "foreign: route 10.0.99.0/24 table 1001 dev vlan4000");
    assert_eq!(applied(&config(), &mut kernel), [] as [&str; 0]);
    // Under a prefix that is wanted, it is not taken over.
    let wanted = tenant([router(2, &["10.0.20.0/24", "10.0.99.0/24"])]);
    let error = wanted.plan(&kernel.snapshot()).unwrap_err().to_string();
    assert_eq!(
        error,
        "leaf br0: interfaces[0].routers[0].routes[1]: table 1001 has a route to 10.0.99.0/24 of protocol bgp, \
         which is somebody else's"
    );
    let error = tenant([router(9, &[])]).plan(&kernel.snapshot()).unwrap_err().to_string();
    assert!(
        error.starts_with("leaf br0: interfaces[0].routers[0].leaf: 192.0.2.9 is a neighbour that somebody"),
        "{error}"
    );
    applied(&wanted.exact(), &mut kernel);
    assert_eq!(kernel.routes(1001), ["10.0.20.0/24 192.0.2.2", "10.0.99.0/24 192.0.2.2"]);
    assert_eq!(kernel.neighbours("vlan4000").len(), 1);
}

#[test]
fn routers_that_contradict_the_description_are_refused() {
    let with = |interface: InterfaceConfig| {
        let mut config = tenant([]);
        config.interfaces[0] = interface.router(router(2, &[]));
        config
    };
    let base = || InterfaceConfig::new("vlan4000", 4000).vrf("red");
    let mut same_mac = router(3, &[]);
    same_mac.address = mac(2);
    let mut other_family = router(3, &[]);
    other_family.leaf = "2001:db8::3".parse().unwrap();
    let connected = InterfaceConfig::new("vlan10", 10).vrf("red").ip(ip("10.0.20.1/24"));
    let cases = [
        (tenant([]).protocol(4), "protocol 4; 5 to 255 are possible"),
        (with(InterfaceConfig::new("vlan20", 20)), "interfaces[0].routers: vlan 20 is mapped to no VNI"),
        (with(base().ip(ip("10.0.0.1/24"))), "interfaces[0].routers: an interface with IP addresses"),
        (tenant([router(2, &[]), router(2, &[])]), "interfaces[0].routers[1].leaf: 192.0.2.2 is there twice"),
        (tenant([router(2, &[]), same_mac]), "interfaces[0].routers[1].address: 02:00:00:00:01:02 is there"),
        (tenant([other_family]), "interfaces[0].routers[0].leaf: 2001:db8::3 and 192.0.2.1 are of different"),
        (
            tenant([router(2, &["10.0.20.1/24"])]),
            "interfaces[0].routers[0].routes[0]: prefix 10.0.20.1/24 has bits set behind its length",
        ),
        (
            tenant([router(2, &["10.0.20.0/24", "10.0.20.0/24"])]),
            "interfaces[0].routers[0].routes[1]: 10.0.20.0/24 is there twice",
        ),
        (
            tenant([router(2, &["10.0.20.0/24"])]).interface(connected),
            "interfaces[0].routers[0].routes[0]: 10.0.20.0/24 is the network of vlan10",
        ),
    ];
    for (config, text) in cases {
        let why = config.check().unwrap_err().to_string();
        assert!(why.starts_with(text), "{why}\nexpected {text}");
    }
}

#[test]
fn routers_are_observed_as_they_were_applied() {
    let mut kernel = Kernel::new(&[]);
    let mut config = tenant([router(2, &["10.0.20.0/24", "2001:db8::/64"]), router(3, &["10.0.20.0/24"])]);
    applied(&config, &mut kernel);
    config.address = None;
    assert_eq!(BridgeConfig::observe(&kernel.snapshot(), "br0").unwrap(), config);
}

#[cfg(feature = "serde")]
#[test]
fn routers_survive_a_round_trip() {
    let config = tenant([router(2, &["10.0.20.0/24"])]);
    let text = serde_json::to_string(&config).unwrap();
    let routers =
        r#""routers":[{"leaf":"192.0.2.2","address":"02:00:00:00:01:02","routes":["10.0.20.0/24"]}]"#;
    assert!(text.contains(routers), "{text}");
    assert_eq!(serde_json::from_str::<BridgeConfig>(&text).unwrap(), config);
}

fn any_tenants() -> impl Strategy<Value = BridgeConfig> {
    let prefixes = prop::collection::btree_set(0..4_u8, 0..4);
    let routers = prop::collection::btree_map(2..5_u8, (prefixes, 2..5_u8), 0..3);
    let tenants = [0, 1].map(|_| prop::option::weighted(0.8, (routers.clone(), any::<bool>(), 0..3_u16)));
    (tenants, prop::bool::weighted(0.9)).prop_map(|(tenants, iana)| {
        let mut vxlan = VxlanConfig::new("vx0").local(leaf(1)).port(if iana { 4789 } else { 8472 });
        let mut config = BridgeConfig::new("br0").address(mac(1));
        for (number, tenant) in (0_u16..).zip(tenants) {
            let Some((routers, in_vrf, vlan)) = tenant else { continue };
            let (vlan, vni) = (100 * (number + 1) + vlan, 4000 + u32::from(number));
            let mut interface = InterfaceConfig::new(format!("l3{number}"), vlan);
            config = config.vrf(VrfConfig::new(format!("vrf{number}"), 1000 + u32::from(number)));
            // One of both may be in the main table.
            if in_vrf || number == 1 {
                interface = interface.vrf(format!("vrf{number}"));
            }
            let mut macs = std::collections::BTreeSet::new();
            for (leaf_number, (prefixes, mac_number)) in routers {
                if !macs.insert(mac_number) {
                    continue;
                }
                let mut router = RouterConfig::new(leaf(leaf_number), mac(mac_number));
                for prefix in prefixes {
                    let text =
                        if prefix == 3 { "2001:db8::/64".into() } else { format!("10.{prefix}.0.0/16") };
                    router = router.route(ip(&text));
                }
                interface = interface.router(router);
            }
            vxlan = vxlan.map(vlan, vni);
            config = config.interface(interface);
        }
        config.vxlan(vxlan)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_tenants_become_any_others(before in any_tenants(), after in any_tenants()) {
        let mut kernel = Kernel::new(&[]);
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
        // Just the addresses, neighbours and routes that are described.
        let mut routers = 0;
        for interface in &after.interfaces {
            routers += interface.routers.len();
            let prefixes: std::collections::BTreeSet<_> =
                interface.routers.iter().flat_map(|router| &router.routes).collect();
            let vrf = after.vrfs.iter().find(|vrf| Some(&vrf.name) == interface.vrf.as_ref());
            prop_assert_eq!(kernel.routes(vrf.map_or(254, |vrf| vrf.table)).len(), prefixes.len());
            prop_assert!(kernel.neighbours(&interface.name).len() >= interface.routers.len());
        }
        prop_assert_eq!(kernel.tunnels("vx0").len(), routers);
        prop_assert_eq!(kernel.learned("vx0").len(), routers);
        kernel.apply(&after.plan_removal(&kernel.snapshot()).unwrap());
        prop_assert_eq!(kernel.snapshot(), Kernel::new(&[]).snapshot());
    }
}

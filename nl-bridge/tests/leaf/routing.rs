//! Integrated routing: VRFs, interfaces, gateways and their addresses.

use nl_bridge::leaf::{BridgeConfig, InterfaceConfig, VrfConfig, VxlanConfig};
use nl_core::{IpPrefix, MacAddr};
use proptest::prelude::*;

use crate::kernel::Kernel;
use crate::{leaf, lines};

const GATEWAY: MacAddr = MacAddr::new([0, 0, 0x5e, 0, 1, 1]);

fn ip(text: &str) -> IpPrefix {
    text.parse().unwrap()
}

/// A tenant with two VLANs and an L3 VNI.
fn tenant() -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(leaf(1)).map(10, 10010).map(20, 10020).map(4000, 4000);
    let gateway = |vlan: u16, address: &str| {
        InterfaceConfig::new(format!("vlan{vlan}"), vlan).vrf("red").address(GATEWAY).ip(ip(address))
    };
    BridgeConfig::new("br0")
        .address(MacAddr::new([2, 0, 0, 0, 0, 1]))
        .vrf(VrfConfig::new("red", 1001))
        .interface(gateway(10, "10.0.10.1/24"))
        .interface(gateway(20, "2001:db8:20::1/64"))
        .interface(InterfaceConfig::new("vlan4000", 4000).vrf("red"))
        .vxlan(vxlan)
}

fn applied(config: &BridgeConfig, kernel: &mut Kernel) -> Vec<String> {
    let plan = config.plan(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    assert_eq!(lines(&config.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);
    lines(&plan)
}

#[test]
fn tenant_is_made_in_order() {
    let steps = applied(&tenant(), &mut Kernel::new(&[]));
    let has = |line: &str| {
        steps
            .iter()
            .position(|step| step.starts_with(line))
            .unwrap_or_else(|| unreachable!("{line}: {steps:#?}"))
    };
    let order = [
        "add link br0 address 02:00:00:00:00:01 up type bridge",
        "add link red up type vrf table 1001",
        "add link vlan10 link br0 address 00:00:5e:00:01:01 master red up type vlan id 10",
        "replace address 10.0.10.1/24 dev vlan10",
        "add vlan dev br0 vid 10 vid 20 vid 4000 self",
        "replace fdb 00:00:5e:00:01:01 dev br0 vlan 10 self permanent",
    ];
    let found: Vec<_> = order.iter().map(|line| has(line)).collect();
    assert!(found.is_sorted(), "{found:?}\n{steps:#?}");
    // The L3 VNI has the address of the bridge, and needs no entry.
    assert!(!steps.iter().any(|step| step.contains("vlan 4000 self permanent")), "{steps:#?}");
}

#[test]
fn gateway_on_a_device_of_its_own_goes_with_its_interface() {
    let mut kernel = Kernel::new(&[]);
    let with = |vlan: u16| {
        let interface = InterfaceConfig::new("svi", vlan).ip(ip("10.0.10.2/24"));
        BridgeConfig::new("br0").interface(interface.gateway("svigw", GATEWAY, [ip("10.0.10.1/24")]))
    };
    let steps = applied(&with(10), &mut kernel);
    let made = "add link svigw link svi address 00:00:5e:00:01:01 up type macvlan mode private";
    assert!(steps.iter().any(|step| step.starts_with(made)), "{steps:#?}");
    assert_eq!(kernel.ips("svigw"), ["10.0.10.1/24"]);
    let steps = applied(&with(11), &mut kernel);
    assert_eq!(steps[..2], ["delete link svigw", "delete link svi"]);
    assert_eq!(
        (kernel.ips("svi"), kernel.ips("svigw")),
        (vec!["10.0.10.2/24".into()], vec!["10.0.10.1/24".into()])
    );
    // Without the gateway, and without both.
    let steps = applied(
        &BridgeConfig::new("br0").interface(InterfaceConfig::new("svi", 11).ip(ip("10.0.10.2/24"))),
        &mut kernel,
    );
    assert_eq!(steps, ["delete link svigw"]);
    applied(&with(11), &mut kernel);
    let steps = applied(&BridgeConfig::new("br0"), &mut kernel);
    assert_eq!(steps, ["delete link svigw", "delete link svi", "delete vlan dev br0 vid 11 self"]);
}

#[test]
fn address_in_the_network_of_one_that_goes_is_written_again() {
    let mut kernel = Kernel::new(&[]);
    let with = |ips: &[&str]| {
        let interface = ips.iter().fold(InterfaceConfig::new("svi", 10), |svi, text| svi.ip(ip(text)));
        BridgeConfig::new("br0").interface(interface)
    };
    applied(&with(&["10.0.10.1/24", "10.0.10.2/24", "10.0.11.1/24"]), &mut kernel);
    assert_eq!(
        applied(&with(&["10.0.10.2/24", "10.0.11.1/24"]), &mut kernel),
        ["delete address 10.0.10.1/24 dev svi", "replace address 10.0.10.2/24 dev svi"]
    );
    assert_eq!(kernel.ips("svi"), ["10.0.11.1/24", "10.0.10.2/24"]);
    // In other networks, what comes is there before what goes is gone.
    assert_eq!(
        applied(&with(&["10.0.10.2/24", "10.0.12.1/24"]), &mut kernel),
        ["replace address 10.0.12.1/24 dev svi", "delete address 10.0.11.1/24 dev svi"]
    );
}

#[test]
fn interface_that_changes_its_vrf_keeps_its_addresses() {
    let mut kernel = Kernel::new(&[]);
    let with = |vrf: Option<&str>, table: u32| {
        let mut interface = InterfaceConfig::new("svi", 10).ip(ip("10.0.10.1/24")).ip(ip("2001:db8::1/64"));
        interface.vrf = vrf.map(str::to_owned);
        let config = BridgeConfig::new("br0").interface(interface);
        config.vrf(VrfConfig::new("red", table)).vrf(VrfConfig::new("blue", 2))
    };
    let all = ["10.0.10.1/24", "2001:db8::1/64"];
    let (red, blue) = (Some("red"), Some("blue"));
    // The last one leaves a VRF that is recreated: its deletion releases the interface.
    for (vrf, table) in [(None, 1), (red, 1), (blue, 1), (red, 3), (red, 4), (None, 4), (red, 4), (None, 5)] {
        applied(&with(vrf, table), &mut kernel);
        assert_eq!(kernel.ips("svi"), all, "{vrf:?} {table}");
    }
}

#[test]
fn routing_that_contradicts_itself_is_refused() {
    let svi = |name: &str, vlan: u16| InterfaceConfig::new(name, vlan);
    let base = || BridgeConfig::new("br0");
    let twice = svi("svi", 10).ip(ip("10.0.0.1/24")).ip(ip("10.0.0.1/16"));
    let cases = [
        (base().vrf(VrfConfig::new("br0", 1)), "vrfs[0].name: br0 is there twice"),
        (
            base().vrf(VrfConfig::new("red", 254)),
            "vrfs[0].table: table 254; 1 to 4294967295 but for 253 to 255",
        ),
        (
            base().vrf(VrfConfig::new("red", 1)).vrf(VrfConfig::new("blue", 1)),
            "vrfs[1].table: table 1 is there twice",
        ),
        (base().interface(svi("svi", 0)), "interfaces[0].vlan: vlan 0; 1 to 4094 are possible"),
        (
            base().interface(svi("svi", 10)).interface(svi("other", 10)),
            "interfaces[1].vlan: vlan 10 is there twice",
        ),
        (
            base().own_vlans(20).interface(svi("svi", 10)),
            "interfaces[0].vlan: vlan 10 is not among own_vlans",
        ),
        (base().interface(svi("svi", 10).vrf("red")), "interfaces[0].vrf: red is not among the VRFs"),
        (
            base().interface(svi("svi", 10).address(MacAddr::ZERO)),
            "interfaces[0].address: 00:00:00:00:00:00 cannot be the address of a device",
        ),
        (base().interface(twice), "interfaces[0].addresses[1]: 10.0.0.1 is there twice"),
        (
            base().interface(svi("svi", 10).gateway("svi", GATEWAY, [])),
            "interfaces[0].gateway.name: svi is there twice",
        ),
    ];
    for (config, text) in cases {
        let why = config.check().unwrap_err().to_string();
        assert!(why.starts_with(text), "{why}\nexpected {text}");
    }
}

#[test]
fn tenant_is_removed_from_the_top() {
    let mut kernel = Kernel::new(&["swp1"]);
    let before = kernel.snapshot();
    applied(&tenant(), &mut kernel);
    let plan = tenant().plan_removal(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    assert_eq!(kernel.snapshot(), before);
}

#[test]
fn tenant_is_observed_as_it_was_applied() {
    let mut kernel = Kernel::new(&[]);
    let gateway = InterfaceConfig::new("vlan30", 30).vrf("red").ip(ip("10.0.30.2/24"));
    let mut config = tenant().interface(gateway.gateway("vlan30gw", GATEWAY, [ip("10.0.30.1/24")]));
    applied(&config, &mut kernel);
    let observed = BridgeConfig::observe(&kernel.snapshot(), "br0").unwrap();
    assert_eq!(lines(&observed.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);
    config.address = None;
    assert_eq!(observed, config);
}

#[test]
fn mtu_of_a_new_bridge_is_set_behind_its_ports() {
    let steps = applied(&tenant().mtu(1400), &mut Kernel::new(&[]));
    let at = |line: &str| steps.iter().position(|step| step.starts_with(line));
    assert!(at("set link br0 mtu 1400") > at("add link vx0"), "{steps:#?}");
}

#[cfg(feature = "serde")]
#[test]
fn tenant_survives_a_round_trip() {
    let text = serde_json::to_string(&tenant()).unwrap();
    assert!(text.contains("\"addresses\":[\"10.0.10.1/24\"]"), "{text}");
    assert_eq!(serde_json::from_str::<BridgeConfig>(&text).unwrap(), tenant());
}

fn any_tenant() -> impl Strategy<Value = BridgeConfig> {
    let ips = prop::collection::btree_set((0..3_u8, 1..4_u8), 0..4);
    let interface = (ips, prop::option::of(0..2_usize), any::<bool>(), prop::option::of(any::<bool>()));
    let interfaces = prop::collection::btree_map(0..3_u8, (10..14_u16, interface), 0..3);
    (interfaces, 1..3_u32).prop_map(|(interfaces, table)| {
        let mut config = BridgeConfig::new("br0").address(MacAddr::new([2, 0, 0, 0, 0, 1]));
        config = config.vrf(VrfConfig::new("red", table)).vrf(VrfConfig::new("blue", 9));
        let mut taken = std::collections::BTreeSet::new();
        for (number, (vlan, (ips, vrf, six, gateway))) in interfaces {
            if !taken.insert(vlan) {
                continue;
            }
            let mut interface = InterfaceConfig::new(format!("svi{number}"), vlan);
            interface.vrf = vrf.and_then(|vrf| ["red", "blue"].get(vrf)).map(|vrf| (*vrf).to_owned());
            interface.addresses =
                ips.into_iter().map(|(net, host)| ip(&format!("10.{number}.{net}.{host}/24"))).collect();
            if six {
                interface.addresses.push(ip("2001:db8::1/64"));
            }
            match gateway {
                Some(true) => interface.address = Some(GATEWAY),
                Some(false) => {
                    interface = interface.gateway(format!("gw{number}"), GATEWAY, [ip("10.9.9.1/24")])
                }
                None => {}
            }
            config = config.interface(interface);
        }
        config
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_tenant_becomes_any_other(before in any_tenant(), after in any_tenant()) {
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
        for interface in &after.interfaces {
            let mut ips = kernel.ips(&interface.name);
            ips.sort();
            let mut wanted: Vec<_> = interface.addresses.iter().map(ToString::to_string).collect();
            wanted.sort();
            prop_assert_eq!(ips, wanted);
        }
        kernel.apply(&after.plan_removal(&kernel.snapshot()).unwrap());
        prop_assert_eq!(kernel.snapshot(), Kernel::new(&[]).snapshot());
    }
}

//! What plans say, and in which order.

use nl_bridge::leaf::{BridgeConfig, InstanceConfig, PortConfig, VlanConfig, VxlanConfig};
use nl_bridge::vlan::{VlanFlags, VlanMember};
use nl_bridge::{StpState, VlanRange};

use crate::kernel::Kernel;
use crate::{leaf, lines, small};

/// Applies a description, checks that a second plan is empty, and returns the steps.
fn applied(config: &BridgeConfig, kernel: &mut Kernel) -> Vec<String> {
    let plan = config.plan(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    assert_eq!(lines(&config.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);
    lines(&plan)
}

#[test]
fn new_leaf_is_made_in_order() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    let steps = applied(&small(), &mut kernel);
    let expected = [
        "add link br0 up type bridge vlan_filtering 1 vlan_default_pvid 0, altname leaf.nl.br0.br0",
        "add link vx0 master br0 up type vxlan local 192.0.2.1 dstport 4789 nolearning external vnifilter, \
         altname leaf.nl.br0.vx0",
        "add altname of link swp1 leafport.nl.br0.swp1",
        "set link swp1 master br0",
        "add altname of link swp2 leafport.nl.br0.swp2",
        "set link swp2 master br0",
        "set port vx0 learning off vlan_tunnel on",
        "add vni 10010 dev vx0",
        "add vni 10020-10021 dev vx0",
        "append fdb 00:00:00:00:00:00 dev vx0 dst 192.0.2.2 src_vni 10010 self extern_learn permanent",
        "append fdb 00:00:00:00:00:00 dev vx0 dst 192.0.2.3 src_vni 10010 self extern_learn permanent",
        "append fdb 00:00:00:00:00:00 dev vx0 dst 192.0.2.2 src_vni 10020 self extern_learn permanent",
        "append fdb 00:00:00:00:00:00 dev vx0 dst 192.0.2.3 src_vni 10020 self extern_learn permanent",
        "append fdb 00:00:00:00:00:00 dev vx0 dst 192.0.2.2 src_vni 10021 self extern_learn permanent",
        "append fdb 00:00:00:00:00:00 dev vx0 dst 192.0.2.3 src_vni 10021 self extern_learn permanent",
        "add vlan dev br0 vid 10 self",
        "add vlan dev swp1 vid 10 pvid untagged",
        "add vlan dev swp2 vid 10 vid 20-21",
        "add vlan dev vx0 vid 10 vid 20-21",
        "set tunnel dev vx0 map 10 to 10010 map 20-21 to 10020-10021",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn each_object_that_differs_is_one_step() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    applied(&small(), &mut kernel);
    let mut config = small();
    config.ports[0] = PortConfig::new("swp1").access(20);
    assert_eq!(
        applied(&config, &mut kernel),
        ["add vlan dev swp1 vid 20 pvid untagged", "delete vlan dev swp1 vid 10"]
    );
    config.ports[1] = config.ports[1].clone().isolated(true);
    assert_eq!(applied(&config, &mut kernel), ["set port swp2 isolated on"]);
    config.vxlan.as_mut().unwrap().local = Some(leaf(9));
    assert_eq!(applied(&config, &mut kernel), ["set link vx0 type vxlan local 192.0.2.9"]);
    config.mtu = Some(9000);
    assert_eq!(applied(&config, &mut kernel), ["set link br0 mtu 9000"]);
    config.ports.remove(1);
    assert_eq!(
        applied(&config, &mut kernel),
        ["set link swp2 nomaster", "delete altname of link swp2 leafport.nl.br0.swp2"]
    );
}

/// From public reports: `1-3 → 1-3` in another order, `5 → 10` and `10 → 5`.
#[test]
fn vlans_exchange_their_vnis_in_one_step() {
    let mut kernel = Kernel::new(&[]);
    let with = |maps: &[(u16, u32)]| {
        let vxlan = VxlanConfig::new("vx0");
        let vxlan = maps.iter().fold(vxlan, |vxlan, (vlan, vni)| vxlan.map(*vlan, *vni));
        BridgeConfig::new("br0").vxlan(vxlan)
    };
    applied(&with(&[(1, 1), (2, 2), (3, 3), (5, 10), (10, 5)]), &mut kernel);
    let crossed = with(&[(1, 3), (2, 2), (3, 1), (5, 5), (10, 10)]);
    assert_eq!(
        applied(&crossed, &mut kernel),
        ["set tunnel dev vx0 unmap 1 unmap 3 unmap 5 unmap 10 map 1 to 3 map 3 to 1 map 5 to 5 map 10 to 10"]
    );
    // A VNI whose VLAN goes.
    let steps = applied(&with(&[(2, 2), (4, 1)]), &mut kernel);
    assert!(steps.contains(&"set tunnel dev vx0 unmap 3 map 4 to 1".to_owned()), "{steps:#?}");
    assert_eq!(kernel.members("vx0").into_keys().collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn vlan_that_moves_to_another_port_keeps_its_vni() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    applied(&small(), &mut kernel);
    let mut config = small();
    config.ports[1] = PortConfig::new("swp2").trunk(20..=21);
    config.ports.push(PortConfig::new("swp3").trunk(10));
    kernel.add_link("swp3");
    let steps = applied(&config, &mut kernel);
    assert!(steps.iter().all(|step| !step.contains("vx0")), "{steps:#?}");
    assert_eq!(steps.last().unwrap(), "delete vlan dev swp2 vid 10");
}

#[test]
fn vxlan_device_is_recreated_where_it_cannot_change() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    applied(&small(), &mut kernel);
    let mut config = small();
    config.vxlan.as_mut().unwrap().port = 8472;
    let steps = applied(&config, &mut kernel);
    assert_eq!(steps[0], "delete link vx0");
    assert!(steps[1].starts_with("add link vx0 master br0 up type vxlan"), "{steps:#?}");
    assert!(steps.iter().all(|step| !step.contains("swp")), "{steps:#?}");
}

#[test]
fn vxlan_device_of_another_name_goes_before_the_new_one_comes() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    applied(&small(), &mut kernel);
    let mut config = small();
    config.vxlan.as_mut().unwrap().name = "vx1".into();
    let steps = applied(&config, &mut kernel);
    assert_eq!(steps[0], "delete link vx0");
    assert!(steps[1].starts_with("add link vx1 master br0 up type vxlan"), "{steps:#?}");
}

#[test]
fn untagged_member_of_the_vxlan_port_gets_its_tag_back() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    applied(&small(), &mut kernel);
    // As somebody does it with `bridge vlan add dev vx0 vid 10 untagged`.
    let member = VlanMember::new(VlanRange::new(10, 10).unwrap()).with(VlanFlags::UNTAGGED);
    kernel.set_vlans("vx0", &[member]);
    assert_eq!(applied(&small(), &mut kernel), ["add vlan dev vx0 vid 10"]);
    assert_eq!(kernel.members("vx0")[&10].vni, Some(10010));
}

#[test]
fn states_of_vlans_are_set_where_they_differ() {
    let mut kernel = Kernel::new(&["swp1"]);
    let blocked = |state| {
        let vlans = VlanConfig::new(VlanRange::new(10, 12).unwrap()).state(state);
        BridgeConfig::new("br0").port(PortConfig::new("swp1").vlan(vlans).trunk(13))
    };
    let steps = applied(&blocked(StpState::Blocking), &mut kernel);
    assert_eq!(steps.last().unwrap(), "set vlan vid 10-12 dev swp1 state blocking");
    assert_eq!(
        applied(&blocked(StpState::Forwarding), &mut kernel),
        ["set vlan vid 10-12 dev swp1 state forwarding"]
    );
}

#[test]
fn instances_get_their_state_again_when_a_vlan_comes() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    let vlans = |first, last| [VlanRange::new(first, last).unwrap()];
    let config = |last| {
        BridgeConfig::new("br0")
            .instance(InstanceConfig::new(5, vlans(10, last)))
            .port(PortConfig::new("swp1").trunk(10..=last).instance(5, StpState::Blocking))
            .port(PortConfig::new("swp2").trunk(10..=last))
    };
    let steps = applied(&config(11), &mut kernel);
    assert!(steps[0].contains("mst_enabled 1"), "{steps:#?}");
    assert!(
        steps.ends_with(&[
            "set global vlan vid 10-11 dev br0 msti 5".to_owned(),
            "set mst dev swp1 msti 5 state blocking".to_owned(),
            "set mst dev swp2 msti 5 state forwarding".to_owned(),
        ]),
        "{steps:#?}"
    );
    let steps = applied(&config(12), &mut kernel);
    assert_eq!(
        steps,
        [
            "add vlan dev swp1 vid 12",
            "add vlan dev swp2 vid 12",
            "set global vlan vid 12 dev br0 msti 5",
            "set mst dev swp1 msti 5 state blocking",
            "set mst dev swp2 msti 5 state forwarding",
        ]
    );
}

#[test]
fn bridge_with_a_default_pvid_loses_it_on_new_ports() {
    let mut kernel = Kernel::new(&["swp1"]);
    applied(&BridgeConfig::new("br0"), &mut kernel);
    let pvid = nl_bridge::settings::Bridge::new().vlan_default_pvid(1_u16);
    kernel.set_bridge("br0", &pvid);
    let config = BridgeConfig::new("br0").port(PortConfig::new("swp1").access(10));
    let steps = applied(&config, &mut kernel);
    assert_eq!(steps.last().unwrap(), "delete vlan dev swp1 vid 1");
    assert_eq!(kernel.members("swp1").into_keys().collect::<Vec<_>>(), [10]);
}

#[test]
fn removal_leaves_nothing() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    let before = kernel.snapshot();
    applied(&small(), &mut kernel);
    let plan = small().plan_removal(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    assert_eq!(kernel.snapshot(), before);
    assert!(small().plan_removal(&kernel.snapshot()).unwrap().is_empty());
}

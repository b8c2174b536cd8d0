//! Descriptions that contradict themselves, or what is there, are refused with the place in them.

use nl_bridge::leaf::{BridgeConfig, InstanceConfig, PortConfig, VlanConfig, VniMap, VxlanConfig};
use nl_bridge::{StpState, VlanRange, VniRange};

use crate::kernel::Kernel;
use crate::{leaf, small};

fn vlans(first: u16, last: u16) -> VlanRange {
    VlanRange::new(first, last).unwrap()
}

fn with_port(port: PortConfig) -> BridgeConfig {
    BridgeConfig::new("br0").port(port)
}

fn with_vxlan(change: impl FnOnce(&mut VxlanConfig)) -> BridgeConfig {
    let mut config = small();
    if let Some(vxlan) = &mut config.vxlan {
        change(vxlan);
    }
    config
}

#[test]
fn contradictions_are_named_with_their_place() {
    let untagged = VlanConfig::new(vlans(10, 11)).pvid();
    let blocked = VlanConfig::new(vlans(10, 10)).state(StpState::Blocking);
    let mst = || BridgeConfig::new("br0").instance(InstanceConfig::new(5, [vlans(10, 10)]));
    let cases = [
        (BridgeConfig::new(""), "name: interface name of 0 bytes; 1 to 15 are possible"),
        (BridgeConfig::new("a/b"), "name: invalid interface name \"a/b\""),
        (BridgeConfig::new("br%d"), "name: interface name \"br%d\" with a '%'"),
        (BridgeConfig::new("br0").owner("a.b"), "owner: \"a.b\"; 1 to 32 letters"),
        (BridgeConfig::new("br0").mtu(67), "mtu: mtu 67; 68 to 65535 are possible"),
        (BridgeConfig::new("br0").vlans(0), "vlans: vlan 0; 1 to 4094 are possible"),
        (BridgeConfig::new("br0").own_vlans(4095), "own_vlans: vlan 4095; 1 to 4094 are possible"),
        (BridgeConfig::new("br0").vlan(blocked), "vlans[0].state: a state is that of a VLAN on a port"),
        (BridgeConfig::new("br0").vlans(10).vlans(9..=11), "vlans[1]: vlan 10 is there twice"),
        (with_port(PortConfig::new("swp1").trunk(4095)), "ports[0].vlans: vlan 4095; 1 to 4094 are possible"),
        (with_port(PortConfig::new("swp1").vlan(untagged)), "ports[0].vlans[0]: vlans 10-11 as pvid"),
        (with_port(PortConfig::new("swp1").access(1).access(2)), "ports[0].vlans[1]: vlans 1 and 2 as pvid"),
        (small().port(PortConfig::new("swp1")), "ports[2].name: swp1 is there twice"),
        (small().port(PortConfig::new("br0")), "ports[2].name: br0 is there twice"),
        (
            small().port(PortConfig::new("vx0").access(10)),
            "vxlan.name: vx0 is there twice; the VXLAN device is no",
        ),
        (small().own_vlans(1..=19), "ports[1].vlans[1]: vlan 20 is not among own_vlans"),
        (small().own_vnis(10010), "vxlan.maps[1].vni: vni 10020 is not among own_vnis"),
        (mst().instance(InstanceConfig::new(5, [])), "instances[1]: msti 5 is there twice"),
        (
            mst().instance(InstanceConfig::new(6, [vlans(9, 10)])),
            "instances[1].vlans: vlan 10 is in msti 5 too",
        ),
        (mst().instance(InstanceConfig::new(0, [])), "instances[1].msti: msti 0; 1 to 4095 are possible"),
        (
            mst().port(PortConfig::new("swp1").instance(6, StpState::Blocking)),
            "ports[0].instances[0]: msti 6 is not among the instances of the bridge",
        ),
        (
            mst().port(PortConfig::new("swp1").vlan(blocked)),
            "ports[0].vlans[0].state: a VLAN has the state of",
        ),
        (with_vxlan(|vxlan| vxlan.port = 0), "vxlan.port: port 0; 1 to 65535 are possible"),
        (
            with_vxlan(|vxlan| vxlan.maps.push(VniMap::new(vlans(10, 10), VniRange::new(7, 7).unwrap()))),
            "vxlan.maps[2].vid: vlan 10 is mapped to vni 10010 too",
        ),
        (
            with_vxlan(|vxlan| {
                vxlan.maps.push(VniMap::new(vlans(7, 7), VniRange::new(10021, 10021).unwrap()))
            }),
            "vxlan.maps[2].vni: vni 10021 belongs to vlan 21 too",
        ),
        (
            with_vxlan(|vxlan| vxlan.maps.push(VniMap::new(vlans(7, 8), VniRange::new(7, 7).unwrap()))),
            "vxlan.maps[2]: 2 VLANs (7-8) for 1 VNIs (7)",
        ),
        (
            with_vxlan(|vxlan| vxlan.maps.push(VniMap::new(vlans(7, 7), VniRange::new(0, 0).unwrap()))),
            "vxlan.maps[2].vni: vni 0; 1 to 16777215 are possible",
        ),
        (
            with_vxlan(|vxlan| vxlan.maps[1].flood.push(leaf(2))),
            "vxlan.maps[1].flood[2]: 192.0.2.2 is there twice",
        ),
        (
            with_vxlan(|vxlan| vxlan.maps[0].flood[1] = "2001:db8::1".parse().unwrap()),
            "vxlan.maps[0].flood[1]: 2001:db8::1 and 192.0.2.1 are of different families",
        ),
        (
            with_vxlan(|vxlan| vxlan.local = "239.0.0.1".parse().ok()),
            "vxlan.local: 239.0.0.1 cannot be the address of a leaf",
        ),
    ];
    for (config, text) in cases {
        let why = config.check().unwrap_err().to_string();
        assert!(why.starts_with(text), "{why}\nexpected {text}");
        let error = config.plan(&Kernel::new(&["swp1", "swp2"]).snapshot()).unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert_eq!(error.to_string(), format!("leaf {}: {why}", config.name));
    }
}

#[test]
fn what_is_there_and_does_not_fit_is_refused_before_anything_changes() {
    let mut kernel = Kernel::new(&["swp1", "br9", "br0"]);
    let refused = |config: &BridgeConfig, kernel: &Kernel, text: &str| {
        let error = config.plan(&kernel.snapshot()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(text), "{error}");
    };
    refused(&BridgeConfig::new("br0"), &kernel, "name: br0 is there and is a plain device, not a bridge");
    kernel.link("swp1").alt_names.push("uplink".into());
    refused(&BridgeConfig::new("uplink"), &kernel, "name: uplink is an alternative name of swp1");
    let port = BridgeConfig::new("br1").port(PortConfig::new("uplink"));
    refused(&port, &kernel, "ports[0].name: uplink is an alternative name of swp1");
    let port = BridgeConfig::new("br1").port(PortConfig::new("swp7"));
    refused(&port, &kernel, "ports[0].name: there is no device swp7");

    let other = BridgeConfig::new("br2").port(PortConfig::new("swp1"));
    kernel.apply(&other.plan(&kernel.snapshot()).unwrap());
    let port = BridgeConfig::new("br1").port(PortConfig::new("swp1"));
    refused(&port, &kernel, "ports[0].name: swp1 is a port of br2");
}

#[test]
fn mst_that_the_kernel_can_no_longer_turn_on_is_refused() {
    let mut kernel = Kernel::new(&["swp1"]);
    let plain = BridgeConfig::new("br0").port(PortConfig::new("swp1").trunk(10));
    kernel.apply(&plain.plan(&kernel.snapshot()).unwrap());
    let mst = plain.instance(InstanceConfig::new(5, [vlans(10, 10)]));
    let error = mst.plan(&kernel.snapshot()).unwrap_err().to_string();
    assert!(error.starts_with("leaf br0: instances: the bridge has MST off"), "{error}");
}

#[test]
fn vxlan_device_with_vlans_of_others_is_not_recreated() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    let own = |port: u16| {
        let mut config = small().own_vlans(1..=99);
        config.vxlan = config.vxlan.map(|vxlan| vxlan.port(port));
        config
    };
    kernel.apply(&own(4789).plan(&kernel.snapshot()).unwrap());
    kernel.add_vlans("vx0", &[1200]);
    let error = own(8472).plan(&kernel.snapshot()).unwrap_err().to_string();
    assert_eq!(
        error,
        "leaf br0: vxlan.port: vx0 has another port, so the device has to be created again, and it has vlan 1200 of others"
    );
    kernel.apply(&own(8472).exact().plan(&kernel.snapshot()).unwrap());
}

//! Descriptions as JSON, through the same checks as the constructors.

use nl_bridge::leaf::{BridgeConfig, InstanceConfig, PortConfig, VlanConfig};
use nl_bridge::{StpState, VlanRange};
use serde_json::{Value, json};

use crate::small;

fn read(value: &Value) -> Result<BridgeConfig, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

#[test]
fn description_survives_a_round_trip() {
    let vlans = |first, last| VlanRange::new(first, last).unwrap();
    let mut all = small().owner("agent").exact().mtu(9000).own_vlans(1..=99).own_vnis(10_000..=19_999);
    all = all.address("02:00:00:00:00:01".parse().unwrap());
    let port = PortConfig::new("swp3").learning(false).instance(5, StpState::Blocking);
    all =
        all.instance(InstanceConfig::new(5, [vlans(30, 39)])).port(port.vlan(VlanConfig::new(vlans(30, 31))));
    for config in [BridgeConfig::new("br0"), small(), all] {
        let value = serde_json::to_value(&config).unwrap();
        assert_eq!(read(&value), Ok(config), "{value}");
    }
}

#[test]
fn description_is_written_in_the_words_of_the_command() {
    let value = serde_json::to_value(small()).unwrap();
    assert_eq!(value["vxlan"]["maps"][1]["vid"], json!("20-21"));
    assert_eq!(value["vxlan"]["maps"][1]["vni"], json!("10020-10021"));
    assert_eq!(
        value["ports"][0],
        json!({ "name": "swp1", "vlans": [{ "vid": "10", "pvid": true, "untagged": true }] })
    );
    assert_eq!(value["exact"], json!(false));
}

#[test]
fn numbers_are_vlans_and_vnis_too() {
    let value = json!({
        "name": "br0",
        "ports": [{ "name": "swp1", "vlans": [{ "vid": 10, "state": "blocking" }] }],
        "vxlan": { "name": "vx0", "maps": [{ "vid": 10, "vni": 10010 }] },
    });
    let config = read(&value).unwrap();
    assert_eq!(config.ports[0].vlans[0].state, Some(StpState::Blocking));
    let vxlan = config.vxlan.unwrap();
    assert_eq!((vxlan.port, vxlan.vni_filter, vxlan.maps[0].vni.first()), (4789, true, 10010));
    assert_eq!((config.owner.as_str(), config.is_exact), ("nl", false));
}

#[test]
fn bad_values_are_refused_with_the_limit() {
    let cases = [
        (json!({ "name": "br0", "own_vlans": [4095] }), "vlan 4095; 1 to 4094 are possible"),
        (json!({ "name": "br0", "own_vlans": ["6-4"] }), "vlan range 6-4 is reversed"),
        (json!({ "name": "br0", "own_vlans": [-1] }), "is no VLAN"),
        (json!({ "name": "br0", "own_vnis": [16_777_216] }), "vni 16777216; 0 to 16777215 are possible"),
        (json!({ "name": "br0", "address": "02:00" }), "invalid MAC address \"02:00\""),
        (json!({ "name": "br0", "prots": [] }), "unknown field `prots`"),
        (
            json!({ "name": "br0", "vlans": [{ "vid": 1, "state": "up" }] }),
            "state \"up\"; disabled, listening",
        ),
        (json!({}), "missing field `name`"),
    ];
    for (value, text) in cases {
        let why = read(&value).unwrap_err();
        assert!(why.contains(text), "{why}\nexpected {text}");
    }
}

/// The file beside the example agent.
#[test]
fn description_is_read_from_toml() {
    let text = include_str!("../../examples/leaf.toml");
    let config: BridgeConfig = toml::from_str(text).unwrap();
    config.check().unwrap();
    assert_eq!(config.own_nexthops, Some(5000..=5999));
    assert_eq!(config.ports[1].peers.as_ref().map(|peers| peers.id), Some(5001));
    assert_eq!(config.interfaces[1].routers[0].routes.len(), 2);
    let error = toml::from_str::<BridgeConfig>("name = \"br0\"\nown_vlans = [4095]").unwrap_err().to_string();
    assert!(error.contains("vlan 4095; 1 to 4094 are possible"), "{error}");
}

/// A file is checked as what is made by constructors is, and the place is that in the file.
#[test]
fn contradictions_in_a_file_are_named_with_their_place() {
    let maps = |rows: &str| format!("name = \"br0\"\n[vxlan]\nname = \"vx0\"\nmaps = [{rows}]\n");
    let ports = |rows: &str| format!("name = \"br0\"\nports = [{rows}]\n");
    let cases = [
        (
            maps("{ vid = 10, vni = 1 }, { vid = 10, vni = 2 }"),
            "vxlan.maps[1].vid: vlan 10 is mapped to vni 1 too",
        ),
        (
            maps("{ vid = 10, vni = 1 }, { vid = 11, vni = 1 }"),
            "vxlan.maps[1].vni: vni 1 belongs to vlan 10 too",
        ),
        (maps("{ vid = \"10-12\", vni = \"1-2\" }"), "vxlan.maps[0]: 3 VLANs (10-12) for 2 VNIs (1-2)"),
        (maps("{ vid = 10, vni = 0 }"), "vxlan.maps[0].vni: vni 0; 1 to 16777215 are possible"),
        (
            maps("{ vid = 10, vni = 1, flood = [\"192.0.2.2\", \"192.0.2.2\"] }"),
            "vxlan.maps[0].flood[1]: 192.0.2.2 is there twice",
        ),
        (ports("{ name = \"p1\" }, { name = \"p1\" }"), "ports[1].name: p1 is there twice"),
        (
            ports("{ name = \"p1\", vlans = [{ vid = 5 }, { vid = \"4-6\" }] }"),
            "ports[0].vlans[1]: vlan 5 is there twice",
        ),
        (
            ports("{ name = \"p1\", instances = [{ msti = 5, state = \"blocking\" }] }"),
            "ports[0].instances[0]: msti 5 is not among the instances of the bridge",
        ),
        (
            ports("{ name = \"p1\", peers = { id = 5, leaves = [\"192.0.2.2\"] } }"),
            "ports[0].peers: own_nexthops is missing",
        ),
        // The VXLAN device is no other port, so no VLAN is untagged there.
        (
            "name = \"br0\"\n[[ports]]\nname = \"vx0\"\nvlans = [{ vid = 10, untagged = true }]\n[vxlan]\nname = \"vx0\"\n"
                .to_owned(),
            "vxlan.name: vx0 is there twice",
        ),
        (
            "name = \"br0\"\n[[interfaces]]\nname = \"svi\"\nvlan = 10\nvrf = \"red\"\n".to_owned(),
            "interfaces[0].vrf: red is not among the VRFs of the description",
        ),
        (
            "name = \"br0\"\n[[vrfs]]\nname = \"red\"\ntable = 254\n".to_owned(),
            "vrfs[0].table: table 254; 1 to 4294967295 but for 253 to 255 are possible",
        ),
    ];
    for (text, expected) in cases {
        let config: BridgeConfig =
            toml::from_str(&text).unwrap_or_else(|error| unreachable!("{error}\n{text}"));
        let why = config.check().unwrap_err().to_string();
        assert!(why.starts_with(expected), "{why}\nexpected {expected}");
    }
}

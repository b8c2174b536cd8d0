//! Each fault of a leaf is found by name, and a healthy leaf has none.

use nl_bridge::StpState;
use nl_bridge::doctor::diagnose;
use nl_bridge::leaf::{BridgeConfig, InstanceConfig, InterfaceConfig, VrfConfig, VxlanConfig};
use nl_bridge::settings::{Bridge, BridgePort};
use nl_bridge::vlan::{VlanFlags, VlanMember};
use nl_bridge::vxlan::Vxlan;
use nl_core::link::{LinkFlags, LinkKind};

use crate::kernel::{Kernel, encoded, one};
use crate::small;

/// A healthy leaf.
fn healthy() -> Kernel {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    kernel.apply(&small().plan(&kernel.snapshot()).unwrap());
    kernel
}

fn found(kernel: &Kernel) -> Vec<String> {
    diagnose(&kernel.snapshot(), None).iter().map(ToString::to_string).collect()
}

/// Breaks a healthy leaf, and says what is found.
fn broken(how: impl FnOnce(&mut Kernel)) -> Vec<String> {
    let mut kernel = healthy();
    how(&mut kernel);
    found(&kernel)
}

fn down(dev: &str) -> Vec<String> {
    broken(|kernel| kernel.link(dev).flags -= LinkFlags::UP | LinkFlags::RUNNING)
}

#[test]
fn healthy_leaf_has_no_fault() {
    assert_eq!(found(&healthy()), [] as [&str; 0]);
    assert_eq!(found(&Kernel::new(&["swp1"])), [] as [&str; 0]);
    let described = diagnose(&healthy().snapshot(), Some(&small()));
    assert!(described.is_empty(), "{described:?}");
}

#[test]
fn device_that_is_down_is_found() {
    let text =
        |dev: &str| format!("link {dev}: it is down, so no frame passes\n  mend: ip link set {dev} up");
    assert_eq!(down("br0"), [text("br0")]);
    assert_eq!(down("vx0"), [text("vx0")]);
    // VLAN 20 and 21 have no other port; VLAN 10 has.
    assert_eq!(down("swp2"), [text("swp2")]);
    assert_eq!(down("swp1"), [] as [&str; 0]);
}

#[test]
fn untagged_member_is_found_before_a_frame_is_lost() {
    let member = VlanMember::new(one(10)).with(VlanFlags::UNTAGGED);
    assert_eq!(
        broken(|kernel| kernel.set_vlans("vx0", &[member])),
        ["vlan 10 dev vx0: it is untagged, so frames lose the tag by which their VNI is found\n  \
          mend: bridge vlan add dev vx0 vid 10"]
    );
}

#[test]
fn missing_membership_is_found() {
    let mut kernel = healthy();
    kernel.delete_vlan("vx0", 10);
    // One VNI and one VLAN are left over.
    assert_eq!(
        found(&kernel),
        ["vni 10010 dev vx0: vx0 is not in vlan 10, so every frame is dropped\n  \
          mend: bridge vlan add dev vx0 vid 10 && bridge vlan add dev vx0 vid 10 tunnel_info id 10010"]
    );
    kernel.delete_vlan("vx0", 20);
    let all = found(&kernel);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all[0].contains("bridge vlan add dev vx0 vid VLAN tunnel_info id 10010"), "{all:#?}");
    // A description knows which.
    let described: Vec<_> =
        diagnose(&kernel.snapshot(), Some(&small())).iter().map(|finding| finding.fault.mend()).collect();
    assert!(described[1].ends_with("vid 20 tunnel_info id 10020"), "{described:#?}");
}

#[test]
fn missing_mapping_is_found() {
    let mut kernel = healthy();
    kernel.unmap("vx0", 10);
    let findings = found(&kernel);
    assert_eq!(
        findings[0],
        "vlan 10 dev vx0: it is mapped to no VNI, so every frame is dropped\n  \
         mend: bridge vlan add dev vx0 vid 10 tunnel_info id VNI"
    );
    let described = diagnose(&kernel.snapshot(), Some(&small()));
    assert_eq!(described.len(), 1, "{described:?}");
    assert_eq!(described[0].fault.mend(), "bridge vlan add dev vx0 vid 10 tunnel_info id 10010");
}

#[test]
fn vlan_tunnel_that_is_off_is_found() {
    let findings = broken(|kernel| kernel.set_port("vx0", &BridgePort::new().vlan_tunnel(false)));
    assert_eq!(
        findings,
        [
            "link vx0: vlan_tunnel is off, so no VLAN is mapped to its VNI\n  mend: bridge link set dev vx0 vlan_tunnel on"
        ]
    );
}

#[test]
fn vni_that_is_not_received_is_found() {
    assert_eq!(
        broken(|kernel| kernel.remove_vni("vx0", 10010)),
        [
            "vlan 10 dev vx0: vni 10010 is not in the filter of the device, so every frame from there is dropped\n  \
          mend: bridge vni add vni 10010 dev vx0"
        ]
    );
}

#[test]
fn missing_flood_entry_is_found() {
    let findings = broken(|kernel| kernel.remove_flood(10010));
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].starts_with("vni 10010 dev vx0: no leaf is flooded to"), "{findings:#?}");
    assert!(findings[0].ends_with("dst LEAF src_vni 10010"), "{findings:#?}");
}

#[test]
fn bridge_that_does_not_filter_is_found() {
    let off = Bridge::new().vlan_filtering(false);
    assert_eq!(
        broken(|kernel| kernel.set_bridge("br0", &off)),
        [
            "link br0: VLANs are not filtered, so none is mapped to its VNI\n  mend: ip link set br0 type bridge vlan_filtering 1"
        ]
    );
}

#[test]
fn device_with_a_vni_of_its_own_is_found() {
    let findings = broken(|kernel| {
        let vxlan = Vxlan::new(nl_bridge::Vni::new(10010).unwrap()).port(4789_u16);
        kernel.link("vx0").kind_data = encoded(&vxlan.collect_metadata(false));
    });
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].starts_with("link vx0: the device has a VNI of its own"), "{findings:#?}");
}

#[test]
fn vlan_that_does_not_forward_is_found() {
    assert_eq!(
        broken(|kernel| kernel.set_state("vx0", 10, StpState::Blocking)),
        ["vlan 10 dev vx0: it is blocking here, so no frame passes\n  \
          mend: bridge vlan set dev vx0 vid 10 state forwarding"]
    );
}

#[test]
fn instance_that_does_not_forward_is_found() {
    let config = small().instance(InstanceConfig::new(5, [one(10)]));
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    kernel.apply(&config.plan(&kernel.snapshot()).unwrap());
    assert_eq!(found(&kernel), [] as [&str; 0]);
    kernel.set_instance("vx0", 5, StpState::Blocking);
    assert_eq!(
        found(&kernel),
        ["vlan 10 dev vx0: msti 5 is blocking here, so no frame passes\n  \
          mend: bridge mst set dev vx0 msti 5 state forwarding"]
    );
}

#[test]
fn vlan_without_a_port_is_found() {
    let mut kernel = Kernel::new(&[]);
    let config = BridgeConfig::new("br0").vxlan(VxlanConfig::new("vx0").map(10, 10010).flood(crate::leaf(2)));
    kernel.apply(&config.plan(&kernel.snapshot()).unwrap());
    assert_eq!(
        found(&kernel),
        ["vlan 10 dev vx0: neither a port nor the bridge is in it, so nobody uses its VNI\n  \
          mend: bridge vlan add dev PORT vid 10"]
    );
}

#[test]
fn l3_vni_needs_no_leaf_to_be_flooded_to() {
    let with = |interface: InterfaceConfig| {
        let mut config = small().vrf(VrfConfig::new("red", 1001)).interface(interface.vrf("red"));
        config.vxlan = config.vxlan.map(|vxlan| vxlan.map(4000, 4000));
        let mut kernel = Kernel::new(&["swp1", "swp2"]);
        kernel.apply(&config.plan(&kernel.snapshot()).unwrap());
        found(&kernel)
    };
    assert_eq!(with(InterfaceConfig::new("vlan4000", 4000)), [] as [&str; 0]);
    // One with an address asks for others.
    let findings = with(InterfaceConfig::new("vlan4000", 4000).ip("10.0.0.1/24".parse().unwrap()));
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].starts_with("vni 4000 dev vx0: no leaf is flooded to"), "{findings:#?}");
}

#[test]
fn port_with_one_vni_and_no_vlan_is_found() {
    let mut kernel = healthy();
    kernel.add_link("vx99");
    let link = kernel.link("vx99");
    link.kind_name = Some(Vxlan::KIND.into());
    link.kind_data = encoded(&Vxlan::new(nl_bridge::Vni::new(99).unwrap()));
    kernel.join("vx99", "br0", &[]);
    let findings = found(&kernel);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(findings[0].starts_with("link vx99: the port is in no VLAN"), "{findings:#?}");
    assert!(findings[1].ends_with("bridge fdb append 00:00:00:00:00:00 dev vx99 dst LEAF"), "{findings:#?}");
}

#[cfg(feature = "serde")]
#[test]
fn finding_is_serialized_with_the_kind_of_its_fault() {
    let member = VlanMember::new(one(10)).with(VlanFlags::UNTAGGED);
    let mut kernel = healthy();
    kernel.set_vlans("vx0", &[member]);
    let value = serde_json::to_value(diagnose(&kernel.snapshot(), None)).unwrap();
    let fault = serde_json::json!({ "kind": "untagged", "dev": "vx0", "vlan": 10 });
    assert_eq!(value, serde_json::json!([{ "object": "vlan 10 dev vx0", "fault": fault }]));
}

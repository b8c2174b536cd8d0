//! MAC addresses behind other leaves, which a control plane keeps beside the description.

use nl_bridge::leaf::{BridgeConfig, VxlanConfig};
use nl_core::MacAddr;

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
    assert_eq!(kernel.learned("vx0"), []);
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
    assert_eq!(kernel.learned("vx0"), []);
}

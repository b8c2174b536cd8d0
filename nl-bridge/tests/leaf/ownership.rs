//! What others made, what is left behind, and whose it is.

use nl_bridge::fdb::FdbFlags;
use nl_bridge::leaf::{BridgeConfig, PortConfig, Standing, VxlanConfig};

use crate::kernel::Kernel;
use crate::{leaf, lines, small};

fn others(config: &BridgeConfig, kernel: &Kernel) -> Vec<String> {
    config.plan(&kernel.snapshot()).unwrap().others().iter().map(ToString::to_string).collect()
}

/// Applies a description, and returns the steps.
fn applied(config: &BridgeConfig, kernel: &mut Kernel) -> Vec<String> {
    let plan = config.plan(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    assert!(config.plan(&kernel.snapshot()).unwrap().is_empty());
    lines(&plan)
}

/// From a public report: VLAN 10 is applied, then 20, while somebody else adds 1200.
#[test]
fn vlan_of_others_stays_unless_the_description_is_exact() {
    for is_exact in [false, true] {
        let mut kernel = Kernel::new(&["swp1"]);
        let with = |vlan: u16| {
            let config = BridgeConfig::new("br0").own_vlans(1..=999);
            let config = config.port(PortConfig::new("swp1").trunk(vlan));
            if is_exact { config.exact() } else { config }
        };
        applied(&with(10), &mut kernel);
        kernel.add_vlans("swp1", &[1200]);
        assert_eq!(others(&with(20), &kernel), ["foreign: vlan 1200 dev swp1"]);
        let steps = applied(&with(20), &mut kernel);
        let gone =
            if is_exact { "delete vlan dev swp1 vid 10 vid 1200" } else { "delete vlan dev swp1 vid 10" };
        assert_eq!(steps, ["add vlan dev swp1 vid 20", gone]);
        let left: Vec<u16> = kernel.members("swp1").into_keys().collect();
        assert_eq!(left, if is_exact { vec![20] } else { vec![20, 1200] });
    }
}

#[test]
fn port_of_others_stays_unless_the_description_is_exact() {
    let mut kernel = Kernel::new(&["swp1", "swp2", "tap0"]);
    applied(&small(), &mut kernel);
    kernel.join("tap0", "br0", &[10]);
    assert_eq!(others(&small(), &kernel), ["foreign: port tap0"]);
    assert_eq!(applied(&small(), &mut kernel), [] as [&str; 0]);
    // The bridge is not taken from under it.
    let plan = small().plan_removal(&kernel.snapshot()).unwrap();
    let standings: Vec<_> = plan.others().iter().map(|other| other.standing).collect();
    assert!(standings.contains(&Standing::Unsafe), "{:?}", plan.others());
    assert!(!lines(&plan).contains(&"delete link br0".to_owned()), "{plan}");
    assert_eq!(applied(&small().exact(), &mut kernel), ["set link tap0 nomaster"]);
}

#[test]
fn leaf_that_somebody_else_appended_stays() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    applied(&small(), &mut kernel);
    // Not `extern_learn`, so the VNI's list is theirs from then on.
    kernel.add_flood("vx0", 10010, leaf(99), FdbFlags::empty());
    // In another VNI the list stays our own, and what is not wanted goes.
    kernel.add_flood("vx0", 10020, leaf(98), FdbFlags::EXT_LEARNED);
    let steps = applied(&small(), &mut kernel);
    assert_eq!(steps.len(), 1, "{steps:#?}");
    assert!(
        steps[0].starts_with("delete fdb 00:00:00:00:00:00 dev vx0 dst 192.0.2.98 src_vni 10020"),
        "{steps:?}"
    );
    assert!(kernel.flooded().contains(&(10010, leaf(99))));
    let found = others(&small(), &kernel);
    assert!(found.iter().any(|other| other.contains("dst 192.0.2.99 src_vni 10010")), "{found:#?}");
    applied(&small().exact(), &mut kernel);
    assert!(!kernel.flooded().contains(&(10010, leaf(99))));
}

#[test]
fn vni_of_others_stays_unless_the_description_is_exact() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    let own = || small().own_vnis(10_000..=19_999);
    applied(&own(), &mut kernel);
    kernel.add_vni("vx0", 77);
    kernel.add_vni("vx0", 10_500);
    assert_eq!(others(&own(), &kernel), ["foreign: vni 77 dev vx0"]);
    assert_eq!(applied(&own(), &mut kernel), ["delete vni 10500 dev vx0"]);
    assert_eq!(applied(&own().exact(), &mut kernel), ["delete vni 77 dev vx0"]);
}

#[test]
fn vni_that_somebody_else_mapped_is_refused() {
    let mut kernel = Kernel::new(&[]);
    let with = |vlan: u16, vni: u32| {
        BridgeConfig::new("br0").own_vlans(1..=999).vxlan(VxlanConfig::new("vx0").map(vlan, vni))
    };
    applied(&with(10, 10010), &mut kernel);
    kernel.add_vlans("vx0", &[1200]);
    kernel.map("vx0", 1200, 5);
    let error = with(20, 5).plan(&kernel.snapshot()).unwrap_err();
    assert!(error.is_usage());
    assert_eq!(
        error.to_string(),
        "leaf br0: vxlan.maps[0].vni: vni 5 belongs to vlan 1200, which somebody else mapped"
    );
    applied(&with(20, 5).exact(), &mut kernel);
}

#[test]
fn device_without_a_stamp_is_refused_until_it_is_adopted() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    applied(&small(), &mut kernel);
    kernel.link("br0").alt_names.clear();
    for config in [small(), small().exact()] {
        let error = config.plan(&kernel.snapshot()).unwrap_err().to_string();
        assert!(
            error.starts_with("leaf br0: name: br0 is there and has no stamp of nl: delete it"),
            "{error}"
        );
    }
    // Nor is it removed.
    let plan = small().plan_removal(&kernel.snapshot()).unwrap();
    assert!(!lines(&plan).contains(&"delete link br0".to_owned()), "{plan}");
    let plan = small().plan_adoption(&kernel.snapshot()).unwrap();
    assert_eq!(lines(&plan), ["add altname of link br0 leaf.nl.br0.br0"]);
    kernel.apply(&plan);
    assert_eq!(applied(&small(), &mut kernel), [] as [&str; 0]);
}

#[test]
fn two_owners_do_not_touch_each_other() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    let one = BridgeConfig::new("br0").owner("one").port(PortConfig::new("swp1").access(10));
    let other = BridgeConfig::new("br1").owner("two").port(PortConfig::new("swp2").access(10));
    applied(&one, &mut kernel);
    let steps = applied(&other, &mut kernel);
    assert!(steps.iter().all(|step| !step.contains("br0") && !step.contains("swp1")), "{steps:#?}");
    let plan = other.plan_removal(&kernel.snapshot()).unwrap();
    kernel.apply(&plan);
    assert!(kernel.has("br0") && !kernel.has("br1"));
    assert_eq!(applied(&one, &mut kernel), [] as [&str; 0]);
}

#[test]
fn vxlan_device_that_is_not_wanted_any_more_is_deleted() {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    applied(&small(), &mut kernel);
    let mut config = small();
    config.vxlan = None;
    assert_eq!(others(&config, &kernel), ["orphaned: link vx0"]);
    assert_eq!(applied(&config, &mut kernel), ["delete link vx0"]);
}

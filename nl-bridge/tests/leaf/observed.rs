//! What is there is read back as a description.

use nl_bridge::leaf::{BridgeConfig, InstanceConfig, PortConfig, VlanConfig};
use nl_bridge::{StpState, VlanRange};

use crate::kernel::Kernel;
use crate::{lines, small};

/// The leaf that a description makes.
fn made(config: &BridgeConfig) -> Kernel {
    let mut kernel = Kernel::new(&["swp1", "swp2"]);
    kernel.apply(&config.plan(&kernel.snapshot()).unwrap());
    kernel
}

#[test]
fn description_is_read_back_as_it_was_applied() {
    assert_eq!(BridgeConfig::observe(&made(&small()).snapshot(), "br0").unwrap(), small());
}

#[test]
fn options_states_and_instances_are_read_back() {
    let vlans = |first, last| VlanRange::new(first, last).unwrap();
    let states = VlanConfig::new(vlans(10, 12)).state(StpState::Blocking);
    let port = PortConfig::new("swp1").learning(false).isolated(true).vlan(states);
    let config = BridgeConfig::new("br0").port(port);
    assert_eq!(BridgeConfig::observe(&made(&config).snapshot(), "br0").unwrap(), config);

    let mst = BridgeConfig::new("br0")
        .instance(InstanceConfig::new(5, [vlans(10, 12), vlans(14, 14)]))
        .vlans(14)
        .port(PortConfig::new("swp1").trunk(10..=13).instance(5, StpState::Blocking))
        .port(PortConfig::new("swp2").trunk(10..=11));
    assert_eq!(BridgeConfig::observe(&made(&mst).snapshot(), "br0").unwrap(), mst);
}

#[test]
fn observed_leaf_of_somebody_else_differs_in_nothing_once_it_is_adopted() {
    let mut kernel = made(&small());
    for dev in ["br0", "vx0", "swp1", "swp2"] {
        kernel.link(dev).alt_names.clear();
    }
    let config = BridgeConfig::observe(&kernel.snapshot(), "br0").unwrap();
    assert!(config.plan(&kernel.snapshot()).unwrap_err().is_usage());
    let adoption = config.plan_adoption(&kernel.snapshot()).unwrap();
    assert_eq!(adoption.steps().len(), 4, "{adoption}");
    kernel.apply(&adoption);
    assert_eq!(lines(&config.plan(&kernel.snapshot()).unwrap()), [] as [&str; 0]);
    // Then it is its own, and can be removed.
    kernel.apply(&config.plan_removal(&kernel.snapshot()).unwrap());
    assert!(!kernel.has("br0") && !kernel.has("vx0"));
}

#[test]
fn bridge_that_is_not_there_is_refused() {
    let error = BridgeConfig::observe(&Kernel::new(&["br0"]).snapshot(), "br0").unwrap_err();
    assert_eq!(error.to_string(), "observe leaf br0: there is no bridge br0");
}

//! Leaves without a kernel: what plans say, that they converge whatever was there, what is refused, what is observed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

#[cfg(feature = "doctor")]
mod arbitrary;
#[cfg(feature = "doctor")]
mod doctor;
#[cfg(feature = "doctor")]
#[path = "../../fuzz/leaf.rs"]
mod fuzz;
#[cfg(all(feature = "doctor", feature = "serde"))]
#[path = "../../fuzz/config.rs"]
mod fuzz_config;
mod kernel;
mod macs;
mod manual;
mod observed;
mod ownership;
mod plans;
mod property;
mod refusals;
mod routers;
mod routing;
mod segments;
#[cfg(feature = "serde")]
mod serialize;

use nl_bridge::leaf::{BridgeConfig, Plan, PortConfig, VxlanConfig};

/// Two ports, three VLANs with VNIs, two other leaves.
fn small() -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(leaf(1)).map(10, 10010).map(20..=21, 10020..=10021);
    BridgeConfig::new("br0")
        .vlans(10)
        .port(PortConfig::new("swp1").access(10))
        .port(PortConfig::new("swp2").trunk(10).trunk(20..=21))
        .vxlan(vxlan.flood(leaf(2)).flood(leaf(3)))
}

/// The address of another leaf.
fn leaf(number: u8) -> std::net::IpAddr {
    std::net::Ipv4Addr::new(192, 0, 2, number).into()
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.steps().iter().map(ToString::to_string).collect()
}

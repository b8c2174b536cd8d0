//! Leaves in one description, and what the doctor finds.

#[cfg(all(feature = "blocking", feature = "serde"))]
mod agent;
mod apply;
mod doctor;
mod macs;
mod ownership;
mod random;
mod routers;
mod routing;
mod segments;
mod support;
mod tenants;
mod traffic;
mod wire;

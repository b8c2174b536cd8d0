//! Leaves in one description, and what the doctor finds.

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

//! MACsec on a real kernel, checked with iproute2.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where it fails"
)]

mod agent;
mod associations;
mod bytes;
mod cancelled;
mod counters;
mod decrypt;
mod device;
mod errors;
mod every_change;
mod flow;
mod lists;
mod offload;
#[cfg(feature = "blocking")]
mod pending;
mod races;
mod recreate;
mod rotate;
mod secrets;
mod support;
mod traffic;

nl_testkit::main!();

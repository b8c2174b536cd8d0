//! Multipath TCP on a real kernel, checked with iproute2.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where it fails"
)]

mod bytes;
mod cancelled;
mod diag;
mod endpoint_manager;
mod endpoints;
mod events;
mod kernel_pm;
mod limits;
mod managerd;
mod mib;
mod path_manager;
#[cfg(feature = "blocking")]
mod pending;
mod policies;
#[path = "../../examples/mptcp_policies/policies.rs"]
mod policies_of_example;
mod privilege;
mod races;
mod random;
mod refused;
mod replaced;
mod resets;
mod settings;
mod socket;
mod support;
mod traffic;
mod uplinks;
mod userspace;

nl_testkit::main!();

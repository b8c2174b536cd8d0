//! Segment routing on a real kernel, checked with iproute2 and with packets.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

mod both_ways;
mod bpf;
mod bytes;
mod cancelled;
#[path = "../golden/mod.rs"]
mod commands;
mod doctor;
mod doctor_nodes;
mod end_to_end;
mod every_change;
mod keys;
mod many;
#[cfg(feature = "blocking")]
mod pending;
mod policy;
mod policy_random;
mod races;
mod refused;
mod selftests;
mod settings;
mod steering;
mod support;
mod wire;

nl_testkit::main!();

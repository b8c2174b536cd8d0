//! The forwarding database on a real kernel, checked with iproute2.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

mod activity;
mod batch;
mod both_ways;
mod bytes;
mod changes;
mod errors;
mod fdb_flush;
mod flush;
mod listing;
mod nexthop;
mod pending;
mod refused;
mod scale;
mod support;
mod vlan;
mod write_back;

nl_testkit::main!();

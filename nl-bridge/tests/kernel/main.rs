//! The forwarding database on a real kernel, checked with iproute2.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod activity;
mod batch;
mod both_ways;
mod bytes;
mod cancelled;
mod changes;
mod errors;
mod every_change;
mod fdb_flush;
mod flush;
mod golden;
mod kinds;
mod leaf;
mod listing;
mod mdb;
#[path = "../golden/mdb.rs"]
mod mdb_commands;
mod nexthop;
mod pending;
mod races;
mod refused;
mod remote_mac;
mod scale;
mod settings;
#[path = "../golden/settings.rs"]
mod settings_commands;
mod support;
mod vlan;
mod vlan_db;
mod vlans;
mod vxlan;
mod watch;
mod write_back;

nl_testkit::main!();

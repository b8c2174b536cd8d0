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
mod changes;
mod errors;
mod flush;
#[cfg(all(feature = "mdb", feature = "settings", feature = "vlan", feature = "vxlan"))]
mod kinds;
mod listing;
#[cfg(all(feature = "mdb", feature = "settings", feature = "vlan", feature = "vxlan"))]
mod mdb;
mod pending;
mod refused;
mod scale;
#[cfg(all(feature = "mdb", feature = "settings", feature = "vlan", feature = "vxlan"))]
mod settings;
mod support;
mod vlan;
#[cfg(all(feature = "mdb", feature = "settings", feature = "vlan", feature = "vxlan"))]
mod vlans;
#[cfg(all(feature = "mdb", feature = "settings", feature = "vlan", feature = "vxlan"))]
mod vxlan;
mod write_back;

nl_testkit::main!();

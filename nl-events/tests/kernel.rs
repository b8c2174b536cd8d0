//! Events and watches on a real kernel, checked with iproute2.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests panic with context"
)]

#[cfg(feature = "blocking")]
#[path = "kernel/blocking.rs"]
mod blocking;
#[path = "kernel/exporter.rs"]
mod exporter;
#[path = "kernel/families.rs"]
mod families;
#[path = "kernel/filters.rs"]
mod filters;
#[path = "kernel/groups.rs"]
mod groups;
#[path = "kernel/macsec.rs"]
mod macsec;
#[cfg(feature = "blocking")]
#[path = "kernel/memory.rs"]
mod memory;
#[path = "kernel/mptcp.rs"]
mod mptcp;
#[path = "kernel/namespaces.rs"]
mod namespaces;
#[path = "kernel/reported.rs"]
mod reported;
#[path = "kernel/reports.rs"]
mod reports;
#[path = "kernel/silent.rs"]
mod silent;
#[path = "kernel/soak.rs"]
mod soak;
#[path = "kernel/store.rs"]
mod store;
#[path = "kernel/storm.rs"]
mod storm;
#[path = "kernel/tc.rs"]
mod tc;
#[path = "kernel/watch.rs"]
mod watch;

nl_testkit::main!();

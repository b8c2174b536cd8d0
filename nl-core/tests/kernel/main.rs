//! The crate against a running kernel, checked with iproute2.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

mod batch;
mod connection;
mod dump;
mod genl;
#[path = "../golden/mod.rs"]
mod golden;
#[cfg(feature = "interop")]
mod interop;
mod link;
mod monitor;
mod names;
mod netns;
#[cfg(feature = "nexthop")]
mod nexthop;
mod plain_netlink_proto;
mod refusals;
#[cfg(feature = "route")]
mod route;
mod support;
mod surroundings;
mod trust;

nl_testkit::main!();

//! The crate against a running kernel, checked with iproute2.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

#[cfg(feature = "address")]
mod address;
mod batch;
#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
mod bytes;
#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
#[path = "../golden/mod.rs"]
mod commands;
mod connection;
mod dump;
mod genl;
#[cfg(feature = "interop")]
mod interop;
mod link;
mod monitor;
mod names;
#[cfg(feature = "neighbour")]
mod neighbour;
mod netns;
mod plain_netlink_proto;
mod refusals;
#[cfg(feature = "rule")]
mod rule;
mod support;
mod surroundings;
#[cfg(feature = "sysctl")]
mod sysctl;
mod trust;

nl_testkit::main!();

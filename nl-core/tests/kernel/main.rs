//! The crate against a running kernel, checked with iproute2.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

#[cfg(feature = "address")]
mod address;
#[cfg(all(feature = "address", feature = "watch"))]
#[path = "../watch/addresses.rs"]
mod addresses;
mod batch;
#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
mod bytes;
#[cfg(all(feature = "address", feature = "link", feature = "neighbour"))]
mod cancelled;
mod connection;
#[cfg(feature = "link")]
mod devices;
mod dump;
#[cfg(all(
    feature = "address",
    feature = "link",
    feature = "neighbour",
    feature = "nexthop",
    feature = "nsid",
    feature = "rule"
))]
mod errors;
mod genl;
#[path = "../golden/mod.rs"]
mod golden;
#[cfg(feature = "interop")]
mod interop;
mod link;
mod monitor;
mod names;
#[cfg(feature = "neighbour")]
mod neighbour;
mod netns;
#[cfg(feature = "nexthop")]
mod nexthop;
#[cfg(feature = "nsid")]
mod nsid;
mod plain_netlink_proto;
#[cfg(all(feature = "address", feature = "link"))]
mod races;
mod refusals;
#[cfg(feature = "route")]
mod route;
#[cfg(feature = "rule")]
mod rule;
mod support;
mod surroundings;
#[cfg(feature = "sysctl")]
mod sysctl;
mod trust;
#[cfg(all(
    feature = "address",
    feature = "link",
    feature = "neighbour",
    feature = "nexthop",
    feature = "rule",
    feature = "watch"
))]
mod watch;

nl_testkit::main!();

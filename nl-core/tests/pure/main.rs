//! What needs no kernel: attributes, messages and decoders, against arbitrary and against captured bytes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

#[cfg(feature = "address")]
mod address;
mod attributes;
#[cfg(feature = "tokio")]
mod captured;
mod decoders;
mod fuzz;
#[cfg(feature = "tokio")]
#[path = "../golden/mod.rs"]
#[cfg_attr(
    any(feature = "address", feature = "neighbour", feature = "route", feature = "rule"),
    expect(dead_code, reason = "the kernel tests send the commands too")
)]
mod golden;
#[cfg(all(feature = "tokio", any(feature = "address", feature = "neighbour", feature = "rule")))]
mod iproute2;
#[cfg(feature = "link")]
mod link;
#[cfg(feature = "neighbour")]
mod neighbour;
#[cfg(feature = "nexthop")]
mod nexthop;
#[cfg(feature = "route")]
mod route;
#[cfg(feature = "rule")]
mod rule;
mod secrets;
#[cfg(feature = "tokio")]
mod send;
mod sendable;
#[cfg(feature = "serde")]
mod serialize;
#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
mod support;

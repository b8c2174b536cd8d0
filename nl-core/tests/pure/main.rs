//! What needs no kernel: attributes, messages and decoders, against arbitrary and against captured bytes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod attributes;
#[cfg(feature = "tokio")]
mod captured;
mod decoders;
#[path = "../golden/mod.rs"]
#[cfg_attr(feature = "route", expect(dead_code, reason = "the kernel tests send the commands too"))]
mod golden;
#[cfg(feature = "nexthop")]
mod nexthop;
#[cfg(feature = "route")]
mod route;
mod secrets;
#[cfg(feature = "tokio")]
mod send;
mod sendable;

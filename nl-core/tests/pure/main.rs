//! What needs no kernel: attributes, messages and decoders, against arbitrary and against captured bytes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

#[cfg(feature = "address")]
mod address;
mod attributes;
#[cfg(all(feature = "tokio", any(feature = "address", feature = "neighbour", feature = "rule")))]
#[path = "../golden/mod.rs"]
#[expect(dead_code, reason = "the kernel tests send the commands too")]
mod commands;
mod decoders;
#[cfg(feature = "tokio")]
mod golden;
#[cfg(all(feature = "tokio", any(feature = "address", feature = "neighbour", feature = "rule")))]
mod iproute2;
#[cfg(feature = "neighbour")]
mod neighbour;
#[cfg(feature = "rule")]
mod rule;
mod secrets;
#[cfg(feature = "tokio")]
mod send;
mod sendable;
#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
mod support;

//! What needs no kernel: attributes, messages and decoders, against arbitrary and against captured bytes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

#[cfg(feature = "address")]
mod address;
mod attributes;
#[cfg(all(feature = "tokio", feature = "address"))]
#[path = "../golden/mod.rs"]
#[expect(dead_code, reason = "the kernel tests send the commands too")]
mod commands;
mod decoders;
#[cfg(feature = "tokio")]
mod golden;
#[cfg(all(feature = "tokio", feature = "address"))]
mod iproute2;
mod secrets;
#[cfg(feature = "tokio")]
mod send;
mod sendable;
#[cfg(feature = "address")]
mod support;

//! What needs no kernel: attributes, messages and decoders, against arbitrary and against captured bytes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod attributes;
mod decoders;
#[cfg(feature = "tokio")]
mod golden;
mod secrets;
#[cfg(feature = "tokio")]
mod send;
mod sendable;

//! What needs no kernel: attributes, messages and decoders, against arbitrary and against captured bytes.

mod attributes;
mod decoders;
#[cfg(feature = "tokio")]
mod golden;
mod secrets;
mod sendable;

//! The codec without a kernel: golden bytes, arbitrary values, arbitrary bytes, refusals, and that nothing shows a key.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod arbitrary;
#[path = "../../fuzz/association.rs"]
mod association;
#[path = "../../fuzz/check.rs"]
mod check;
mod corpus;
#[cfg(all(feature = "tokio", target_endian = "little"))]
mod exchanges;
#[cfg(target_endian = "little")]
mod golden;
#[cfg(all(feature = "tokio", target_endian = "little"))]
mod interrupted;
mod iproute2;
mod refusals;
mod sampler;
mod second_opinion;
mod secrets;
mod send;
#[cfg(feature = "serde")]
mod serialize;

/// A number the family may have.
const FAMILY: u16 = 0x1c;

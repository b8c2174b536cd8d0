//! The codec without a kernel: golden bytes, arbitrary values, arbitrary bytes, every refusal.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod arbitrary;
#[path = "../../fuzz/check.rs"]
mod check;
#[path = "../golden/mod.rs"]
mod commands;
mod corpus;
mod doctor;
mod doctor_nodes;
#[cfg(all(feature = "tokio", feature = "policy", feature = "routes", feature = "tunnel-source"))]
mod exchanges;
#[cfg(target_endian = "little")]
mod golden;
mod hmac;
mod policy;
mod refusals;
mod send;
#[cfg(feature = "serde")]
mod serialize;
mod usid;

/// The attributes of an encapsulation as they are sent.
fn encap<T: nl_core::route::Encap>(encap: &T) -> Vec<u8> {
    nl_core::route::RawEncap::of(encap).attrs().as_bytes().to_vec()
}

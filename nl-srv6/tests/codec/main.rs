//! The codec without a kernel: golden bytes, arbitrary values, arbitrary bytes, every refusal.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

mod arbitrary;
#[path = "../golden/mod.rs"]
mod commands;
#[cfg(target_endian = "little")]
mod golden;
mod hmac;
mod refusals;
mod usid;

/// The attributes of an encapsulation as they are sent.
fn encap<T: nl_core::route::Encap>(encap: &T) -> Vec<u8> {
    nl_core::route::RawEncap::of(encap).attrs().as_bytes().to_vec()
}

//! The codec without a kernel: golden bytes, arbitrary values, arbitrary bytes, a second opinion, every refusal.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod arbitrary;
#[path = "../../fuzz/check.rs"]
mod check;
mod corpus;
#[cfg(target_endian = "little")]
mod golden;
mod iproute2;
mod refusals;
#[cfg(feature = "tokio")]
mod requests;
mod second_opinion;
#[cfg(feature = "serde")]
mod serialize;

use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_core::MacAddr;

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const GROUP: MacAddr = MacAddr::new([1, 0, 0x5e, 0, 0, 1]);

/// The bytes of a request that is not refused.
fn bytes(entry: &FdbEntry, verb: FdbVerb) -> Vec<u8> {
    entry.request(verb).encoded().unwrap().to_vec()
}

/// Bytes from the notation of a hex dump.
fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

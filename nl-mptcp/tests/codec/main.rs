//! The codec without a kernel: golden bytes, arbitrary values, arbitrary bytes, every refusal.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

#[cfg(feature = "tokio")]
mod absence;
mod arbitrary;
#[path = "../../fuzz/check.rs"]
mod check;
mod corpus;
mod diag;
#[cfg(target_endian = "little")]
mod golden;
mod iproute2;
#[cfg(any(feature = "tokio", feature = "blocking"))]
mod old_kernels;
#[cfg(all(any(feature = "tokio", feature = "blocking"), feature = "path-manager"))]
mod overrun;
mod refusals;
#[cfg(any(feature = "tokio", feature = "blocking"))]
mod requests;
#[cfg(all(feature = "tokio", feature = "path-manager"))]
mod runtimes;
#[cfg(feature = "settings")]
mod send;
#[cfg(feature = "serde")]
mod serialize;
#[cfg(feature = "blocking")]
mod without_runtime;

/// A number the family may have.
const FAMILY: u16 = 0x20;

/// Bytes from the notation of a hex dump.
fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

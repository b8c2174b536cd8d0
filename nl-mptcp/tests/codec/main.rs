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
#[cfg(feature = "tokio")]
mod exchanges;
#[cfg(target_endian = "little")]
mod golden;
mod iproute2;
#[cfg(all(feature = "endpoint-manager", feature = "path-manager"))]
mod managerd;
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

use nl_testkit::fault::Answer;
use nl_testkit::oracle::unhex;

/// A number the family may have.
const FAMILY: u16 = 0x20;

/// Attributes with these types and values.
fn attributes(of: &[(u16, &[u8])]) -> Vec<u8> {
    of.iter()
        .fold(Answer::new(0, &[]), |answer, (kind, value)| answer.attr(*kind, value))
        .to_bytes()
        .split_off(16)
}

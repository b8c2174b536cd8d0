//! The codec without a kernel: golden bytes, arbitrary values, arbitrary bytes, every refusal.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod action;
mod admission;
mod arbitrary;
#[path = "../../fuzz/check.rs"]
mod check;
mod corpus;
mod curves;
mod event;
#[cfg(feature = "tokio")]
mod exchanges;
mod faults;
#[cfg(feature = "tokio")]
mod filter_lists;
mod flower;
#[cfg(target_endian = "little")]
mod golden;
#[cfg(feature = "tokio")]
mod handle;
#[cfg(feature = "tokio")]
mod iproute2;
mod kinds;
mod refusals;
mod sampler;
#[cfg(feature = "tokio")]
mod send;
#[cfg(feature = "serde")]
mod serialize;
mod stab;
#[cfg(feature = "tokio")]
#[path = "../tables/mod.rs"]
#[expect(dead_code, reason = "the kernel tests have the handle send the verbs too")]
mod tables;
mod tree;
mod tree_filters;
mod u32_tables;
mod units;
#[cfg(feature = "tokio")]
mod unknown;

use nl_core::Request;
use nl_core::message::NLM_F_ACK;
use nl_testkit::oracle::unhex;

/// As captured: acknowledged, with sequence number 1.
fn sent(request: Request) -> Vec<u8> {
    let mut bytes = request.with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
    bytes[8] = 1;
    bytes
}

/// The error of an invalid request.
fn refused(mut request: Request) -> String {
    match request.encoded() {
        Ok(_) => panic!("not refused"),
        Err(error) => error.to_string(),
    }
}

//! Socket statistics without a kernel.

mod arbitrary;
#[path = "../../../fuzz/diag.rs"]
mod check;
mod corpus;
mod filter;
#[cfg(target_endian = "little")]
mod golden;
mod lengths;

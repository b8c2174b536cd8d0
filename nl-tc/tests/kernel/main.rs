//! Classes and qdiscs on a real kernel, checked with iproute2.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod errors;
mod listing;
mod oracle;
mod statistics;
mod support;
mod table_classes;
mod table_hfsc;
mod table_htb;
mod table_qdiscs;
mod verbs;

nl_testkit::main!();

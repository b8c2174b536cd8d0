//! Oracles: independent readers and writers that say whether ours is right.
//!
//! * [`Node::shows`](crate::Node::shows) compares what `ip -j`, `tc -j` and `bridge -j` show with a value of ours.
//! * [`Node::record`](crate::Node::record) and [`Node::requests_of`](crate::Node::requests_of) get at the requests that are
//!   sent to the kernel, [`BytesOracle`] compares ours with iproute2's attribute by attribute, and [`Golden`] files
//!   keep them for codec tests.
//! * [`both_ways`] checks tables of cases: what we set iproute2 shows, and what iproute2 sets we read.
//! * [`traffic`] looks into frames, and [`Node::meter`](crate::Node::meter) at counters.

pub mod both_ways;
mod compare;
mod follow;
mod golden;
mod hex;
mod json;
mod record;
mod shape;
mod show;
#[expect(unsafe_code, reason = "packet sockets and ptrace have no safe interface in std")]
mod sys;
#[cfg(test)]
mod tests;
pub mod traffic;

pub use self::{
    both_ways::{Case, Object},
    compare::{BytesOracle, Mismatch},
    golden::{Blessing, Golden, GoldenRequest},
    hex::unhex,
    json::{JsonRules, Shows},
    record::{Recording, Sent},
    shape::{Attr, Field, Malformed, Shape, messages},
};

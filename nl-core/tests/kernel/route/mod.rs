//! Routes on a real kernel, checked with iproute2.

mod both_ways;
mod bytes;
mod encap;
mod errors;
mod list;
mod lookup;
mod scale;
mod support;

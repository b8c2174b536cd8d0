//! Nexthops on a real kernel, checked with iproute2.

mod both_ways;
mod bytes;
mod errors;
mod list;
mod scale;
mod support;

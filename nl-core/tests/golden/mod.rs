//! The commands of `ip`, ours for each, and where the two differ on purpose: for the tests that ask iproute2, and for those that
//! read what it once said from the `.hex` files here.

#[cfg(feature = "address")]
pub(crate) mod address;
#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
mod line;
#[cfg(feature = "neighbour")]
pub(crate) mod neighbour;
#[cfg(feature = "nexthop")]
pub(crate) mod nexthop;
#[cfg(feature = "route")]
pub(crate) mod route;
#[cfg(feature = "rule")]
pub(crate) mod rule;

#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
pub(crate) use line::*;

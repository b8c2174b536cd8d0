//! The commands of iproute2 and ours for each, for kernel tests and for those without one.

#[cfg(feature = "nexthop")]
pub(crate) mod nexthop;
#[cfg(feature = "route")]
pub(crate) mod route;

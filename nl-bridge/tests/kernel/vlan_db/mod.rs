//! VLAN databases, tunnels, VNI filters and MSTIs.

mod alone;
mod both_ways;
mod bytes;
mod errors;
mod listing;
mod reported;
mod routers;
mod show;
pub(crate) mod support;
mod traffic;
mod tunnel;
mod watch;

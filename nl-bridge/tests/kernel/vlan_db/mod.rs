//! VLAN databases, tunnels, VNI filters and MSTIs.

mod both_ways;
mod bytes;
mod errors;
mod listing;
mod support;
mod traffic;
mod tunnel;
mod watch;

//! Watches: of multicast databases, of VNI filters, of ports, and all of them through storms.

mod mdb;
mod ports;
mod storm;
mod support;
mod vlans;
mod vni;

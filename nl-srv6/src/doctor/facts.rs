use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use nl_core::IpPrefix;
use nl_core::route::Route;

/// What is known of a network namespace. [`diagnose`](Self::diagnose) finds the faults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The devices.
    pub devices: Vec<Device>,
    /// The routes with segments and the local SIDs.
    pub routes: Vec<Route>,
    /// Destination and table of the route that each first segment takes; `None` if there is none. What was not looked up is missing.
    pub first_segments: BTreeMap<Ipv6Addr, Option<(IpPrefix, u32)>>,
    /// Whether IPv6 packets are forwarded, if that is known.
    pub forwards_ipv6: Option<bool>,
    /// Whether IPv4 packets are forwarded, if that is known.
    pub forwards_ipv4: Option<bool>,
    /// The numbers of the HMAC keys, if they are known.
    pub keys: Option<BTreeSet<u32>>,
}

/// A device, as far as SRv6 is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The index.
    pub index: u32,
    /// The name.
    pub name: String,
    /// Whether it is up.
    pub is_up: bool,
    /// Whether it is a loopback device.
    pub is_loopback: bool,
    /// Whether it is an Ethernet device.
    pub is_ethernet: bool,
    /// The table, if it is a VRF.
    pub vrf_table: Option<u32>,
    /// Whether IPv4 packets from a VRF must come from where replies would go (`rp_filter` 1).
    pub filters_reverse_path: bool,
}

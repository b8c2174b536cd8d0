use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use nl_core::IpPrefix;
use nl_core::route::Route;

/// Destination and table of the route that is taken; `None` if there is none.
type Taken = Option<(IpPrefix, u32)>;

/// What is known of a network namespace. [`diagnose`](Self::diagnose) finds the faults.
///
/// Under feature `serde` facts are written and read, so that those of several nodes can be brought together. Of a route only what the
/// doctor looks at is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Facts {
    /// The name of the node, with which its findings begin. Empty for a node on its own.
    pub name: String,
    /// The devices.
    pub devices: Vec<Device>,
    /// The routes with segments and the local SIDs.
    #[cfg_attr(feature = "serde", serde(with = "super::record"))]
    pub routes: Vec<Route>,
    /// Destination and table of the route that each first segment takes; `None` if there is none. What was not looked up is missing.
    pub first_segments: BTreeMap<Ipv6Addr, Taken>,
    /// The same for routes in the tables of VRFs, by table: the packet with segments is routed as one that comes from the VRF.
    pub vrf_segments: BTreeMap<u32, BTreeMap<Ipv6Addr, Taken>>,
    /// The tables of VRFs whose only default route of IPv6 drops packets: it is unreachable, prohibited or a blackhole.
    pub closed_tables: BTreeSet<u32>,
    /// The destinations of IPv6 in the tables that belong to no VRF, if they are known.
    pub destinations: Option<Vec<Destination>>,
    /// Whether IPv6 packets are forwarded, if that is known.
    pub forwards_ipv6: Option<bool>,
    /// Whether IPv4 packets are forwarded, if that is known.
    pub forwards_ipv4: Option<bool>,
    /// Whether `seg6_enabled` is set for all interfaces, if that is known.
    pub seg6_enabled: Option<bool>,
    /// Whether `net.vrf.strict_mode` is set, if that is known.
    pub vrf_strict_mode: Option<bool>,
    /// The numbers of the HMAC keys, if they are known.
    pub keys: Option<BTreeSet<u32>>,
}

impl Facts {
    /// The same as those of the node with this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The VRF with this table.
    pub(super) fn vrf(&self, table: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.vrf_table == Some(table))
    }

    pub(super) fn device(&self, index: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.index == index)
    }
}

/// A device, as far as SRv6 is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
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
    /// The addresses of IPv6, with the lengths of their networks.
    pub addresses: Vec<IpPrefix>,
    /// Whether `seg6_enabled` is set for the interface, if that is known.
    pub seg6_enabled: Option<bool>,
    /// `seg6_require_hmac`, if that is known: -1, 0 or 1.
    pub seg6_require_hmac: Option<i32>,
}

/// A destination of IPv6 in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Destination {
    /// The destination.
    pub prefix: IpPrefix,
    /// The table.
    pub table: u32,
    /// Whether packets are sent on. Otherwise the route is unreachable, prohibited or a blackhole.
    pub is_open: bool,
}

use nl_core::address::Address;
use nl_core::link::Link;
use nl_core::neighbour::Neighbour;
use nl_core::nexthop::Nexthop;
use nl_core::route::Route;

use crate::fdb::FdbEntry;
use crate::vlan_db::{VlanDbEntry, VlanDbGlobal};
use crate::vni::VniEntry;

/// What is there in a namespace, as far as leaves are concerned: the input of plans and of the doctor.
///
/// [`Leaf::snapshot`](super::Leaf::snapshot) reads it. More than concerns a leaf does no harm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The devices.
    pub links: Vec<Link>,
    /// The VLANs of bridges and ports, with their states and VNIs.
    pub vlans: Vec<VlanDbEntry>,
    /// The instances of the spanning tree that VLANs are in.
    pub globals: Vec<VlanDbGlobal>,
    /// The VNI filters.
    pub vnis: Vec<VniEntry>,
    /// The flood entries of VXLAN devices: those of the all-zero MAC address.
    pub flood: Vec<FdbEntry>,
    /// The VLANs in which bridges have MAC addresses behind VXLAN devices that a control plane put there (`extern_learn`): the device and
    /// the VLAN, each pair once.
    pub learned: Vec<(u32, u16)>,
    /// The MAC addresses of routers: entries of VXLAN devices with the flag `router`, and those of the same addresses in bridges that a
    /// control plane put there. Read for a description, those of its routers whatever their flags.
    pub router_macs: Vec<FdbEntry>,
    /// The MAC addresses of hosts that a control plane put on the VXLAN device of a description, in VNIs of its own that no VLAN has. Read
    /// for a description only.
    pub stale_macs: Vec<FdbEntry>,
    /// The addresses of bridges themselves: MAC addresses to which they receive frames.
    pub locals: Vec<FdbEntry>,
    /// The IP addresses.
    pub addresses: Vec<Address>,
    /// The neighbours that a control plane put on VLAN devices.
    pub neighbours: Vec<Neighbour>,
    /// The nexthops of forwarding databases. Read for a description, all with the ids that belong to it.
    pub nexthops: Vec<Nexthop>,
    /// The routes of VRFs, and those through VLAN devices. Read for a description, also those to its prefixes.
    pub routes: Vec<Route>,
}

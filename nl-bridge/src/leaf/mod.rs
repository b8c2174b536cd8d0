//! A leaf of an EVPN in one description: a bridge, its ports and VLANs, and the VXLAN device that carries them.
//!
//! ```no_run
//! use nl_bridge::leaf::{BridgeConfig, Leaf, PortConfig, VxlanConfig};
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let vxlan = VxlanConfig::new("vx0")
//!     .local("192.0.2.1".parse()?)
//!     .map(10, 10010)
//!     .map(20..=29, 10020..=10029)
//!     .flood("192.0.2.2".parse()?)
//!     .flood("192.0.2.3".parse()?);
//! let config = BridgeConfig::new("br0")
//!     .port(PortConfig::new("swp1").access(10))
//!     .port(PortConfig::new("swp2").trunk(10).trunk(20..=29))
//!     .vxlan(vxlan);
//! let leaf = Leaf::new(Connection::open(Protocol::Route)?);
//! // What would be done, in words.
//! print!("{}", leaf.plan(&config).await?);
//! leaf.apply(&config).await?;
//! // Nothing is left to do.
//! assert!(leaf.apply(&config).await?.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! [`Leaf::apply`] reads what is there and sends what differs. MAC addresses of hosts behind other leaves are not part of the description:
//! [`Leaf::macs`] keeps them, by the hundred thousand, and [`Fdb::remote_mac`](crate::fdb::Fdb::remote_mac) one by one. Where somebody else
//! made the devices, one for each VNI, [`Leaf::macs_on`] keeps their addresses.
//!
//! # Order
//! What comes is there before what goes is gone, so frames of VLANs that stay are not lost:
//!
//! 1. Devices are made: the bridge with VLAN filtering and without a default PVID, the VXLAN device with `external`, `vnifilter` and
//!    `nolearning`.
//! 2. Ports get into the bridge, in no VLAN yet, and the VXLAN port gets `vlan_tunnel on learning off`.
//! 3. New VNIs are received, and have leaves to be flooded to.
//! 4. Ports get new VLANs, and then these get their VNIs, in one request for all. VLANs can exchange their VNIs.
//! 5. VLANs and instances of the spanning tree get their states.
//! 6. Routers get their MAC addresses, neighbours and routes.
//! 7. What is not wanted any more goes: routes, VLANs, flood entries, VNIs, ports, devices.
//!
//! A VXLAN device whose port, filter or address family differs has to be deleted and added again, which interrupts all of its VLANs.
//!
//! # Routing
//! [`InterfaceConfig`] is the host's interface in a VLAN, [`VrfConfig`] the routing table of a tenant. An anycast gateway has one MAC
//! address on every leaf: that of the interface ([`address`](InterfaceConfig::address())), or that of a macvlan device on it
//! ([`gateway`](InterfaceConfig::gateway())). A bridge does not hand frames to such an address up by itself, so it gets an entry of its
//! own for it. An L3 VNI is an interface without IP addresses, whose VLAN is mapped to that VNI. Its [routers](RouterConfig) are the
//! other leaves, and what is behind each: a description has the MAC addresses of the routers, the neighbours that have them, and the routes
//! through these. Other routes and neighbours are those of a routing daemon and are left alone.
//!
//! # Multihoming
//! A host behind several leaves at once is behind a [segment](SegmentConfig): an FDB nexthop group. [`BridgeConfig::segment`] describes
//! those of other leaves, [`PortConfig::peers`] the leaves that share a bond of this one, which take its frames while it has no carrier.
//! Nexthops of new leaves are there before a group uses them, and a group is replaced at once, so that frames of the leaves that stay are
//! not lost. All numbers come from [`own_nexthops`](BridgeConfig::own_nexthops()). When a segment goes, the kernel removes the MAC
//! addresses behind it from the VXLAN device.
//!
//! # Ownership
//! Devices that are made get a stamp: an alternative name of [`BridgeConfig::device_stamp`]. Ports that are added get one of
//! [`BridgeConfig::port_stamp`], before they are ports. A stamp is made of the [owner](BridgeConfig::owner()), the name of the bridge and
//! the name of the device, so a device that is renamed is nobody's. VLANs and VNIs have no place for a stamp: they belong to the
//! description if they are in [`own_vlans`](BridgeConfig::own_vlans()) and [`own_vnis`](BridgeConfig::own_vnis()), which unless set are
//! all. A flood entry belongs to it if it is `extern_learn` and its VNI belongs to it. The kernel keeps such flags once for all
//! remotes of a VNI, so a remote that somebody else appends without `extern_learn` to a new VNI ends the ownership of that VNI's list.
//!
//! Routes and neighbours of an interface of the description belong to it if they have its [protocol](BridgeConfig::protocol()), the MAC
//! address of a router if its entry is `extern_learn router` and its VNI belongs to the description. Where somebody else has a route under
//! the same prefix, or a neighbour, a plan refuses to take it over, unless the description is exact.
//!
//! An FDB nexthop belongs to the description if its id is in [`own_nexthops`](BridgeConfig::own_nexthops()).
//!
//! The MAC address of a host behind another leaf belongs to [`Macs`] where its entry is `extern_learn` and its VNI is mapped. Its two
//! entries can have two owners: one that an operator made (`static` or `permanent`) stays, and the other one is written or removed alone.
//!
//! What belongs to the description and is not in it is removed. The rest belongs to others and is left, unless the description is
//! [exact](BridgeConfig::exact). [`Plan::others`] lists it either way. Two things are never done, also not by an exact description: a
//! device without a stamp is neither changed nor deleted, and a device that is a port of another device is not taken from it.
//!
//! A device is made and stamped in one datagram. If it has no stamp all the same, because somebody removed it, a plan says so in an error
//! and does not adopt it. [`Leaf::adopt`] does that, when it is asked to.
//!
//! # What goes wrong silently
//! `nl_bridge::doctor` finds what a leaf that was configured by other means lacks.
//!
//! * An `untagged` member on the VXLAN port loses the tag by which its VNI is found. A description cannot have one there.
//! * MAC addresses that a control plane put into a VLAN of the VXLAN port (`extern_learn`) stay in the bridge when that VLAN leaves
//!   the port, and would be there for the next VNI of the VLAN. So they are flushed when a VLAN gets another VNI or none. Those of the
//!   VXLAN device belong to the VNI and stay with it. They are deleted, one by one, when no VLAN has that VNI any more: the kernel keeps
//!   them when a VNI leaves the filter.
//! * A VLAN that leaves the VXLAN port takes its mapping along; `vlan_tunnel off` drops them all.
//! * A VLAN that is new on a port, or in its instance of the spanning tree, has a state that the kernel chose. So the state of the
//!   instance is set again.
//!
//! Kernel: `net/bridge`, `drivers/net/vxlan`. Equivalent: `ip link`, `bridge vlan`, `bridge vni`, `bridge fdb`, `bridge mst`.

mod check;
mod config;
mod devices;
mod handle;
mod hash;
mod instances;
mod interfaces;
mod mac;
mod macs;
#[cfg(all(feature = "doctor", feature = "tokio"))]
pub mod manual;
mod members;
mod observe;
mod order;
mod plan;
mod planner;
mod ports;
mod probe;
mod read;
mod remote;
mod routers;
mod routing;
mod segments;
mod snapshot;
mod step;
mod tenants;
#[cfg(feature = "serde")]
mod text;
mod values;
mod view;
mod vni_device;

pub use config::BridgeConfig;
pub use handle::Leaf;
pub use mac::{Behind, LeafMac, MacChange, MacTable};
pub use macs::{MacSummary, Macs};
pub use plan::{Other, Plan, Standing};
pub use ports::PortConfig;
pub use routing::{GatewayConfig, InterfaceConfig, RouterConfig, VrfConfig};
pub use snapshot::Snapshot;
pub use step::{Device, DeviceKind, Step};
pub use tenants::{VniMap, VxlanConfig};
pub use values::{InstanceConfig, InstanceState, SegmentConfig, VlanConfig};
#[cfg(feature = "doctor")]
pub(crate) use view::{Member, View, bridge_of, port_of, vxlan_of};
pub use vni_device::VniDevice;

//! An EVPN leaf in 60 lines: from nothing to a leaf that routes, and back.
//!
//! The tenant `red` has two VLANs, with the same gateway on every leaf, and an L3 VNI between the leaves. The routing daemon is yours:
//! it says which leaves and which MAC addresses there are.
//!
//! ```no_run
//! use nl_bridge::doctor::Doctor;
//! use nl_bridge::fdb::Fdb;
//! use nl_bridge::leaf::{BridgeConfig, InterfaceConfig, Leaf, PortConfig, VrfConfig, VxlanConfig};
//! use nl_core::{Connection, MacAddr, Protocol};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // What the fabric has the same everywhere.
//!     let gateway: MacAddr = "00:00:5e:00:01:01".parse()?;
//!     // What this leaf is.
//!     let vxlan = VxlanConfig::new("vx0")
//!         .local("192.0.2.1".parse()?)
//!         .map(10, 10010)
//!         .map(20, 10020)
//!         .map(4000, 4000)
//!         // The other leaves of all VNIs that were mapped so far, as EVPN routes of type 3 announce them.
//!         .flood("192.0.2.2".parse()?)
//!         .flood("192.0.2.3".parse()?);
//!     let config = BridgeConfig::new("br0")
//!         .owner("my-agent")
//!         .address("02:00:00:00:00:01".parse()?)
//!         .port(PortConfig::new("swp1").access(10))
//!         .port(PortConfig::new("swp2").trunk(10).trunk(20))
//!         .vxlan(vxlan)
//!         .vrf(VrfConfig::new("red", 1001))
//!         .interface(InterfaceConfig::new("vlan10", 10).vrf("red").address(gateway).ip("10.0.10.1/24".parse()?))
//!         .interface(InterfaceConfig::new("vlan20", 20).vrf("red").address(gateway).ip("10.0.20.1/24".parse()?))
//!         .interface(InterfaceConfig::new("vlan4000", 4000).vrf("red"));
//!
//!     // What would be done, and what else is there.
//!     let conn = Connection::open(Protocol::Route)?;
//!     let leaf = Leaf::new(conn.clone());
//!     let plan = leaf.plan(&config).await?;
//!     print!("{plan}");
//!     for other in plan.others() {
//!         println!("# {other}");
//!     }
//!     // Do it. Where it fails, it says at which step, and the next time goes on from there.
//!     leaf.apply(&config).await?;
//!
//!     // A MAC address behind another leaf, as a route of type 2 announces it, and its withdrawal.
//!     let fdb = Fdb::new(conn.clone());
//!     let host: MacAddr = "02:00:00:00:10:01".parse()?;
//!     fdb.remote_mac(host, "vx0").vlan(10).src_vni(10010).dst("192.0.2.2".parse()?).replace().await?;
//!     fdb.remote_mac(host, "vx0").vlan(10).src_vni(10010).dst("192.0.2.2".parse()?).delete().await?;
//!
//!     // Somebody says that VLAN 20 does not work.
//!     for finding in Doctor::new(conn).examine_with(&config).await? {
//!         println!("{finding}");
//!     }
//!     leaf.remove(&config).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Begin with a leaf that is there
//! [`Leaf::observe`](super::Leaf::observe) reads the description of a bridge that was configured by other means. Look at it, keep it in
//! a file, [adopt](super::Leaf::adopt) the devices once, and apply it from then on.
//!
//! # Share a bridge
//! A program that puts its own VLANs on ports of the bridge is not disturbed if the description names its own:
//! [`own_vlans`](super::BridgeConfig::own_vlans()) and [`own_vnis`](super::BridgeConfig::own_vnis()). What it does outside of them is
//! listed as foreign and left.
//!
//! # Hundreds of thousands of MAC addresses
//! [`Leaf::macs`](super::Leaf::macs) keeps all those of a routing daemon: at its start it lists both tables once and writes what differs,
//! and thousands of later changes go out in few datagrams. Where each VNI has a VXLAN device of its own, whoever made it,
//! [`Leaf::macs_on`](super::Leaf::macs_on) takes the devices.
//!
//! # What a routing daemon adds
//! Routes of type 5 and symmetric routing are routes in the table of the VRF over the interface of the L3 VNI, a neighbour entry for the
//! other leaf with its router's MAC address, and that address as a [remote MAC address](crate::fdb::Fdb::remote_mac) in the VLAN of the
//! L3 VNI. `nl_core::route` and `nl_core::neighbour` write the first two.

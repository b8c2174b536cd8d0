//! The Linux bridge through netlink, for EVPN and VXLAN agents, CNI plugins and switch daemons.
//!
//! # What it does
//! [`fdb`] lists, adds, replaces and deletes forwarding database entries with every attribute the kernel has for
//! them, singly, by the hundred thousand or all that match a filter, on bridges and on VXLAN devices. Behind features of their
//! own, `settings` and `vxlan` make, change and read bridges, their ports and VXLAN devices, `vlan` puts ports into VLANs,
//! `vlan_db` and `mst` set options and states of VLANs, `tunnel` and `vni` map VLANs to VNIs, and `mdb` keeps the multicast
//! database. `leaf` has all of it in one description, and `doctor` finds what is wrong with it.
//!
//! # Example
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_bridge::fdb::Fdb;
//! use nl_core::{Connection, MacAddr, Protocol};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> nl_core::Result<()> {
//!     let fdb = Fdb::new(Connection::open(Protocol::Route)?);
//!     let mac: MacAddr = "02:00:00:00:00:01".parse()?;
//!
//!     // bridge fdb add 02:00:00:00:00:01 dev swp1 master static vlan 10
//!     fdb.entry(mac, "swp1").master().static_().vlan(10).add().await?;
//!     // bridge fdb append 00:00:00:00:00:00 dev vxlan100 dst 192.0.2.7
//!     fdb.entry(MacAddr::ZERO, "vxlan100").dst("192.0.2.7".parse().unwrap()).append().await?;
//!
//!     // bridge fdb show br br0
//!     let mut entries = fdb.entries().bridge("br0").list().await?;
//!     while let Some(entry) = entries.try_next().await? {
//!         println!("{entry}");
//!     }
//!     // bridge fdb flush dev br0 dynamic
//!     fdb.entries().bridge("br0").dynamic().flush().await?;
//!     Ok(())
//! }
//! ```
//!
//! Without a runtime, under feature `blocking`, `.wait()` takes the place of `.await`:
//! ```no_run
//! # #[cfg(feature = "blocking")]
//! fn main() -> nl_core::Result<()> {
//!     let fdb = nl_bridge::fdb::Fdb::new(nl_core::Connection::open(nl_core::Protocol::Route)?);
//!     fdb.entry("02:00:00:00:00:01".parse()?, "swp1").master().static_().vlan(10).add().wait()?;
//!     for entry in fdb.entries().bridge("br0").list().wait()? {
//!         println!("{}", entry?);
//!     }
//!     Ok(())
//! }
//! # #[cfg(not(feature = "blocking"))]
//! # fn main() {}
//! ```
//!
//! # Permissions and namespaces
//! Reading takes no privilege. Changing takes `CAP_NET_ADMIN` in the user namespace that owns the network namespace,
//! so an unprivileged user can do it in a user and network namespace of his own. Everything happens in the namespace the
//! [`Connection`](nl_core::Connection) was opened in.
//!
//! # Features
//! - `doctor`: the module of that name, why a VLAN does not reach its VNI; with `leaf`.
//! - `fdb` (on by default): the module of that name.
//! - `leaf`: the module of that name, a leaf of an EVPN in one description; with `fdb`, `mst`, `settings`, `tunnel`, `vlan` and
//!   `vxlan`.
//! - `mdb`: the module of that name, the multicast database.
//! - `settings`: the module of that name, bridges and their ports.
//! - `vlan`: the module of that name, VLANs of ports and bridges.
//! - `vxlan`: the module of that name, VXLAN devices.
//! - `tokio` (on by default): operations can be awaited in a tokio runtime, and lists are streams that can wait there.
//! - `blocking`: [`Pending::wait`](nl_core::Pending) and `for` loops over lists, for callers without a runtime. The crate then
//!   does not depend on tokio unless `tokio` is enabled too.
//! - `mst`: the module of that name, states of ports by multiple spanning tree instance; with `vlan_db`.
//! - `tunnel`: the module of that name, VLANs mapped to VNIs; with `vlan_db` and `vni`.
//! - `vlan_db`: the module of that name, options of VLANs on ports and bridges.
//! - `vni`: the module of that name, VNI filters of VXLAN devices.
//! - `watch`: watches that recover from lost events, of multicast entries, VLANs and VNIs, with `mdb`, `vlan_db` and `vni`.
//! - `serde`: `Serialize` on what is read from the kernel, and `Deserialize` on descriptions, VLANs and VNIs.
//! - `tracing`: spans of requests and events about losses; see nl-core.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(all(doctest, feature = "tokio", feature = "fdb"))]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(feature = "doctor")]
pub mod doctor;
#[cfg(feature = "fdb")]
pub mod fdb;
#[cfg(all(feature = "watch", any(feature = "mdb", feature = "vlan_db", feature = "vni")))]
mod follow;
#[cfg(any(feature = "vlan_db", feature = "vni"))]
mod header;
#[cfg(feature = "leaf")]
pub mod leaf;
#[cfg(feature = "mdb")]
pub mod mdb;
#[cfg(feature = "mst")]
pub mod mst;
mod ranges;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(any(feature = "settings", feature = "vlan_db"))]
mod state;
#[cfg(any(feature = "mdb", feature = "settings", feature = "vxlan"))]
mod time;
#[cfg(feature = "tunnel")]
pub mod tunnel;
mod types;
#[cfg(feature = "vlan")]
pub mod vlan;
#[cfg(feature = "vlan_db")]
pub mod vlan_db;
#[cfg(feature = "vni")]
pub mod vni;
#[cfg(feature = "vxlan")]
pub mod vxlan;
#[cfg(any(feature = "settings", feature = "vxlan"))]
mod wire;

pub use ranges::{Checked, VniRange};
#[cfg(any(feature = "settings", feature = "vlan_db"))]
pub use state::{McastRouter, StpState};
pub use types::{VlanId, VlanRange, Vni};

//! Network devices: create, change, delete, list and read them (`ip link`).
//!
//! ```no_run
//! # #[cfg(feature = "link")]
//! # async fn example() -> nl_core::Result<()> {
//! use nl_core::link::{Links, Vlan, Vrf};
//! use nl_core::{Connection, Protocol};
//!
//! let links = Links::new(Connection::open(Protocol::Route)?);
//! // ip link add red up type vrf table 1001
//! links.device("red").kind(Vrf::new(1001)).up().add().await?;
//! // ip link add link eth0 name eth0.10 up master red type vlan id 10
//! let vlan = links.device("eth0.10").kind(Vlan::new(10)).link("eth0").master("red").up().add().await?;
//! println!("{} is number {}", vlan.name, vlan.index);
//! # Ok(())
//! # }
//! ```
//!
//! [`Link`] is a device as the kernel reports it, and is always there: [`Connection::link`](crate::Connection::link) and
//! [`links`](crate::Connection::links) return it. Feature `link` brings `Links`, which changes devices, and the kinds that need
//! no crate of their own: dummy, veth, VLAN, VRF, ifb, bond, macvlan, ipvlan. Other kinds plug in through `LinkKind`.
//!
//! Everything is requested over the connection, so the answer is about its namespace. `/sys` and `/proc`, which can show another
//! namespace, are never read.
//!
//! Header: `include/uapi/linux/if_link.h`.

mod codec;
#[cfg(feature = "link")]
mod config;
#[cfg(feature = "link")]
mod handle;
#[cfg(feature = "link")]
mod kind;
#[cfg(feature = "link")]
mod kinds;
mod names;
mod stats;
#[cfg(feature = "link")]
mod value;
#[cfg(feature = "link")]
mod verb;
#[cfg(all(feature = "link", feature = "watch"))]
mod watch;

pub use codec::{AddrGenMode, Link, LinkEvent, LinkFlags, OperState, RTM_DELLINK, RTM_NEWLINK, RTNLGRP_LINK};
pub(crate) use codec::{IFLA_IFNAME, list_request, request};
#[cfg(all(feature = "watch", any(feature = "address", feature = "route")))]
pub(crate) use codec::{barrier, is_loss};
#[cfg(feature = "link")]
pub use config::LinkConfig;
#[cfg(feature = "link")]
pub use handle::{DeviceEntry, Devices, Links};
#[cfg(feature = "link")]
pub use kind::LinkKind;
#[cfg(feature = "link")]
pub use kinds::{
    Bond, BondMode, BondPort, BondPortState, BondTargets, Dummy, Ifb, IpVlan, IpVlanFlags, IpVlanMode,
    MacVlan, MacVlanMode, QosMap, Veth, Vlan, VlanFlagChange, VlanFlags, VlanProtocol, Vrf,
};
pub use names::with_names;
pub use stats::LinkStats;
#[cfg(feature = "link")]
pub use value::{AttrValue, Be16, Be32, Flag};
#[cfg(feature = "link")]
pub use verb::LinkVerb;
#[cfg(all(feature = "link", feature = "watch"))]
pub use watch::{LinkWatch, LinkWatchBuilder};

//! The settings of bridges and of their ports (`ip link … type bridge`, `bridge link`).
//!
//! [`Bridge`] is a kind of device for [`nl_core::link`], which makes, changes and reads bridges. [`BridgePort`] is what a bridge
//! keeps for a port. It is changed in either of two ways, which do the same: with the device, by [`Links`](nl_core::link::Links),
//! or alone, by [`Ports`]. The setters take what converts into the type of the option, so that a bare number needs its suffix:
//! `vlan_default_pvid(0_u16)`.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use nl_bridge::settings::{Bridge, BridgePort, Ports};
//! use nl_core::link::Links;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let links = Links::new(Connection::open(Protocol::Route)?);
//! // ip link add br0 up type bridge ageing_time 60000 vlan_filtering 1 vlan_default_pvid 0
//! let bridge = Bridge::new().ageing_time(Duration::from_secs(600)).vlan_filtering(true).vlan_default_pvid(0_u16);
//! links.device("br0").kind(bridge).up().add().await?;
//! // ip link set swp1 master br0 type bridge_slave learning off
//! links.device("swp1").master("br0").port(BridgePort::new().learning(false)).change().await?;
//! // bridge link set dev swp1 neigh_suppress on
//! let ports = Ports::new(links.connection().clone());
//! ports.port("swp1").neigh_suppress(true).set().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A change touches what is set in it and nothing else. The kernel applies the options of one request in an order of its own and
//! keeps those before one that it refuses.
//!
//! # Options that the kernel lacks
//! A kernel ignores an option that it is too old for, or built without, and says success. The handles then read the device back and
//! report [`Unsupported`](nl_core::error::ErrorKind::Unsupported), with the kernel that has the option. A new device is deleted
//! again; of a change, the other options are in effect.
//!
//! # Watching
//! `nl_core::link::LinkWatch`, of feature `watch`, watches bridges and their ports like all devices. [`Port::of_link`] and
//! [`Link::kind`](nl_core::link::Link::kind) show what it reports as the types of this module:
//! ```no_run
//! # #[cfg(feature = "watch")]
//! # async fn example() -> nl_core::Result<()> {
//! use futures_util::TryStreamExt;
//! use nl_bridge::settings::{Bridge, Port};
//! use nl_core::link::LinkWatch;
//! use nl_core::watch::Change;
//! use nl_core::{Connection, Protocol};
//!
//! let mut watch = LinkWatch::open(&Connection::open(Protocol::Route)?).await?;
//! while let Some(change) = watch.try_next().await? {
//!     let (Change::Added(link) | Change::Changed { after: link, .. }) = change else { continue };
//!     if let Some(port) = Port::of_link(&link)? {
//!         println!("{port}");
//!     }
//!     if let Some(bridge) = link.kind::<Bridge>() {
//!         println!("{}: {}", link.name, bridge?);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//! The kernel reports no state of a port with the device, only to the bridge family. The watch then lists the devices again, at most
//! a third of the time. Of a device that is down it reports no change of options; see `LinkWatch`.
//!
//! Kernel: `IFLA_BR_*` and `IFLA_BRPORT_*` of [`include/uapi/linux/if_link.h`], `net/bridge/br_netlink.c`.
//!
//! [`include/uapi/linux/if_link.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_link.h?h=v6.12

mod bridge;
mod codec;
mod handle;
mod port;
mod values;

pub use crate::state::{McastRouter, StpState};
pub use bridge::Bridge;
pub use codec::{HwMode, Port, PortChange, PortEvent, PortTarget};
pub use handle::{PortEntry, PortList, Ports};
pub use port::{BackupPort, BridgePort};
pub use values::{BridgeFlagChange, BridgeFlags, BridgeId, BridgeStp, McastQuerier, StpMode};

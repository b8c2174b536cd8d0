//! The settings of bridges and of their ports (`ip link … type bridge`, `bridge link`).
//!
//! [`Bridge`] is a kind of device for [`nl_core::link`], which makes, changes and reads bridges. [`BridgePort`] is what a bridge
//! keeps for a port. It is changed in either of two ways, which do the same: with the device, by [`Links`](nl_core::link::Links),
//! or alone, by [`Ports`].
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

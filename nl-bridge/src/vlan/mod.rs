//! The VLANs of ports and bridges (`bridge vlan`).
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_bridge::vlan::Vlans;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let vlans = Vlans::new(Connection::open(Protocol::Route)?);
//! // bridge vlan add dev swp1 vid 10 pvid untagged
//! vlans.entry("swp1", 10).pvid().untagged().add().await?;
//! // Many in one request: 10 untagged, 100 to 200 and 300 tagged.
//! vlans.entry("swp2", 10).pvid().untagged().vlans(100..=200).vlans(300).add().await?;
//! // bridge vlan add dev br0 vid 10 self
//! vlans.entry("br0", 10).self_().add().await?;
//! // bridge vlan show
//! let mut list = vlans.devices().bridge("br0").list().await?;
//! while let Some(device) = list.try_next().await? {
//!     println!("{device}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A port's VLANs are kept also while the bridge does not filter VLANs, and have no effect then. What a bridge receives and sends
//! itself is in the VLANs of the bridge: [`VlanEntry::self_`].
//!
//! Neighbouring VLANs with the same flags travel as ranges, in requests and in lists. Every change of one device is one request, and
//! the kernel applies it in order and keeps what is before an entry that it refuses.
//!
//! Kernel: `struct bridge_vlan_info` and `IFLA_BRIDGE_*` of [`include/uapi/linux/if_bridge.h`], `net/bridge/br_netlink.c`;
//! needs `CONFIG_BRIDGE_VLAN_FILTERING`.
//!
//! [`include/uapi/linux/if_bridge.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_bridge.h?h=v6.12

mod change;
mod codec;
mod handle;
mod stats;

pub use change::{VlanChange, VlanTarget, VlanVerb};
pub use codec::{DeviceVlans, VlanFlags, VlanMember};
pub use handle::{VlanDevices, VlanEntry, Vlans};
pub use stats::{DeviceVlanStats, VlanStats};

//! VLANs of a bridge mapped to VNIs of one VXLAN device (`bridge vlan add … tunnel_info`, `bridge vlan tunnelshow`).
//!
//! ```no_run
//! use nl_bridge::tunnel::Tunnels;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let tunnels = Tunnels::new(Connection::open(Protocol::Route)?);
//! // bridge vlan add dev vx0 vid 10 tunnel_info id 10010
//! tunnels.entry("vx0", 10, 10010).add().await?;
//! // bridge link set dev vx0 vlan_tunnel on
//! // bridge vlan add dev vx0 vid 20-29
//! // bridge vlan add dev vx0 vid 20-29 tunnel_info id 10020-10029
//! tunnels.entry("vx0", 20..=29, 10020..=10029).prepare().add().await?;
//! for entry in tunnels.entries().dev("vx0").list().await?.collect_all().await? {
//!     println!("{entry}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What a mapping needs
//! | what | how it is set |
//! |---|---|
//! | the VXLAN device takes its VNI from each packet | `ip link add vx0 type vxlan external …`; only when it is made |
//! | it is a port of a bridge | `ip link set vx0 master br0` |
//! | the port has `vlan_tunnel on` | `bridge link set dev vx0 vlan_tunnel on`, or [`prepare`](BridgeVlanTunnelBuilder::prepare) |
//! | the port is in the VLAN, tagged | `bridge vlan add dev vx0 vid 10`, or [`prepare`](BridgeVlanTunnelBuilder::prepare) |
//! | a device with `vnifilter` has the VNI | `bridge vni add`, or [`prepare`](BridgeVlanTunnelBuilder::prepare) |
//!
//! The kernel answers most of what is missing with a bare `EINVAL`, and lets frames vanish without the last two. So
//! [`add`](BridgeVlanTunnelBuilder::add) and [`replace`](BridgeVlanTunnelBuilder::replace) look first, and the error names all that is
//! missing.
//!
//! # How mappings go
//! A VLAN that leaves the port takes its mapping along. `vlan_tunnel off` drops all mappings of the port; of that the kernel reports
//! only that the port changed. `nl_bridge::vlan_db::VlanWatch` follows both.
//!
//! Kernel: `IFLA_BRIDGE_VLAN_TUNNEL_*` and `BRIDGE_VLANDB_TINFO_*` of [`include/uapi/linux/if_bridge.h`],
//! `net/bridge/br_netlink_tunnel.c`. Linux 4.11; [`replace`](BridgeVlanTunnelBuilder::replace) and lists 5.9.
//!
//! [`include/uapi/linux/if_bridge.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_bridge.h?h=v6.12

mod codec;
mod handle;
mod plan;
mod ready;

pub use codec::{TunnelEntry, TunnelVerb};
pub use handle::{BridgeVlanTunnelBuilder, Entries, Tunnels};

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
//! # Map VLANs to VNIs
//! A leaf of a VXLAN fabric from nothing: a bridge that filters VLANs, a VXLAN device for all VNIs, a host's port, and one remote leaf.
//! The example `bridge_vlan_tunnel` of this crate is this as a program.
//!
//! ```no_run
//! # #[cfg(all(feature = "fdb", feature = "settings", feature = "vlan", feature = "vxlan"))]
//! # async fn example() -> nl_core::Result<()> {
//! use nl_bridge::fdb::Fdb;
//! use nl_bridge::settings::Bridge;
//! use nl_bridge::tunnel::Tunnels;
//! use nl_bridge::vlan::Vlans;
//! use nl_bridge::vxlan::Vxlan;
//! use nl_core::link::Links;
//! use nl_core::{Connection, MacAddr, Protocol};
//!
//! let conn = Connection::open(Protocol::Route)?;
//! let links = Links::new(conn.clone());
//! // ip link add br0 up type bridge vlan_filtering 1 vlan_default_pvid 0
//! links.device("br0").kind(Bridge::new().vlan_filtering(true).vlan_default_pvid(0_u16)).up().add().await?;
//! // ip link add vx0 up master br0 type vxlan external local 192.0.2.1 dstport 4789
//! let vxlan = Vxlan::external().local(std::net::Ipv4Addr::new(192, 0, 2, 1)).port(4789_u16);
//! links.device("vx0").kind(vxlan).master("br0").up().add().await?;
//! // ip link set swp1 master br0 up; bridge vlan add dev swp1 vid 10; bridge vlan add dev swp1 vid 20-29
//! links.device("swp1").master("br0").up().change().await?;
//! Vlans::new(conn.clone()).entry("swp1", 10).vlans(20..=29).add().await?;
//! // bridge link set dev vx0 vlan_tunnel on; bridge vlan add dev vx0 vid 10; bridge vlan add dev vx0 vid 10 tunnel_info id 10010
//! let tunnels = Tunnels::new(conn.clone());
//! tunnels.entry("vx0", 10, 10010).prepare().replace().await?;
//! tunnels.entry("vx0", 20..=29, 10020..=10029).prepare().replace().await?;
//! // bridge fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.2 src_vni 10010, and so on
//! let fdb = Fdb::new(conn);
//! for vni in [10010].into_iter().chain(10020..=10029) {
//!     let remote = std::net::Ipv4Addr::new(192, 0, 2, 2);
//!     fdb.entry(MacAddr::ZERO, "vx0").dst(remote.into()).src_vni(vni).append().await?;
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

mod change;
mod codec;
mod handle;
mod plan;
mod ready;

pub use change::TunnelChange;
pub use codec::{TunnelEntry, TunnelVerb};
pub use handle::{BridgeVlanTunnelBuilder, Entries, Tunnels};

//! VXLAN devices (`ip link … type vxlan`).
//!
//! [`Vxlan`] is a kind of device for [`nl_core::link`], which makes, changes and reads them.
//!
//! ```no_run
//! use std::net::Ipv4Addr;
//!
//! use nl_bridge::Vni;
//! use nl_bridge::vxlan::Vxlan;
//! use nl_core::link::Links;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let links = Links::new(Connection::open(Protocol::Route)?);
//! // ip link add vxlan100 up type vxlan id 100 local 192.0.2.1 dstport 4789 nolearning
//! let vxlan = Vxlan::new(Vni::new(100)?).local(Ipv4Addr::new(192, 0, 2, 1)).port(4789_u16).learning(false);
//! links.device("vxlan100").kind(vxlan).up().add().await?;
//! // ip link add vxlan0 type vxlan external vnifilter dstport 4789
//! links.device("vxlan0").kind(Vxlan::external().vnifilter(true).port(4789_u16)).add().await?;
//! // ip link set vxlan100 type vxlan ageing 600
//! let change = Vxlan::change().ageing(std::time::Duration::from_secs(600));
//! links.device("vxlan100").kind(change).change().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What can change
//! A device that is there takes another remote or group and local address of the same family, another [device](Vxlan::link()) below,
//! [`ttl`](Vxlan::ttl()), [`tos`](Vxlan::tos()), [`df`](Vxlan::df()), [`flow_label`](Vxlan::flow_label()),
//! [`label_policy`](Vxlan::label_policy()), [`learning`](Vxlan::learning()), [`ageing`](Vxlan::ageing()),
//! and [`local_bypass`](Vxlan::local_bypass()). Everything else is set
//! when the device is made; a change of it is refused before the kernel is asked. [`Vxlan::CHANGEABLE`] lists the former.
//!
//! `mcroute` (`IFLA_VXLAN_MC_ROUTE`, Linux 6.17) has no method: Linux 7.2 did not report it when it was read back, so a change could not be confirmed.
//!
//! # Options that the kernel lacks
//! A kernel ignores an option that it is too old for and says success. [`Links`](nl_core::link::Links) then reads the device back and
//! reports [`Unsupported`](nl_core::error::ErrorKind::Unsupported), with the kernel that has the option. A new device is deleted
//! again.
//!
//! Kernel: `IFLA_VXLAN_*` of [`include/uapi/linux/if_link.h`], `drivers/net/vxlan/vxlan_core.c`.
//!
//! [`include/uapi/linux/if_link.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_link.h?h=v6.12

mod codec;
mod values;

pub use codec::Vxlan;
pub use values::{LabelPolicy, VxlanDf, VxlanDst, VxlanPorts};

//! VXLAN devices (`ip link … type vxlan`).
//!
//! [`Vxlan`] is a kind of device for [`nl_core::link`], which makes, changes and reads them. Its setters take what converts into the type of
//! the option, so that a bare number needs its suffix: `port(4789_u16)`.
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
//! [`local_bypass`](Vxlan::local_bypass()) and [`mc_route`](Vxlan::mc_route()). Everything else is set
//! when the device is made; a change of it is refused before the kernel is asked. [`Vxlan::CHANGEABLE`] lists the former.
//!
//! So `replace` refuses a device that is there, whose VNI or port it would have to set. An agent that starts again adds the device, and
//! checks one that is there:
//! ```no_run
//! # async fn example(links: nl_core::link::Links, wanted: nl_bridge::vxlan::Vxlan) -> Result<(), Box<dyn std::error::Error>> {
//! use nl_bridge::vxlan::Vxlan;
//!
//! match links.device("vxlan0").kind(wanted.clone()).up().add().await {
//!     Err(error) if error.is_exists() => {
//!         let link = links.connection().link("vxlan0").await?;
//!         let there = link.kind::<Vxlan>().ok_or("vxlan0 is another kind of device")??;
//!         if (there.port, there.vnifilter) != (wanted.port, wanted.vnifilter) {
//!             return Err(format!("vxlan0 is there, as {there}").into());
//!         }
//!     }
//!     added => drop(added?),
//! }
//! # Ok(())
//! # }
//! ```
//! The module `leaf` does this for all of a leaf.
//!
//! # Options that the kernel lacks
//! A kernel ignores an option that it is too old for and says success. [`Links`](nl_core::link::Links) then reads the device back and
//! reports [`Unsupported`](nl_core::error::ErrorKind::Unsupported), with the kernel that has the option. A new device is deleted
//! again.
//!
//! [`mc_route`](Vxlan::mc_route()) is the exception: no kernel reports it. `Links` sends a further request with a value that is
//! out of range. A kernel that knows the option refuses the value; one that accepts it is too old. [`Vxlan::mc_route`](field@Vxlan::mc_route)
//! of a device that was read is always `None`.
//!
//! Kernel: `IFLA_VXLAN_*` of [`include/uapi/linux/if_link.h`], `drivers/net/vxlan/vxlan_core.c`.
//!
//! [`include/uapi/linux/if_link.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_link.h?h=v6.12

mod codec;
mod values;

pub use codec::Vxlan;
pub use values::{LabelPolicy, VxlanDf, VxlanDst, VxlanPorts};

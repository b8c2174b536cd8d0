//! Local SIDs: what this node does with packets to its segments, the encapsulation `seg6local`.
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::sid::Sids;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let sids = Sids::new(Connection::open(Protocol::Route)?);
//! // ip -6 route add fcbb:0:1:d46::/128 encap seg6local action End.DT46 vrftable 100 count dev red
//! sids.end_dt46("fcbb:0:1:d46::".parse()?, 100).counters().add().await?;
//! // ip -6 route add fcbb:0:1::/48 encap seg6local action End flavors next-csid lblen 32 nflen 16 dev eth0
//! sids.end("fcbb:0:1::/48".parse()?).next_csid(32, 16).dev("eth0").add().await?;
//!
//! let mut list = sids.entries().list().await?;
//! while let Some(sid) = list.try_next().await? {
//!     println!("{sid}: {:?}", sid.local.counters);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Success means that it is there
//! The kernel takes attributes that an action does not use, and those that are newer than it is, and does nothing with them. So
//! [`add`](SidEntry::add) and [`replace`](SidEntry::replace) read the SID back, and take it away again if it lacks something: the error
//! is [`Unsupported`](nl_core::error::ErrorKind::Unsupported) and names the release. [`unchecked`](SidEntry::unchecked) leaves that out.
//!
//! # What a SID needs
//! * A device that is not loopback. Any other that is up will do; for a SID with a VRF's table the VRF's own is taken if none is
//!   given. With `dev lo` the kernel takes the SID and never runs it.
//! * For [`EndDt4`](SidAction::EndDt4), [`EndDt46`](SidAction::EndDt46) and [`EndDt6`](SidAction::EndDt6) with a VRF's table: a VRF with this
//!   table, made before, and `net.vrf.strict_mode` set to 1. Inner IPv4 packets also pass `rp_filter`.
//! * Forwarding: `net.ipv6.conf.all.forwarding`, and `net.ipv4.ip_forward` for inner IPv4. `seg6_enabled` plays no part.
//!
//! # From a file
//! Under feature `serde` a [`Seg6Local`] is read from its fields, and [`Sids::entry`] takes it whole:
//!
//! ```json
//! { "action": { "EndDt46": { "vrf_table": 100 } }, "counters": {} }
//! ```
//!
//! Header: [`include/uapi/linux/seg6_local.h`]. Kernel: `net/ipv6/seg6_local.c`, with `CONFIG_IPV6_SEG6_LWTUNNEL`. Linux 4.14.
//! Equivalent: `ip -6 route add … encap seg6local`.
//!
//! [`include/uapi/linux/seg6_local.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/seg6_local.h?h=v6.14

mod action;
mod codec;
mod entry;
mod flavors;
mod handle;
mod list;
#[cfg(feature = "serde")]
mod read;
mod sampler;

pub use action::{BpfProgram, DecapTable, SidAction};
pub use codec::{SEG6_LOCAL_KIND, Seg6Local, SidCounters};
pub use entry::Sid;
pub use flavors::{FlavorOps, Flavors};
pub use handle::{SidEntry, SidKey, Sids};
pub use list::SidEntries;
pub use sampler::{SidRates, SidSampler};

//! Ids of network namespaces: the numbers by which one namespace knows others (nsid).
//!
//! ```no_run
//! use nl_core::netns::Netns;
//! use nl_core::nsid::Nsids;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let nsids = Nsids::new(Connection::open(Protocol::Route)?);
//! let blue = Netns::named("blue")?;
//! // ip netns set blue 7
//! nsids.assign(&blue, Some(7)).await?;
//! assert_eq!(nsids.of(&blue).await?, Some(7));
//! # Ok(())
//! # }
//! ```
//!
//! An id is relative: each namespace has its own table, and another one may know the same namespace by another id or by none.
//! The own namespace needs no id. If it has one in its own table, that can be any number: id 0 does not mean "our own". Its events
//! still have none.
//!
//! Events of other namespaces arrive only from those that have an id; see
//! [`MonitorBuilder`](crate::monitor::MonitorBuilder). The kernel gives out ids by itself where a device has its other end in
//! another namespace, such as a veth device.
//!
//! Kernel: `NETNSA_*` of [`include/uapi/linux/net_namespace.h`], `net/core/net_namespace.c`. Linux 4.0.
//!
//! [`include/uapi/linux/net_namespace.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/net_namespace.h?h=v6.12

mod codec;
mod handle;
#[cfg(feature = "watch")]
mod watch;

pub use codec::{Nsid, NsidEvent};
pub use handle::Nsids;
#[cfg(feature = "watch")]
pub use watch::{NsidWatch, NsidWatchBuilder};

// `include/uapi/linux/rtnetlink.h`

/// A namespace has an id; also the request that gives it one.
pub const RTM_NEWNSID: u16 = 88;
/// A namespace with an id was deleted.
pub const RTM_DELNSID: u16 = 89;
/// The request that reads ids.
pub const RTM_GETNSID: u16 = 90;
/// The multicast group of ids.
pub const RTNLGRP_NSID: u32 = 28;

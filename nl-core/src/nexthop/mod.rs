//! Nexthop objects: gateways with a number of their own, groups of them, and blackholes, for routes to refer to. Linux 5.3.
//!
//! A route over an object is changed by changing the object: all of them at once, and without being sent again. A group
//! spreads flows over its members by weight; members of a group for forwarding databases ([`Nexthop::fdb`]) are VXLAN endpoints,
//! which is EVPN multihoming.
//!
//! ```no_run
//! use nl_core::nexthop::Nexthops;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let nexthops = Nexthops::new(Connection::open(Protocol::Route)?);
//!
//! // ip nexthop add id 1 via 192.0.2.1 dev eth0
//! nexthops.entry(1).via("192.0.2.1".parse()?).dev("eth0").add().await?;
//! nexthops.entry(2).via("192.0.3.1".parse()?).dev("eth1").add().await?;
//! // ip nexthop replace id 10 group 1,3/2
//! nexthops.entry(10).group([(1, 3), (2, 1)]).replace().await?;
//!
//! // ip nexthop add id 101 via 203.0.113.1 fdb; ip nexthop add id 110 group 101 fdb
//! nexthops.entry(101).via("203.0.113.1".parse()?).fdb().add().await?;
//! nexthops.entry(110).group([101]).fdb().add().await?;
//!
//! // ip nexthop show
//! for nexthop in nexthops.entries().list().await?.collect_all().await? {
//!     println!("{nexthop}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What goes with what
//! Deleting a nexthop removes it from its groups, and deletes groups without another member and the routes over it. The
//! kernel also deletes the nexthops of a device that is deleted or goes down, without an event.
//!
//! # Resilient groups
//! A group of type [`Resilient`](GroupKind::Resilient) has buckets, and a flow keeps its member while that is in the group
//! ([`NexthopEntry::resilient`]); [`Nexthops::buckets`] lists them.
//!
//! Kernel: `struct nhmsg` and `NHA_*` of [`include/uapi/linux/nexthop.h`], `net/ipv4/nexthop.c`,
//! `Documentation/networking/nexthop-group-resilient.rst`.
//!
//! [`include/uapi/linux/nexthop.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/nexthop.h?h=v6.12

mod bucket;
mod codec;
mod entry;
mod filter;
mod group;
mod handle;
mod message;
#[cfg(feature = "watch")]
mod watch;

pub use bucket::{BucketFilter, NexthopBucket};
pub use codec::{NexthopEvent, NexthopVerb};
pub use entry::{Nexthop, NexthopFamily};
pub use filter::NexthopFilter;
pub use group::{GroupKind, GroupMember, MemberStats, Resilient};
pub use handle::{NexthopBuckets, NexthopEntries, NexthopEntry, Nexthops};
pub use message::{
    NhMsg, RTM_DELNEXTHOP, RTM_GETNEXTHOP, RTM_GETNEXTHOPBUCKET, RTM_NEWNEXTHOP, RTM_NEWNEXTHOPBUCKET,
    RTNLGRP_NEXTHOP,
};
#[cfg(feature = "watch")]
pub use watch::{NexthopWatch, NexthopWatchBuilder};

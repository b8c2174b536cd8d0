//! The VNI filter of a VXLAN device: which VNIs it receives, each with its own multicast group or remote (`bridge vni`).
//!
//! ```no_run
//! use nl_bridge::vni::Vnis;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let vnis = Vnis::new(Connection::open(Protocol::Route)?);
//! // bridge vni add vni 10010-10019 dev vx0
//! vnis.entry("vx0", 10010..=10019).add().await?;
//! // bridge vni add vni 10020 remote 192.0.2.9 dev vx0
//! vnis.entry("vx0", 10020).group("192.0.2.9".parse().unwrap()).replace().await?;
//! // bridge -s vni show dev vx0
//! for entry in vnis.entries().dev("vx0").stats().list().await?.collect_all().await? {
//!     println!("{entry}: {:?}", entry.stats);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The device must be in metadata mode and have a filter (`ip link add vx0 type vxlan external vnifilter dstport 4789`). Without
//! [`VniEntry::group()`] frames go where the forwarding database says.
//!
//! # What the kernel does not check
//! It takes numbers over 24 bits and ranges that are reversed, and never ends with the largest of them. They are refused here.
//! VNI 0 alone is refused by the kernel, and taken in a range.
//!
//! # Events
//! [`VniEvent`] reads the messages of [`RTNLGRP_TUNNEL`]. The kernel sends one for each VNI, never a range, and one for each when
//! the device is deleted.
//!
//! Kernel: `struct tunnel_msg` and `VXLAN_VNIFILTER_*` of [`include/uapi/linux/if_link.h`], `drivers/net/vxlan/vxlan_vnifilter.c`.
//! Linux 5.18.
//!
//! [`include/uapi/linux/if_link.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_link.h?h=v6.12

mod codec;
mod handle;

pub use codec::{
    RTM_DELTUNNEL, RTM_GETTUNNEL, RTM_NEWTUNNEL, RTNLGRP_TUNNEL, VniEntry, VniEvent, VniFilter, VniStats,
    VniVerb,
};
pub use handle::{Entries, Entry, Vnis};

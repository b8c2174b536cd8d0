//! The multicast database (MDB): which groups go to which ports, and to which VXLAN endpoints (`bridge mdb`).
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_bridge::mdb::{Mdb, MdbMode};
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let mdb = Mdb::new(Connection::open(Protocol::Route)?);
//! let group: std::net::IpAddr = "239.1.1.1".parse().unwrap();
//! // bridge mdb add dev br0 port swp1 grp 239.1.1.1 permanent vid 10
//! mdb.entry("br0", "swp1", group).permanent().vlan(10).add().await?;
//! // bridge mdb replace dev br0 port swp1 grp 239.1.1.1 vid 10 filter_mode include source_list 192.0.2.1
//! let source = "192.0.2.1".parse().unwrap();
//! mdb.entry("br0", "swp1", group).vlan(10).mode(MdbMode::Include).sources([source]).replace().await?;
//! // bridge mdb add dev vxlan0 port vxlan0 grp 239.1.1.1 permanent dst 192.0.2.7 src_vni 100
//! let dst = "192.0.2.7".parse().unwrap();
//! mdb.entry("vxlan0", "vxlan0", group).permanent().dst(dst).src_vni(100).add().await?;
//! // bridge mdb show dev br0
//! let mut list = mdb.entries().dev("br0").list().await?;
//! while let Some(table) = list.try_next().await? {
//!     table.entries.iter().for_each(|entry| println!("{entry}"));
//! }
//! // bridge mdb flush dev br0 port swp1
//! mdb.entries().dev("br0").port("swp1").flush().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A bridge has to be up, and snoop multicast, for entries of IP groups. Modes and lists of sources count, and are reported, where the
//! bridge speaks IGMPv3 and MLDv2: [`mcast_igmp_version`](crate::settings::Bridge::mcast_igmp_version()). A VXLAN device has to be made with `external` or
//! `vnifilter` to have an entry for each VNI; its entries are permanent.
//!
//! # Events
//! [`MdbEvent`] reads the messages of [`RTNLGRP_MDB`]. Some changes have no event there, and some events say less than changed: under
//! feature `watch`, `MdbWatch` says which, and what it does about each.
//!
//! # Kernels
//! | what | first kernel |
//! |---|---|
//! | sources, modes, protocols, replacing | 6.2 |
//! | VXLAN devices | 6.4 |
//! | reading one entry | 6.7 |
//! | flushing | 6.8 |
//!
//! Kernel: `struct br_mdb_entry`, `MDBA_*` and `MDBE_*` of [`include/uapi/linux/if_bridge.h`], `net/bridge/br_mdb.c`,
//! `drivers/net/vxlan/vxlan_mdb.c`.
//!
//! [`include/uapi/linux/if_bridge.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_bridge.h?h=v6.12

mod codec;
mod entry;
mod explain;
mod filter;
mod handle;
mod list;
#[cfg(feature = "watch")]
mod watch;

pub use codec::{MdbVerb, RTM_DELMDB, RTM_NEWMDB};
pub use entry::{MdbEntry, MdbFlags, MdbGroup, MdbMode, MdbSource, MdbState};
pub use filter::MdbFilter;
pub use handle::{Entries, Entry, Mdb};
pub use list::{MdbEvent, MdbRouter, MdbTable, RTNLGRP_MDB};
#[cfg(feature = "watch")]
pub use watch::{MdbWatch, MdbWatchBuilder};

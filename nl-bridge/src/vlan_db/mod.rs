//! The VLAN database: options of a VLAN on one port, and of a VLAN of the whole bridge (`bridge vlan set`, `bridge vlan global`).
//!
//! ```no_run
//! use nl_bridge::vlan_db::{StpState, VlanDb};
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let db = VlanDb::new(Connection::open(Protocol::Route)?);
//! // bridge vlan set vid 10-19 dev swp1 state blocking neigh_suppress on
//! db.entry("swp1", 10..=19).state(StpState::Blocking).neigh_suppress(true).set().await?;
//! // bridge vlan global set vid 10 dev br0 mcast_snooping 1 mcast_querier 1 msti 2
//! db.global("br0", 10).mcast_snooping(true).mcast_querier(true).msti(2).set().await?;
//! for entry in db.entries().dev("swp1").list().await?.collect_all().await? {
//!     println!("{entry}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # One option at a time
//! [`set`](Entry::set) changes the options that are given and nothing else: the VLAN stays a member, with its `PVID` and
//! `Egress Untagged` flags. The request has the flag `BRIDGE_VLAN_INFO_ONLY_OPTS` for that; without it the kernel writes the flags
//! too, and makes VLANs that do not exist. [`replace`](Entry::replace) is that other form.
//!
//! # What depends on other settings
//! | option | needs |
//! |---|---|
//! | [`state`](VlanDbEntry::state()) | `stp_state 0` and `mst_enabled 0` on the bridge; has an effect with `vlan_filtering 1` |
//! | [`mcast_max_groups`](VlanDbEntry::mcast_max_groups()), [`mcast_router`](VlanDbEntry::mcast_router()) | `mcast_vlan_snooping 1` on the bridge |
//! | [`neigh_suppress`](VlanDbEntry::neigh_suppress()) | has an effect with `neigh_vlan_suppress on` on the port |
//!
//! # Lists are exact
//! The kernel merges VLANs in a row into one entry. Until Linux 7.2 it also merges those that differ in `neigh_suppress` or
//! `mcast_max_groups`, and a VLAN that is mapped to VNI 1 with the one before it, so that the difference is not seen. A list is
//! therefore one of single VLANs, which the kernel gives with the counters. [`merged`](Entries::merged) asks for the shorter one.
//!
//! # Events
//! [`VlanDbEvent`] reads the messages of [`RTNLGRP_BRVLAN`]. Some changes have no event there: a VLAN that loses the PVID to another
//! one, all tunnel mappings when `vlan_tunnel` is switched off, and the state of VLANs that follow their MSTI
//! (`nl_bridge::mst`). Under feature `watch`, `VlanWatch` says what it does about each.
//!
//! Kernel: `struct br_vlan_msg` and `BRIDGE_VLANDB_*` of [`include/uapi/linux/if_bridge.h`], `net/bridge/br_vlan.c`,
//! `net/bridge/br_vlan_options.c`. Linux 5.6; the global options and most of the others 5.15.
//!
//! [`include/uapi/linux/if_bridge.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_bridge.h?h=v6.12

mod codec;
mod explain;
mod global;
mod handle;
mod list;
mod names;
mod types;
#[cfg(feature = "watch")]
mod watch;

pub use crate::state::{McastRouter, StpState};
#[cfg(feature = "mst")]
pub(crate) use codec::check_state;
#[cfg(feature = "tunnel")]
pub(crate) use codec::write_vlans;
pub use codec::{VlanDbEntry, VlanDbVerb};
#[cfg(feature = "mst")]
pub(crate) use explain::explain;
pub use global::{Querier, QuerierState, RouterPort, VlanDbGlobal};
pub use handle::{Entries, Entry, Global, Globals, VlanDb};
pub use list::{VlanDbEvent, VlanDbFilter};
#[cfg(feature = "tunnel")]
pub(crate) use names::{
    BRIDGE_VLANDB_ENTRY, BRIDGE_VLANDB_ENTRY_TUNNEL_INFO, BRIDGE_VLANDB_TINFO_CMD, BRIDGE_VLANDB_TINFO_ID,
    NAMES,
};
pub use names::{RTM_DELVLAN, RTM_GETVLAN, RTM_NEWVLAN, RTNLGRP_BRVLAN};
pub use types::{VlanInfo, VlanStats};
#[cfg(feature = "watch")]
pub use watch::{VlanWatch, VlanWatchBuilder};

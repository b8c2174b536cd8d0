//! The forwarding database (FDB): which MAC address is behind which port, and which VXLAN endpoint.
//!
//! Three tables answer under this name, and one listing mixes them:
//!
//! | table | recognised by | example |
//! |---|---|---|
//! | a bridge's | [`FdbEntry::master`](FdbEntry#structfield.master) is set | learned and configured addresses of the ports |
//! | a VXLAN device's | [`FdbFlags::SELF`] and a [remote](FdbEntry#structfield.dst) or [nexthop](FdbEntry#structfield.nexthop) | remote endpoints |
//! | any device's address filter | [`FdbFlags::SELF`] alone | `33:33:00:00:00:01`, multicast the device receives |
//!
//! A change goes to the bridge above the device with [`FdbEntry::master()`] (`master` of `bridge fdb`), and to the device
//! itself without ([`FdbEntry::self_`], `self`, also the default there).
//!
//! # EVPN
//! A MAC address behind another leaf needs an entry in the bridge and one in the VXLAN device: [`Fdb::remote_mac`]. A flood list is the
//! remotes of the all-zero MAC address: [`append()`](Entry::append) adds a leaf and never replaces one, [`delete()`](Entry::delete)
//! with a [`dst`](Entry::dst) removes one.
//!
//! # VLANs
//! An entry added **without** a VLAN is written for VLAN 0 and for every VLAN configured on the port, also while VLAN
//! filtering is off; deleting without a VLAN removes it from all of them. Give the VLAN to mean one entry.
//!
//! Kernel: `struct ndmsg` and `NDA_*` of [`include/uapi/linux/neighbour.h`], `net/core/rtnetlink.c`,
//! `net/bridge/br_fdb.c`, `drivers/net/vxlan/vxlan_core.c`.
//!
//! [`include/uapi/linux/neighbour.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/neighbour.h?h=v6.12

mod codec;
mod entries;
mod filter;
mod flags;
mod handle;
mod remote;
mod verb;

pub use codec::FdbEntry;
pub use entries::Entries;
pub use filter::FdbFilter;
pub use flags::{FdbAges, FdbFlags, FdbFlagsExt, FdbNotify, FdbState};
pub use handle::{Entry, Fdb};
pub use remote::{RemoteMac, RemoteMacEntry};
pub use verb::{FdbVerb, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH, RTNLGRP_NEIGH};

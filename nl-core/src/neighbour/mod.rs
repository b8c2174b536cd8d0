//! Neighbours: which link-layer address an IP address on a link has (ARP, NDP), and for which addresses the host answers in
//! place of others (proxy).
//!
//! ```no_run
//! use nl_core::MacAddr;
//! use nl_core::neighbour::Neighbours;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let neighbours = Neighbours::new(Connection::open(Protocol::Route)?);
//! let mac: MacAddr = "02:00:00:00:00:01".parse()?;
//! // ip neighbour replace 192.0.2.7 lladdr 02:00:00:00:00:01 dev eth0
//! neighbours.entry("192.0.2.7".parse().unwrap(), "eth0").lladdr(mac).replace().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Two tables answer under this name: the cache of neighbours, and with [`proxy`](NeighbourEntry::proxy) the list of addresses
//! the host answers for. Forwarding databases of bridges are messages of the same type and another family; they are not here.
//!
//! # States
//! An entry that is added without a state is [permanent](NeighbourState::PERMANENT), as with `ip neighbour`. The
//! others are those of neighbour unreachability detection: the kernel moves an entry from one to the next as time passes and
//! packets arrive.
//!
//! Kernel: `struct ndmsg` and `NDA_*` of [`include/uapi/linux/neighbour.h`], `net/core/neighbour.c`.
//!
//! [`include/uapi/linux/neighbour.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/neighbour.h?h=v6.12

mod codec;
mod filter;
mod handle;
mod types;
#[cfg(feature = "watch")]
mod watch;

pub use codec::{Neighbour, NeighbourKey, NeighbourVerb};
pub use filter::{NeighbourEvent, NeighbourFilter};
pub use handle::{NeighbourEntries, NeighbourEntry, Neighbours};
pub use types::{LinkAddr, NeighbourAges, NeighbourFlags, NeighbourFlagsExt, NeighbourState};
#[cfg(feature = "watch")]
pub use watch::{NeighbourWatch, NeighbourWatchBuilder};

// `include/uapi/linux/rtnetlink.h`

/// An existing entry; also the request that adds one.
pub const RTM_NEWNEIGH: u16 = 28;
/// A deleted entry; also the request that deletes one.
pub const RTM_DELNEIGH: u16 = 29;
/// The request that reads entries.
pub const RTM_GETNEIGH: u16 = 30;
/// The multicast group of neighbours. Events of forwarding databases come in it too, with the family `AF_BRIDGE`.
pub const RTNLGRP_NEIGH: u32 = 3;

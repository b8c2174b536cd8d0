//! IP addresses of devices: list, add, replace and delete them, with their lifetimes.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use nl_core::address::Addresses;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let addresses = Addresses::new(Connection::open(Protocol::Route)?);
//! // ip address add 192.0.2.1/24 dev eth0 label eth0:1 broadcast 192.0.2.255 valid_lft 3600 noprefixroute
//! addresses
//!     .entry("192.0.2.1/24".parse()?, "eth0")
//!     .label("eth0:1")
//!     .broadcast("192.0.2.255".parse().unwrap())
//!     .valid_lft(Duration::from_secs(3600))
//!     .noprefixroute()
//!     .add()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # IPv4 and IPv6 differ
//! - A device can have one IPv4 address several times, with other prefix lengths or peers. It has an IPv6 address once.
//! - Of the IPv4 addresses of one network on a device the first is primary and the others are
//!   [secondary](AddressFlags::SECONDARY). Deleting the primary one deletes the secondary ones too, unless the sysctl
//!   `net.ipv4.conf.DEV.promote_secondaries` is on.
//! - Labels and broadcast addresses are for IPv4 only; [`home`](Address::home), [`nodad`](Address::nodad),
//!   [`mngtmpaddr`](Address::mngtmpaddr) and [`optimistic`](Address::optimistic) have a meaning for IPv6 only.
//! - An IPv6 address may be [tentative](AddressFlags::TENTATIVE) for a second after it was added, while
//!   duplicate address detection runs.
//!
//! Kernel: `struct ifaddrmsg` and `IFA_*` of [`include/uapi/linux/if_addr.h`], `net/ipv4/devinet.c`, `net/ipv6/addrconf.c`.
//!
//! [`include/uapi/linux/if_addr.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_addr.h?h=v6.12

mod codec;
mod filter;
mod handle;
mod types;
#[cfg(feature = "watch")]
mod watch;

pub use codec::{Address, AddressKey, AddressVerb};
pub use filter::{AddressEvent, AddressFilter};
pub use handle::{AddressEntries, AddressEntry, Addresses};
pub use types::{AddressFlags, AddressScope, IfAddrMsg, Lifetime};
#[cfg(feature = "watch")]
pub use watch::{AddressWatch, AddressWatchBuilder};

// `include/uapi/linux/rtnetlink.h`

/// An existing address; also the request that adds one.
pub const RTM_NEWADDR: u16 = 20;
/// A deleted address; also the request that deletes one.
pub const RTM_DELADDR: u16 = 21;
/// The request that lists addresses.
pub const RTM_GETADDR: u16 = 22;
/// The multicast group of IPv4 addresses.
pub const RTNLGRP_IPV4_IFADDR: u32 = 5;
/// The multicast group of IPv6 addresses.
pub const RTNLGRP_IPV6_IFADDR: u32 = 9;

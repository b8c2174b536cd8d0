//! Routing tables of IPv4 and IPv6: which way packets take, and why.
//!
//! [`Routes`] adds, changes, removes, lists and looks up; [`Route`] is what it reads and writes.
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::route::{NextHop, Routes};
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let routes = Routes::new(Connection::open(Protocol::Route)?);
//!
//! // ip route add 198.51.100.0/24 via 192.0.2.1 dev eth0 metric 100 table 1000 mtu 1400
//! let gateway = "192.0.2.1".parse()?;
//! routes.entry("198.51.100.0/24".parse()?).via(gateway).dev("eth0").metric(100).table(1000).mtu(1400).add().await?;
//! // ip route replace default nexthop via 192.0.2.1 weight 2 nexthop via 192.0.2.2
//! let hops = [NextHop::via(gateway).weight(2), NextHop::via("192.0.2.2".parse()?)];
//! routes.entry("0.0.0.0/0".parse()?).nexthops(hops).replace().await?;
//!
//! // ip route show
//! let mut list = routes.entries().list().await?;
//! while let Some(route) = list.try_next().await? {
//!     println!("{route}");
//! }
//! // ip route get 198.51.100.7
//! println!("{}", routes.resolve("198.51.100.7".parse()?).get().await?);
//! # Ok(())
//! # }
//! ```
//!
//! # What a route is found by
//! In IPv4 a route has a table, a destination, a type of service and a metric; [`add`](RouteEntry::add) refuses a second one
//! with the same, [`append`](RouteEntry::append) and [`prepend`](RouteEntry::prepend) take it, and the first one counts. In IPv6 a
//! route has a table, a destination, a source and a metric, and appending one through another router makes one route with two
//! paths.
//!
//! # Encapsulations
//! A type that implements [`Encap`] says into which headers packets are put; see there.
//!
//! Kernel: `struct rtmsg`, `RTA_*` and `RTAX_*` of [`include/uapi/linux/rtnetlink.h`], `net/ipv4/fib_frontend.c`,
//! `net/ipv6/route.c`.
//!
//! [`include/uapi/linux/rtnetlink.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/rtnetlink.h?h=v6.14

mod codec;
mod devs;
mod encap;
mod entry;
mod filter;
mod handle;
mod hop;
mod list;
mod lookup;
mod message;
mod metrics;
#[cfg(feature = "watch")]
mod watch;
mod words;

pub use codec::{RouteEvent, RouteVerb};
pub use encap::{Encap, EncapWriter, RawEncap};
pub use entry::{LookedUp, RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN, Route, RouteCache, RouteKey};
pub use filter::RouteFilter;
pub use handle::{Resolve, RouteEntry, Routes};
pub use hop::NextHop;
pub use list::RouteEntries;
pub use lookup::Lookup;
pub use message::{RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RtMsg};
pub use metrics::{Metrics, RouteFeatures};
#[cfg(feature = "watch")]
pub use watch::{RouteWatch, RouteWatchBuilder};
pub use words::{HopFlags, Realms, RouteFlags, RoutePref, RouteProtocol, RouteScope, RouteType};

#[cfg(feature = "nexthop")]
pub(crate) use devs::Devs;
#[cfg(feature = "nexthop")]
pub(crate) use hop::encap_of;
#[cfg(feature = "nexthop")]
pub(crate) use words::byte_enum;

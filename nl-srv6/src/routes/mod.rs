//! Routes with segments, compared by their segments.
//!
//! ```no_run
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::encap::Seg6;
//! use nl_srv6::routes::Srv6Routes;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let routes = Srv6Routes::new(Connection::open(Protocol::Route)?);
//! let path = Seg6::encap_red(["fcbb:0:b::".parse()?, "fcbb:0:c::".parse()?]);
//! // ip -6 route add 2001:db8:2::/48 encap seg6 mode encap.red segs fcbb:0:b::,fcbb:0:c:: dev eth0
//! routes.entry("2001:db8:2::/48".parse()?, &path).dev("eth0").add().await?;
//! // Removed only if it still has these segments.
//! routes.entry("2001:db8:2::/48".parse()?, &path).delete().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What the kernel does not compare
//! `ip -6 route del PREFIX encap seg6 …` removes the route to the prefix whatever its segments are, and so does the kernel for every
//! program. [`delete`](Srv6Entry::delete) reads the routes to the prefix first, all of their paths, and reports `ESRCH` where none has
//! the segments. [`add`](Srv6Entry::add) says which segments are there where it fails with `EEXIST`. Where a
//! [source address](crate::encap::Seg6::source()) is asked for, the route is read back, because Linux before 7.1 takes it and does nothing
//! with it. A route with an HMAC is refused if its key is not there and the caller may list keys, because the kernel takes the route and
//! drops every packet. [`unchecked`](Srv6Entry::unchecked) leaves all of that out. [`delete_all`](Srv6Routes::delete_all) compares many routes with one
//! list of their table.
//!
//! Kernel: `net/ipv6/seg6_iptunnel.c`, `net/ipv6/route.c`. Equivalent: `ip -6 route … encap seg6`.

mod deletion;
mod entry;
mod handle;

pub use entry::SegmentRoute;
pub use handle::{Srv6Entries, Srv6Entry, Srv6Routes};

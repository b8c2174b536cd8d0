//! The encapsulation `seg6`: packets that take a route, or a nexthop, are sent along a list of segments.
//!
//! [`Seg6`] goes into any route, path of a route or nexthop object of [`nl_core`]:
//!
//! ```no_run
//! use nl_core::nexthop::Nexthops;
//! use nl_core::route::Routes;
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::encap::Seg6;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let conn = Connection::open(Protocol::Route)?;
//! let via_b_and_c = Seg6::encap(["fcbb:0:b::".parse()?, "fcbb:0:c::".parse()?]);
//! // ip -6 route add 2001:db8:2::/48 encap seg6 mode encap segs fcbb:0:b::,fcbb:0:c:: dev eth0
//! Routes::new(conn.clone()).entry("2001:db8:2::/48".parse()?).dev("eth0").encap(&via_b_and_c).add().await?;
//! // ip -6 nexthop add id 1 encap seg6 mode encap segs fcbb:0:b::,fcbb:0:c:: dev eth0
//! Nexthops::new(conn).entry(1).ipv6().dev("eth0").encap(&via_b_and_c).add().await?;
//! # Ok(())
//! # }
//! ```
//!
//! `Srv6Routes` (feature `routes`) adds what the kernel does not check.
//!
//! # What goes wrong silently
//! * The device of the route chooses the source address and nothing else; the packet is routed again to its first segment. With
//!   `dev lo` every packet is lost.
//! * A route with an HMAC key that the kernel does not have is taken, and every packet is dropped.
//! * An L2 mode encapsulates forwarded packets only; what this host sends itself goes out without segments.
//!
//! Header: [`include/uapi/linux/seg6_iptunnel.h`]. Kernel: `net/ipv6/seg6_iptunnel.c`, with `CONFIG_IPV6_SEG6_LWTUNNEL`. Linux 4.10.
//!
//! [`include/uapi/linux/seg6_iptunnel.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/seg6_iptunnel.h?h=v6.14

mod codec;
#[cfg(feature = "serde")]
mod read;

pub use codec::{SEG6_KIND, Seg6, Seg6Mode};

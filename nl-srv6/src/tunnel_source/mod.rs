//! The source address of outer headers, for a whole network namespace.
//!
//! ```no_run
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::tunnel_source::TunnelSource;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let source = TunnelSource::new(Connection::open(Protocol::Generic)?);
//! // ip sr tunsrc set 2001:db8:1::a
//! source.set("2001:db8:1::a".parse()?).await?;
//! assert_eq!(source.get().await?, Some("2001:db8:1::a".parse()?));
//! source.clear().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Without one the kernel chooses an address of the route's device for the first segment. A route can have one of its own
//! ([`Seg6::source`](https://docs.rs/nl-srv6/latest/nl_srv6/encap/struct.Seg6.html), Linux 7.1).
//!
//! Reading and writing take `CAP_NET_ADMIN` in the initial user namespace, so neither works in a container with its own.
//!
//! Header: `include/uapi/linux/seg6_genl.h`. Kernel: `net/ipv6/seg6.c`. Linux 4.10. Equivalent: `ip sr tunsrc`.

mod codec;
mod handle;

pub use codec::{get_request, set_request};
pub use handle::TunnelSource;

//! Segment routing over IPv6 (SRv6) of Linux through netlink, for controllers, headends and test labs.
//!
//! # What it does
//! | | |
//! |---|---|
//! | [`srh`] | segment lists and the segment routing header, as pure types |
//! | `encap` | the encapsulation `seg6` of any route, path or nexthop of nl-core, in every mode |
//! | `routes` | routes with segments, compared by their segments, which the kernel does not do |
//! | `sid` | local SIDs with every action that Linux has, flavours and counters; read back, because old kernels ignore what they do not know |
//! | `policy` | SR policies (RFC 9256): candidate paths of weighted segment lists and binding SIDs, as a description that is applied |
//! | `hmac`, `tunnel_source` | keys for the HMAC of headers, and the source address of outer headers |
//! | `usid` | micro-SIDs (NEXT-C-SID, RFC 9800): packed into carriers and taken apart |
//! | `doctor` | what makes packets vanish without an error, on one node or between several, and the commands that mend it |
//! | `settings` | the `seg6` settings of a namespace and its interfaces |
//!
//! `manual`, with the default features, is the guide: an SRv6 policy with micro-SIDs, from the first node to the counters.
//!
//! # Example
//! ```no_run
//! # #[cfg(all(feature = "encap", feature = "routes", feature = "sid", feature = "settings", feature = "tokio"))]
//! # mod example {
//! use futures_util::TryStreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::encap::Seg6;
//! use nl_srv6::routes::Srv6Routes;
//! use nl_srv6::settings::Settings;
//! use nl_srv6::sid::Sids;
//!
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let conn = Connection::open(Protocol::Route)?;
//!
//! // The headend: packets to a customer's network go through two nodes.
//! // ip -6 route add 2001:db8:2::/48 encap seg6 mode encap.red segs fcbb:0:b::,fcbb:0:d:d46:: dev eth0
//! let path = Seg6::encap_red(["fcbb:0:b::".parse()?, "fcbb:0:d:d46::".parse()?]);
//! Srv6Routes::new(conn.clone()).entry("2001:db8:2::/48".parse()?, &path).dev("eth0").add().await?;
//!
//! // The other end: a SID that decapsulates into the VRF with table 100.
//! // ip -6 route add fcbb:0:d:d46:: encap seg6local action End.DT46 vrftable 100 count dev red
//! Settings::new(&conn)?.set_vrf_strict_mode(true)?;
//! let sids = Sids::new(conn);
//! sids.end_dt46("fcbb:0:d:d46::".parse()?, 100).counters().add().await?;
//!
//! let mut list = sids.entries().list().await?;
//! while let Some(sid) = list.try_next().await? {
//!     println!("{sid}: {:?}", sid.local.counters);
//! }
//! # Ok(())
//! # }
//! # }
//! ```
//! Without a runtime, under feature `blocking`, `.wait()` takes the place of `.await`, and lists are read in `for` loops.
//!
//! # Permissions and namespaces
//! Reading routes and local SIDs needs no privilege; changes need `CAP_NET_ADMIN` in the user namespace that owns the network
//! namespace. HMAC keys and the tunnel source need it in the initial user namespace, for reading too. All calls act in the network
//! namespace in which the netlink connection was opened.
//!
//! # Features
//! - `tokio` (on by default): waiting inside a tokio runtime: `.await` on operations and lists.
//! - `blocking`: waiting without a runtime: [`Pending::wait`](nl_core::Pending), and `for` loops over lists; needs no tokio.
//! - `doctor`, `encap`, `hmac`, `policy`, `routes`, `settings`, `sid`, `tunnel-source`, `usid` (on by default): the modules of those names.
//! - `hmac-compute`: computing and verifying the HMAC of a header.
//! - `serde`: `Serialize` on what is read from the kernel, and `Deserialize` on policies, local SIDs and what the doctor knows.
//! - `tracing`: spans of requests and events about losses; see nl-core.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(all(doctest, feature = "tokio", feature = "routes", feature = "sid"))]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(feature = "doctor")]
pub mod doctor;
#[cfg(feature = "encap")]
pub mod encap;
#[cfg(any(feature = "routes", feature = "sid"))]
mod find;
#[cfg(feature = "hmac")]
pub mod hmac;
#[cfg(all(
    feature = "doctor",
    feature = "policy",
    feature = "settings",
    feature = "tokio",
    feature = "usid"
))]
pub mod manual;
#[cfg(any(feature = "hmac", feature = "tunnel-source"))]
mod message;
#[cfg(feature = "policy")]
pub mod policy;
#[cfg(feature = "routes")]
pub mod routes;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(feature = "sid")]
pub mod sid;
pub mod srh;
#[cfg(feature = "tunnel-source")]
pub mod tunnel_source;
#[cfg(feature = "usid")]
pub mod usid;

#[cfg(any(feature = "hmac", feature = "tunnel-source"))]
pub use message::FAMILY;

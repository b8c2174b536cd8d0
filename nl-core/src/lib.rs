//! Netlink sockets, messages and attributes: what the nl-* crates share, and what programs need that speak netlink themselves.
//!
//! # What it does
//! Attributes and messages without copies ([`attr`], [`message`]), one error that says what was asked, who refused
//! and what to change ([`error`]), and the ways to talk to the kernel: requests ([`connection`]), tables
//! ([`dump`]), many changes at once ([`batch`]) and events ([`monitor`]), each in any network namespace ([`netns`]).
//!
//! # Example
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::connection::{Connection, Protocol};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> nl_core::Result<()> {
//!     let conn = Connection::open(Protocol::Route)?;
//!
//!     // One object.
//!     let lo = conn.link("lo").await?;
//!     println!("{} has index {} and MTU {}", lo.name, lo.index, lo.mtu);
//!
//!     // A table, as a stream in constant memory.
//!     let mut links = conn.links();
//!     while let Some(link) = links.try_next().await? {
//!         println!("{}: {} ({})", link.index, link.name, link.kind_name.as_deref().unwrap_or("device"));
//!     }
//!
//!     // An error names the operation, the object and the errno.
//!     let error = conn.link("no-such-dev").await.unwrap_err();
//!     assert_eq!(error.to_string(), "get link no-such-dev: No such device (ENODEV)");
//!     Ok(())
//! }
//! ```
//!
//! # Permissions and namespaces
//! Reading takes no privilege; changing takes `CAP_NET_ADMIN` in the user namespace that owns the network
//! namespace. A socket belongs to the namespace it is opened in; see [`netns`].
//!
//! # Features
//! Operations are [`Pending`]: to be awaited, or waited for. A feature says how an answer that is not ready yet is waited for:
//! - `tokio` (on by default): in a tokio runtime with I/O and time enabled.
//! - `blocking`: on the calling thread, with [`Pending::wait`] and `for` loops; no runtime.
//!
//! They can be enabled together. With neither, the codec and everything that needs no waiting remain. Other features:
//! - `address`: IP addresses of devices.
//! - `link`: making, changing and deleting devices, and their kinds.
//! - `route`: the module of that name, routing tables and lookups.
//! - `nexthop`: the module of that name, nexthop objects and groups; with `route`.
//! - `interop`: messages and connections of the netlink-packet-* crates, netlink-proto and rtnetlink.
//! - `neighbour`: neighbours of IP addresses (ARP, NDP) and proxy entries.
//! - `nsid`: ids by which network namespaces know each other.
//! - `rule`: routing policy rules.
//! - `serde`: `Serialize` on what is read from the kernel, and `Deserialize` on what descriptions are made of.
//! - `sysctl`: `net.*` values of the connection's namespace.
//! - `tracing`: spans of requests and events about losses; see [below](#tracing).
//! - `watch`: copies of kernel tables that are kept up to date by events; with `address`, `link`, `neighbour`, `nexthop`, `nsid`,
//!   `route` or `rule`, watches of these objects.
//!
//! # Tracing
//! With feature `tracing`, a subscriber of the crate of that name gets one span for each request, list and batch, at level DEBUG
//! with the target `nl_core`:
//! ```
//! # #[cfg(all(feature = "blocking", feature = "tracing"))]
//! # fn example(conn: nl_core::Connection, subscriber: impl tracing::Subscriber + Send + Sync) -> nl_core::Result<()> {
//! // request{operation="get link eth0" duration_us=9 outcome="refused" errno=19}
//! let link = tracing::subscriber::with_default(subscriber, || conn.link("eth0").wait())?;
//! # Ok(())
//! # }
//! ```
//! `operation` is the text of errors; for a batch, that of its first request. `outcome` is `ok`, `cancelled`, `refused` by the kernel,
//! `invalid` before it was asked, `timeout`, or another [kind of error](error::ErrorKind) in a word; of a batch it is that of the
//! first failure, beside the counts `requests` and `failed`. Events in the span say that a list was interrupted and is read again,
//! or that requests are [sent again](batch::Batch::retry_enomem).
//!
//! Overruns of monitors are events at level WARN, with how often that happened and how many messages the socket lost; that a watch
//! lists its table again is one at level DEBUG. Both are reported the first, second, fourth, eighth … time, and otherwise once a
//! minute: a million dropped events make about twenty lines. No attribute is recorded, so no secret is. Connections of `interop`
//! are not traced. While nobody listens a request costs an atomic load more, and without the feature nothing.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs, unsafe_code)]

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
mod readme {}

// The documentation of macros links to what they use by this name, here and in other crates.
extern crate self as nl_core;

/// Serializes a bitflags type as its number.
macro_rules! serialize_bits {
    ($($name:ident)+) => {$(
        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.bits().serialize(serializer)
            }
        }
    )+};
}

pub mod addr;
#[cfg(feature = "address")]
pub mod address;
pub mod attr;
pub mod batch;
#[cfg(feature = "blocking")]
pub mod blocking;
pub mod check;
pub mod connection;
pub mod dump;
pub mod error;
#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
mod flush;
pub mod genl;
#[cfg(feature = "interop")]
pub mod interop;
pub mod link;
pub mod message;
pub mod monitor;
#[cfg(feature = "neighbour")]
pub mod neighbour;
pub mod netns;
#[cfg(feature = "nexthop")]
pub mod nexthop;
#[cfg(feature = "nsid")]
pub mod nsid;
mod pending;
mod protocol;
mod request;
#[cfg(feature = "route")]
pub mod route;
#[cfg(feature = "rule")]
pub mod rule;
mod setters;
mod socket;
pub mod sockopt;
#[expect(unsafe_code, reason = "system calls; the crate's only unsafe code")]
mod sys;
#[cfg(feature = "sysctl")]
pub mod sysctl;
mod trace;
#[cfg(feature = "watch")]
pub mod watch;

pub use addr::{Dev, IpFamily, IpPrefix, MacAddr};
pub use connection::Connection;
pub use error::{Error, Result};
pub use pending::Pending;
pub use protocol::Protocol;
pub use request::{Describe, Refine, Request};

/// Serializes bit flags as their number.
#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
macro_rules! serialize_bits {
    ($($flags:ty: $serialize:ident;)+) => {$(
        #[cfg(feature = "serde")]
        impl serde::Serialize for $flags {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.$serialize(self.bits())
            }
        }
    )+};
}
#[cfg(any(feature = "address", feature = "neighbour", feature = "rule"))]
use serialize_bits;

/// Locks a mutex whose data is whole even if a holder panicked.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

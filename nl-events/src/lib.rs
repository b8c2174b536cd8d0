//! Events of the Linux network over netlink, for agents that mirror the kernel's tables.
//!
//! # What it does
//! [`Events`](stream::Events) is a stream of the kernel's notifications: a [`NetworkEvent`] for each message of the
//! [sources](Source) that were asked for. A watch, such as [`FdbWatch`](fdb::FdbWatch), starts with the current table and
//! then reports each change. When the kernel drops events because the reader is slow, the watch lists the table again and
//! reports exactly the changes that were missed. [`Reports`](report::Reports) are events of several namespaces, with where each
//! happened and who caused it.
//!
//! # Example
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_events::fdb::{FdbChange, FdbWatch};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> nl_core::Result<()> {
//!     let conn = Connection::open(Protocol::Route)?;
//!     let mut watch = FdbWatch::builder(&conn).bridge("br0").open().await?;
//!     while let Some(change) = watch.try_next().await? {
//!         match change {
//!             FdbChange::Added(entry) => println!("+ {entry}"),
//!             FdbChange::Moved { from, to } => println!("> {to} (was on #{})", from.index),
//!             FdbChange::Updated { after, .. } => println!("~ {after}"),
//!             FdbChange::Deleted(entry) => println!("- {entry}"),
//!             FdbChange::Synced => println!("= {} entries, the same as in the kernel", watch.len()),
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Without a runtime, under feature `blocking`: `FdbWatch::open(&conn).wait()?` and `for change in &mut watch`.
//!
//! # Permissions and namespaces
//! Listening needs no privilege, except for events of Multipath TCP, which need `CAP_NET_ADMIN` in the user namespace that owns
//! the network namespace. A stream receives the events of the network namespace that it was opened in or for. Messages that
//! were not sent by the kernel are ignored.
//!
//! # Features
//! - `fdb` (on by default): events and the watch of the bridge's forwarding database.
//! - `mdb`, `settings`, `vlan_db`, `vni`: events of multicast databases, of the ports of bridges, of VLANs and of VNI filters.
//! - `family`: generic netlink families that appear and vanish.
//! - `nsid`: ids of network namespaces.
//! - `store`: tables in memory, readable from any task while another one follows them.
//! - `tc`: qdiscs, classes and filters.
//! - `address`, `link`, `neighbour`, `nexthop`, `route`, `rule`: events of IP addresses, network devices, neighbours, nexthop
//!   objects, routes and routing policy rules. Their watches are in nl-core, in the modules of these names.
//!   Those of qdiscs, classes and filters are in nl-tc, which `store` and `tc` together turn on.
//! - `macsec`: events of MACsec devices with their options.
//! - `mptcp`: events of Multipath TCP.
//! - `interop`: messages of events as those of netlink-packet-route, by `nl_core::interop::decode`; exempt from the promise of
//!   stability, as that module is.
//! - `tokio` (on by default): waiting inside a tokio runtime.
//! - `blocking`: waiting without a runtime. Without both, streams can be opened but not waited for; the crate still decodes
//!   messages.
//! - `serde`: `serde::Serialize` on events and reports.
//! - `tracing`: spans of requests and events about losses; see nl-core.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(all(doctest, feature = "tokio", feature = "fdb"))]
#[doc = include_str!("../README.md")]
mod readme {}

mod event;
#[cfg(feature = "fdb")]
pub mod fdb;
#[cfg(feature = "macsec")]
pub mod macsec;
mod monitors;
#[cfg(feature = "mptcp")]
pub mod mptcp;
mod raw;
pub mod report;
pub mod source;
#[cfg(feature = "store")]
pub mod store;
pub mod stream;
mod words;

pub use event::NetworkEvent;
pub use raw::RawEvent;
pub use source::{RtnetlinkGroup, Source};

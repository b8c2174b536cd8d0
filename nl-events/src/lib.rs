//! Events of the Linux network through netlink, for agents that mirror the kernel's tables.
//!
//! # What it does
//! [`Events`](stream::Events) is the stream of what the kernel says as it says it: a [`NetworkEvent`] for each message of
//! the [groups](RtnetlinkGroup) asked for. A watch, such as [`FdbWatch`](fdb::FdbWatch), is more: it begins with what
//! is there, tells what each event changed, and when the kernel drops events because the reader was slow it finds out what
//! was missed and tells exactly that.
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
//!             FdbChange::Synced => println!("= {} entries, as the kernel has them", watch.len()),
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Permissions and namespaces
//! Listening takes no privilege, but for the events of Multipath TCP, which take `CAP_NET_ADMIN`. A stream hears the
//! namespace it was opened in or for. Forgeries are not believed: any process with `CAP_NET_ADMIN` over a namespace can send
//! messages to the sockets in it, but not as the kernel.
//!
//! # Features
//! - `fdb` (on by default), `mptcp`: the module of that name and the events in it. Further sources will be further features.
//! - `tokio` (on by default): the streams. Without it the crate decodes messages that come from elsewhere.
//! - `serde`: `Serialize` on events.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(all(doctest, feature = "tokio", feature = "fdb"))]
#[doc = include_str!("../README.md")]
mod readme {}

mod event;
#[cfg(feature = "fdb")]
pub mod fdb;
#[cfg(feature = "mptcp")]
pub mod mptcp;
#[cfg(feature = "tokio")]
pub mod stream;

pub use event::{NetworkEvent, RtnetlinkGroup};

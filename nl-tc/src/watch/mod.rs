//! Watches of qdiscs, classes and filters: exact copies that resynchronise after lost events.
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::watch::Change;
//! use nl_core::{Connection, Protocol};
//! use nl_tc::Tc;
//!
//! # async fn example() -> nl_core::Result<()> {
//! let tc = Tc::new(Connection::open(Protocol::Route)?);
//! let mut watch = tc.watch_qdiscs().await?;
//! while let Some(change) = watch.try_next().await? {
//!     match change {
//!         Change::Added(qdisc) => println!("+ {qdisc}"),
//!         Change::Changed { after, .. } => println!("~ {after}"),
//!         Change::Deleted(qdisc) => println!("- {qdisc}"),
//!         Change::Synced => println!("= {} qdiscs", watch.len()),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A watch is a [`nl_core::watch::Watch`], which describes how it stays correct. [`builder`](nl_core::watch::Watch::builder) has options, such
//! as the size of the receive buffer. nl-events' `Store` makes a table of it that any task can read.
//!
//! # What is followed
//! The kernel has an event for each object that is added, changed or deleted, and none for what is deleted with another object. So
//! the table is listed again, at most a third of the time, after the deletion of a qdisc, a class or a device that others can be below,
//! and of all filters of a priority. Such a deletion is reported when it is found. The filters of a block that devices share go with
//! its last qdisc; a watch of them lists again after the deletion of any qdisc or device.
//!
//! A socket filter keeps events about other devices in the kernel, so that they do not wake a watch of classes or filters.
//!
//! Counters are not compared: they change without an event. An entry has those of the last message about it.

mod class;
mod device;
mod filter;
mod handle;
mod qdisc;

pub use class::{ClassTable, ClassWatch};
pub use filter::{FilterTable, FilterWatch};
pub use qdisc::{QdiscTable, QdiscWatch};

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
//! A watch is a [`nl_core::watch::Watch`], which describes how it stays correct.
//!
//! # What is followed
//! The kernel has an event for each object that is added, changed or deleted by itself, and none for what goes with something else. So
//! the table is listed again, at most a third of the time, after the deletion of a qdisc, a class or a device that others can be below,
//! and of all filters of a priority. Such a deletion is reported when it is found.
//!
//! Counters are not compared: they change without an event. An entry has those of the last message about it.

mod class;
mod device;
mod filter;
mod handle;
mod qdisc;

pub use class::ClassTable;
pub use filter::FilterTable;
pub use qdisc::QdiscTable;

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
mod filter;
mod qdisc;

use nl_core::attr::DecodeError;
use nl_core::link::{LinkEvent, RTM_DELLINK};
use nl_core::message::MessageRef;
use nl_core::watch::Watch;
use nl_core::{Dev, Pending};

pub use class::ClassTable;
pub use filter::FilterTable;
pub use qdisc::QdiscTable;

use crate::TcHandle;
use crate::lookup::index;
use crate::tc::Tc;

impl Tc {
    /// Watches the qdiscs of all devices, but for the default ones, which have no handle.
    ///
    /// Equivalent: `tc qdisc show` and `tc monitor` together. Needs no privilege.
    ///
    /// # Errors
    /// The connection is of another protocol.
    pub fn watch_qdiscs(&self) -> Pending<Watch<QdiscTable>> {
        let conn = self.connection().clone();
        Pending::new(async move { Watch::open(&conn, QdiscTable::new()) })
    }

    /// Watches the classes of a device.
    ///
    /// Equivalent: `tc class show dev DEV` and `tc monitor` together. Needs no privilege.
    ///
    /// # Errors
    /// The device does not exist; the connection is of another protocol.
    pub fn watch_classes(&self, dev: impl Into<Dev>) -> Pending<Watch<ClassTable>> {
        let (conn, dev) = (self.connection().clone(), dev.into());
        Pending::new(async move {
            let index = index(&conn, &dev).await?;
            Watch::open(&conn, ClassTable::new(index))
        })
    }

    /// Watches the filters of a qdisc or class, of all chains.
    ///
    /// Equivalent: `tc filter show dev DEV parent PARENT` and `tc monitor` together. Needs no privilege.
    ///
    /// # Errors
    /// The device does not exist; the connection is of another protocol.
    pub fn watch_filters(&self, dev: impl Into<Dev>, parent: TcHandle) -> Pending<Watch<FilterTable>> {
        let (conn, dev) = (self.connection().clone(), dev.into());
        Pending::new(async move {
            let index = index(&conn, &dev).await?;
            Watch::open(&conn, FilterTable::new(index, parent))
        })
    }
}

/// Whether a device was deleted, and which one. What it has goes with it, without events.
fn deleted_device(message: MessageRef<'_>) -> Result<Option<u32>, DecodeError> {
    if message.kind() != RTM_DELLINK {
        return Ok(None);
    }
    Ok(match LinkEvent::decode(message)? {
        Some(LinkEvent::Deleted(link)) => Some(link.index),
        _ => None,
    })
}

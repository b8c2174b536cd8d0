use nl_core::watch::Watch;
use nl_core::{Dev, Pending};

use super::class::{ClassTable, ClassWatch};
use super::filter::{FilterTable, FilterWatch};
use super::qdisc::{QdiscTable, QdiscWatch};
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
    pub fn watch_qdiscs(&self) -> Pending<QdiscWatch> {
        let conn = self.connection().clone();
        Pending::new(async move { Watch::open(&conn, QdiscTable::new()) })
    }

    /// Watches the classes of a device.
    ///
    /// Equivalent: `tc class show dev DEV` and `tc monitor` together. Needs no privilege.
    ///
    /// # Errors
    /// The device does not exist; the connection is of another protocol.
    pub fn watch_classes(&self, dev: impl Into<Dev>) -> Pending<ClassWatch> {
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
    pub fn watch_filters(&self, dev: impl Into<Dev>, parent: TcHandle) -> Pending<FilterWatch> {
        let (conn, dev) = (self.connection().clone(), dev.into());
        Pending::new(async move {
            let index = index(&conn, &dev).await?;
            Watch::open(&conn, FilterTable::new(index, parent))
        })
    }
}

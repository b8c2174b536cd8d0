use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use nl_bridge::fdb::FdbEntry;
use nl_core::addr::Dev;
use nl_core::error::{Error, Result};
use nl_core::watch::{Change, Mirror, Source, Watch};
use nl_core::{Connection, Pending};

use super::change::FdbChange;
use super::scope::Scope;
use super::tables::Tables;

/// A watch of a table: a `Stream` of `Result<FdbChange>`, first the existing entries, then each change.
///
/// Applying the changes in order gives a table that converges to the kernel's, also when events are lost. The watch keeps
/// that table itself, see [`entries`](Self::entries) and [how it stays correct](super#how-the-watch-stays-correct). Under
/// feature `blocking`, `for change in &mut watch` waits without a runtime.
///
/// The watch works while it is polled. While it is not, events collect in the receive buffer. It can be polled on another
/// runtime at any time. Events that arrive while the table is listed are queued, the last one of each entry, for a million
/// entries at most; beyond it the listing is repeated.
///
/// A watch of [one bridge](FdbWatchBuilder::bridge) or [device](FdbWatchBuilder::dev) ends with [`FdbChange::DeviceGone`] when that
/// is deleted, or [follows its name](FdbWatchBuilder::follow_name). A watch holds its [namespace](super#namespaces) open.
///
/// # Errors
/// Each `Err` is reported once. After an event that cannot be decoded the watch lists the table again. A listing that fails is
/// repeated after a pause, which grows to a second; entries are never reported as deleted because of it. The watch ends after a permanent error: its socket
/// failed, or no runtime is available.
pub struct FdbWatch {
    watch: Watch<Tables>,
    ended: bool,
}

impl FdbWatch {
    /// Watches every bridge and VXLAN device of the connection's namespace.
    ///
    /// # Errors
    /// As [`FdbWatchBuilder::open`].
    pub fn open(conn: &Connection) -> Pending<Self> {
        Self::builder(conn).open()
    }

    /// Options for a watch in the connection's namespace.
    pub fn builder(conn: &Connection) -> FdbWatchBuilder {
        FdbWatchBuilder { conn: conn.clone(), of: Of::All, follow_name: false, receive_buffer: None }
    }

    /// The table after the changes that were reported so far.
    /// An unchanged entry is not reported again, so its [`ages`](FdbEntry#structfield.ages) are those of the last
    /// message about it.
    pub fn entries(&self) -> impl Iterator<Item = &FdbEntry> {
        self.watch.entries().map(|row| &row.0)
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.watch.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watch.is_empty()
    }

    /// How often the kernel dropped events because the receive buffer was full.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.watch.overruns()
    }

    /// The index of the bridge or device that is watched, while it exists; `None` in a watch of all tables.
    #[must_use]
    pub fn device(&self) -> Option<u32> {
        self.watch.source().device()
    }

    /// Lists the table again, and reports the differences and then [`FdbChange::Synced`].
    ///
    /// The watch does this by itself when events are lost, and where the kernel is known to change the table
    /// [without an event](super#how-the-watch-stays-correct). It happens while the watch is polled.
    pub fn resync(&mut self) {
        self.watch.resync();
    }
}

impl Stream for FdbWatch {
    type Item = Result<FdbChange>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let change = ready!(Pin::new(&mut this.watch).poll_next(cx));
        let is_synced = matches!(change, Some(Ok(Change::Synced)));
        if is_synced && this.watch.source().is_gone() && this.watch.is_empty() {
            this.ended = true;
            return Poll::Ready(Some(Ok(FdbChange::DeviceGone)));
        }
        Poll::Ready(change.map(|change| change.map(FdbChange::from)))
    }
}

impl Mirror for FdbWatch {
    type Entry = FdbEntry;
    type Change = FdbChange;

    fn entries(&self) -> impl Iterator<Item = &Self::Entry> {
        self.entries()
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn overruns(&self) -> u64 {
        self.overruns()
    }

    fn resync(&mut self) {
        self.resync();
    }

    fn is_synced(change: &Self::Change) -> bool {
        matches!(change, FdbChange::Synced)
    }
}

/// The changes, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl IntoIterator for &mut FdbWatch {
    type Item = Result<FdbChange>;
    type IntoIter = nl_core::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        nl_core::blocking::Iter::new(self)
    }
}

impl fmt::Debug for FdbWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdbWatch")
            .field("of", self.watch.source())
            .field("entries", &self.len())
            .field("overruns", &self.overruns())
            .finish_non_exhaustive()
    }
}

/// Options for an [`FdbWatch`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct FdbWatchBuilder {
    conn: Connection,
    of: Of,
    follow_name: bool,
    receive_buffer: Option<usize>,
}

#[derive(Clone, Debug)]
enum Of {
    All,
    Bridge(Dev),
    Dev(Dev),
}

impl FdbWatchBuilder {
    /// Watches only the table of this bridge, without the tables of VXLAN devices that are its ports.
    pub fn bridge(mut self, bridge: impl Into<Dev>) -> Self {
        self.of = Of::Bridge(bridge.into());
        self
    }

    /// Watches only this device: a port's entries in the bridge's table, or a VXLAN device's own table.
    ///
    /// An address that moves to another port is reported as deleted, because it no longer exists on this port.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.of = Of::Dev(dev.into());
        self
    }

    /// Watches whichever bridge or device has the name, instead of ending with [`FdbChange::DeviceGone`].
    ///
    /// When the device is deleted, is renamed or moves to another namespace, its entries are reported as deleted; when a device
    /// gets the name, its entries are reported as added. A device given by index is followed by the name it has now. One that is
    /// given by name need not exist yet. A device of this name that is no bridge is ignored in a watch of a bridge, and so are
    /// alternative names.
    pub fn follow_name(mut self) -> Self {
        self.follow_name = true;
        self
    }

    /// The size of the receive buffer in bytes, 8 MiB by default; see
    /// [`MonitorBuilder::receive_buffer`](nl_core::monitor::MonitorBuilder::receive_buffer). The smaller it is, the more
    /// often the table is listed again.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Starts the watch.
    ///
    /// Equivalent: `bridge fdb show` and `bridge monitor fdb` together. Needs no privilege.
    ///
    /// # Errors
    /// The device does not exist or is not a bridge, [`follow_name`](Self::follow_name) without a device, the connection is to another protocol, or the receive buffer is over
    /// 1 GiB.
    pub fn open(self) -> Pending<FdbWatch> {
        Pending::new(async move {
            let named = |error: Error| error.during(|| "watch fdb".into());
            self.start().await.map_err(named)
        })
    }

    async fn start(self) -> Result<FdbWatch> {
        self.conn.require(Tables::PROTOCOL, Tables::ENTRIES)?;
        let tables = match &self.of {
            Of::All if self.follow_name => {
                return Err(Error::usage("follow_name() needs a bridge or a device"));
            }
            Of::All => Tables::All,
            Of::Dev(dev) => Tables::Dev(self.scope(dev, false).await?),
            Of::Bridge(bridge) => Tables::Bridge(self.scope(bridge, true).await?),
        };
        let mut watch = Watch::builder(&self.conn, tables);
        if let Some(bytes) = self.receive_buffer {
            watch = watch.receive_buffer(bytes);
        }
        Ok(FdbWatch { watch: watch.open()?, ended: false })
    }

    async fn scope(&self, dev: &Dev, is_bridge: bool) -> Result<Scope> {
        let link = match (self.conn.link(dev).await, dev) {
            (Err(error), Dev::Name(name)) if self.follow_name && error.is_not_found() => {
                return Ok(Scope::named(name, None));
            }
            (link, _) => link?,
        };
        if is_bridge && !link.is_kind("bridge") {
            return Err(Error::usage(format!("{} is not a bridge", link.name)));
        }
        Ok(match self.follow_name {
            true => Scope::named(&link.name, Some(link.index)),
            false => Scope::of(&link),
        })
    }
}

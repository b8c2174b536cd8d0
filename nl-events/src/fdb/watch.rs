use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use nl_bridge::fdb::{FdbEntry, FdbFilter, FdbVerb, RTNLGRP_NEIGH};
use nl_core::addr::Dev;
use nl_core::dump::Dump;
use nl_core::error::{Error, Result};
use nl_core::message::MessageRef;
use nl_core::{Connection, Pending, Protocol};

use super::change::is_watched;
use super::{FdbChange, FdbEvent};
use crate::watch::{Driver, Event, Keyed, Source};

/// A table that is watched: a `Stream` of `Result<FdbChange>`, first of the entries that exist, then of what changes.
///
/// Applying the changes in order gives a table that converges to the kernel's, also when events are lost. The watch keeps
/// that table itself, see [`entries`](Self::entries) and [how it stays correct](super#how-the-watch-stays-correct). Under
/// feature `blocking`, `for change in &mut watch` waits without a runtime.
///
/// The watch works while it is polled. While it is not, events collect in the receive buffer. It can be polled on another
/// runtime at any time. Events that arrive while the table is listed are queued, the last one of each entry, for a million
/// entries at most; beyond it the listing is repeated.
///
/// # Errors
/// Each `Err` is reported once. An event that cannot be read makes the watch list the table again. A listing that fails is
/// repeated after a pause, which grows to a second; entries are never reported as deleted because of it. The watch ends
/// after an error that cannot pass: its socket failed, or there is no runtime to wait in.
pub struct FdbWatch {
    driver: Driver<Tables>,
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
        FdbWatchBuilder { conn: conn.clone(), of: Of::All, receive_buffer: None }
    }

    /// The table as it is after the changes that were reported so far.
    ///
    /// An entry that is seen again unchanged is no change, so its [`ages`](FdbEntry#structfield.ages) are those of the last
    /// message about it.
    pub fn entries(&self) -> impl Iterator<Item = &FdbEntry> {
        self.driver.table().iter().map(|entry| &entry.0)
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.driver.table().len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.driver.table().is_empty()
    }

    /// How often the kernel dropped events because the receive buffer was full.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.driver.overruns()
    }
}

impl Stream for FdbWatch {
    type Item = Result<FdbChange>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().driver.poll_change(cx).map(|change| change.map(|change| change.map(FdbChange::from)))
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
            .field("scope", &self.driver.source().scope)
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
    /// The device does not exist or is not a bridge, the connection is to another protocol, or the receive buffer is over
    /// 1 GiB.
    pub fn open(self) -> Pending<FdbWatch> {
        Pending::new(async move {
            let named = |error: Error| error.during(|| "watch fdb".into());
            self.start().await.map_err(named)
        })
    }

    async fn start(self) -> Result<FdbWatch> {
        self.conn.require(Protocol::Route, "FDB entries")?;
        let scope = match self.of {
            Of::All => Scope::All,
            Of::Dev(dev) => Scope::Dev(self.conn.link(dev).await?.index),
            Of::Bridge(bridge) => {
                let link = self.conn.link(bridge).await?;
                if link.kind.as_deref() != Some("bridge") {
                    return Err(Error::usage(format!("{} is not a bridge", link.name)));
                }
                Scope::Bridge(link.index)
            }
        };
        let mut monitor = self.conn.monitor().group(RTNLGRP_NEIGH);
        if let Some(bytes) = self.receive_buffer {
            monitor = monitor.receive_buffer(bytes);
        }
        let monitor = monitor.open(move |message: MessageRef<'_>| {
            Ok(FdbEvent::decode(message)?.and_then(|event| scope.event(event)))
        })?;
        Ok(FdbWatch { driver: Driver::new(self.conn, Tables { scope }, monitor) })
    }
}

#[derive(Clone, Copy, Debug)]
enum Scope {
    All,
    Bridge(u32),
    Dev(u32),
}

impl Scope {
    fn covers(self, entry: &FdbEntry) -> bool {
        match self {
            Self::All => true,
            Self::Bridge(bridge) => entry.master == Some(bridge),
            Self::Dev(dev) => entry.index == dev,
        }
    }

    /// What an event means for the entries that are watched.
    fn event(self, event: FdbEvent) -> Option<Event<FdbEntry>> {
        match event {
            event if !is_watched(event.entry()) => None,
            FdbEvent::New(entry) if self.covers(&entry) => Some(Event::New(keyed(entry))),
            FdbEvent::Deleted(entry) if self.covers(&entry) => Some(Event::Deleted(keyed(entry))),
            _ if !matches!(self, Self::Dev(_)) => None,
            // The address may have moved away from the device. The ports of a bridge share a table.
            FdbEvent::New(entry) => Some(Event::Left(keyed(entry))),
            FdbEvent::Deleted(_) => Some(Event::DeletedElsewhere),
        }
    }
}

fn keyed(entry: FdbEntry) -> Arc<Keyed<FdbEntry>> {
    Arc::new(Keyed(entry))
}

/// The tables of bridges and VXLAN devices.
#[derive(Debug)]
struct Tables {
    scope: Scope,
}

impl Source for Tables {
    type Entry = FdbEntry;

    fn list(&self, conn: &Connection) -> Dump<Arc<Keyed<FdbEntry>>> {
        let scope = self.scope;
        let mut filter = FdbFilter::default();
        match scope {
            Scope::All => {}
            Scope::Bridge(bridge) => filter.bridge = Some(bridge),
            Scope::Dev(dev) => filter.index = Some(dev),
        }
        conn.dump(filter.list_request(), move |message| {
            let entry = FdbEntry::decode(message)?;
            Ok((is_watched(&entry) && scope.covers(&entry)).then(|| keyed(entry)))
        })
    }

    fn ask(&self, conn: &Connection, entry: &FdbEntry) -> Pending<Option<FdbEntry>> {
        let scope = self.scope;
        let answer = conn.get(question(entry).request(FdbVerb::Get), FdbEntry::decode);
        Pending::new(async move {
            match answer.await {
                Ok(found) => Ok(scope.covers(&found).then_some(found)),
                Err(error) if is_no_entry(&error) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn is_absence(&self, refusal: &Error) -> bool {
        // The bridge or device is gone. A list of all tables is about none that could be.
        !matches!(self.scope, Scope::All) && refusal.is_not_found()
    }
}

/// Whether the kernel says that there is no such entry, or no such table: a device without one can have taken the index of the
/// device that had it. Only the kernel's own refusal says so.
fn is_no_entry(error: &Error) -> bool {
    error.kernel().is_some() && (error.is_not_found() || error.is_unsupported())
}

/// The entry to ask the kernel for.
fn question(entry: &FdbEntry) -> FdbEntry {
    match entry.master {
        // In the bridge as a whole, so that it is found on any port.
        Some(bridge) => {
            let mut question = FdbEntry::new(entry.mac, bridge).self_();
            question.vlan = entry.vlan;
            question
        }
        None => {
            let mut question = FdbEntry::new(entry.mac, entry.index).self_();
            question.src_vni = entry.src_vni;
            question
        }
    }
}

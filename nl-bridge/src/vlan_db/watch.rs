use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use nl_core::attr::DecodeError;
use nl_core::link::{RTM_NEWLINK, RTNLGRP_LINK};
use nl_core::message::{AF_BRIDGE, IfInfoMsg, MessageRef};
use nl_core::watch::{Change, Entry, Event, Source, Watch, WatchBuilder};
use nl_core::{Connection, Pending, Protocol, Request, Result};

use super::{RTNLGRP_BRVLAN, VlanDbEntry, VlanDbEvent, VlanDbFilter, VlanInfo};

/// The VLANs of all ports and bridges of a namespace, watched, with their options and tunnel mappings.
///
/// ```no_run
/// use futures_util::TryStreamExt;
/// use nl_bridge::vlan_db::VlanWatch;
/// use nl_core::watch::Change;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let mut watch = VlanWatch::open(&Connection::open(Protocol::Route)?).await?;
/// while let Some(change) = watch.try_next().await? {
///     match change {
///         Change::Added(entry) => println!("+ {entry}"),
///         Change::Changed { after, .. } => println!("~ {after}"),
///         Change::Deleted(entry) => println!("- {entry}"),
///         Change::Synced => println!("= {} VLANs", watch.len()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// A `Stream` of `Result<Change>`, one VLAN of one device at a time: first the VLANs that exist, then what changes; see
/// [`Watch`], also for its errors. Under feature `blocking`, `for change in &mut watch` waits without a runtime.
///
/// # What is followed
/// The kernel has an event for each change of a VLAN, and none for some of its consequences. The watch lists the VLANs again, at
/// most a third of the time, after
/// - an event of several VLANs, in which the kernel can hide differences between them;
/// - an event with a PVID, because the VLAN that had it before has no event;
/// - a change of global options, which moves VLANs to other MSTIs and so to other states;
/// - an event of the bridge family about a port: `vlan_tunnel off` drops all mappings with no other event.
///
/// **Not followed:** the state of an MSTI of a port (`nl_bridge::mst`) changes the states of VLANs without any event. They are
/// reported with the next listing. Counters and the number of multicast groups are those of the last message, and no change.
pub struct VlanWatch(Watch<Vlans>);

impl VlanWatch {
    /// Watches the connection's namespace.
    ///
    /// # Errors
    /// As [`VlanWatchBuilder::open`].
    pub fn open(conn: &Connection) -> Pending<Self> {
        Self::builder(conn).open()
    }

    /// Options for a watch of the connection's namespace.
    pub fn builder(conn: &Connection) -> VlanWatchBuilder {
        VlanWatchBuilder(Watch::builder(conn, Vlans))
    }

    /// The VLANs as they are after the changes that were reported so far.
    pub fn entries(&self) -> impl Iterator<Item = &VlanDbEntry> {
        self.0.entries()
    }

    /// The number of VLANs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no VLAN.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often the kernel dropped events because the receive buffer was full.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.0.overruns()
    }
}

impl Stream for VlanWatch {
    type Item = Result<Change<VlanDbEntry>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

/// The changes, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl IntoIterator for &mut VlanWatch {
    type Item = Result<Change<VlanDbEntry>>;
    type IntoIter = nl_core::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        nl_core::blocking::Iter::new(self)
    }
}

impl fmt::Debug for VlanWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Options for a [`VlanWatch`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct VlanWatchBuilder(WatchBuilder<Vlans>);

impl VlanWatchBuilder {
    /// The size of the receive buffer in bytes, 8 MiB by default; see
    /// [`MonitorBuilder::receive_buffer`](nl_core::monitor::MonitorBuilder::receive_buffer).
    pub fn receive_buffer(self, bytes: usize) -> Self {
        Self(self.0.receive_buffer(bytes))
    }

    /// Starts the watch.
    ///
    /// Equivalent: `bridge -d vlan show` and `bridge monitor vlan` together. Needs no privilege.
    ///
    /// # Errors
    /// The connection is to another protocol, or the receive buffer is over 1 GiB.
    pub fn open(self) -> Pending<VlanWatch> {
        Pending::new(async move { self.0.open().map(VlanWatch) })
    }
}

impl Entry for VlanDbEntry {
    type Key = (u32, u16);

    fn key(&self) -> Self::Key {
        (self.index, self.vlans.first().get())
    }

    fn normalized(&self) -> Cow<'_, Self> {
        if self.stats.is_none() && self.mcast_n_groups.is_none() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self { stats: None, mcast_n_groups: None, ..self.clone() })
    }
}

#[derive(Clone, Copy, Debug)]
struct Vlans;

impl Source for Vlans {
    type Entry = VlanDbEntry;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "VLANs";
    const LISTS_SEVERAL: bool = true;

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_BRVLAN]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<VlanDbEntry>>, DecodeError> {
        let single = |mut entries: Vec<VlanDbEntry>| match entries.pop() {
            Some(entry) if entries.is_empty() && entry.vlans.is_single() => Some(entry),
            _ => None,
        };
        Ok(match VlanDbEvent::decode(message)? {
            Some(VlanDbEvent::New(entries)) => {
                let plain = single(entries).filter(|entry| !entry.info.contains(VlanInfo::PVID));
                Some(plain.map_or(Event::Unreported, Event::New))
            }
            Some(VlanDbEvent::Deleted(entries)) => {
                Some(single(entries).map_or(Event::Unreported, Event::Deleted))
            }
            Some(VlanDbEvent::Global(_)) => Some(Event::Unreported),
            // A change of VLANs has an event of its own besides one of the types 17 and 19.
            None if message.kind() == RTM_NEWLINK => {
                let bridge = message.header::<IfInfoMsg>()?.0.family == AF_BRIDGE;
                bridge.then_some(Event::Unreported)
            }
            None => None,
        })
    }

    fn list(&self) -> Request {
        VlanDbFilter::default().list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<VlanDbEntry>, DecodeError> {
        let mut entries = Vec::new();
        self.decode_entries(message, &mut entries)?;
        Ok(entries.pop())
    }

    fn decode_entries(
        &self,
        message: MessageRef<'_>,
        entries: &mut Vec<VlanDbEntry>,
    ) -> Result<(), DecodeError> {
        VlanDbEntry::decode(message, entries)
    }

    /// The kernel can be asked for no single VLAN.
    fn question(&self, _: &VlanDbEntry) -> Option<Request> {
        None
    }
}

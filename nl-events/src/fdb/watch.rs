use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use futures_util::StreamExt;
use nl_bridge::fdb::{FdbEntry, FdbFilter, FdbVerb, RTNLGRP_NEIGH};
use nl_core::addr::Dev;
use nl_core::dump::Dump;
use nl_core::error::{Error, Result};
use nl_core::monitor::Monitor;
use nl_core::{Connection, Protocol};
use tokio::time::{Sleep, sleep};

use super::table::{Key, Table};
use super::{FdbChange, FdbEvent};

/// The first pause before a listing that was disturbed is repeated; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How many entries are asked for at a time.
const LOOKUPS_AT_ONCE: usize = 64;
/// Events kept while listing. Beyond it they are dropped and the listing is repeated, as if the kernel had dropped them.
const MAX_QUEUED: usize = 1 << 20;

/// A table that is watched: a `Stream` of `Result<FdbChange>`, first of what is there, then of what changes.
///
/// Applying the changes in order gives a table that converges to the kernel's, also when events are lost; the watch keeps
/// that table itself, see [`entries`](Self::entries). [How it stays right](super#how-the-watch-stays-right).
///
/// An `Err` is told once and the watch goes on: an event that cannot be read makes it list the table again, a listing
/// that fails is repeated after a pause. It ends only if its socket fails. It does its work while it is polled; while
/// it is not, events collect in the receive buffer.
pub struct FdbWatch {
    conn: Connection,
    scope: Scope,
    monitor: Monitor<FdbEvent>,
    table: Table,
    told: VecDeque<Result<FdbChange>>,
    phase: Phase,
    pause: Duration,
    overruns: u64,
    /// Something was lost or deleted since the current listing began.
    disturbed: bool,
    ended: bool,
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
}

enum Phase {
    /// Events are applied as they come.
    Live,
    /// So they are here, until it is time to list the table again.
    Pausing(Pin<Box<Sleep>>),
    Listing {
        dump: Box<Dump<FdbEntry>>,
        seen: Table,
        queued: Vec<(Key, FdbEvent)>,
        began: Instant,
    },
    /// The listing lacks entries of ours: the kernel is asked for each.
    Asking {
        seen: Table,
        lookups: Lookups,
        gone: Vec<Key>,
        queued: Vec<(Key, FdbEvent)>,
        began: Instant,
    },
}

type Lookups = Pin<Box<dyn Stream<Item = (Key, Result<Option<FdbEntry>>)> + Send>>;

impl FdbWatch {
    /// Watches every bridge and VXLAN device of the connection's namespace.
    ///
    /// # Errors
    /// As [`FdbWatchBuilder::open`].
    pub async fn open(conn: &Connection) -> Result<Self> {
        Self::builder(conn).open().await
    }

    /// Options for a watch in the connection's namespace.
    pub fn builder(conn: &Connection) -> FdbWatchBuilder {
        FdbWatchBuilder { conn: conn.clone(), of: Of::All, receive_buffer: None }
    }

    /// The table as it stands after the changes told so far and those about to be told.
    pub fn entries(&self) -> impl Iterator<Item = &FdbEntry> {
        self.table.iter()
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// How often the kernel dropped events because the receive buffer was full.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    fn list(&mut self) {
        let mut filter = FdbFilter::default();
        match self.scope {
            Scope::All => {}
            Scope::Bridge(bridge) => filter.bridge = Some(bridge),
            Scope::Dev(dev) => filter.index = Some(dev),
        }
        let scope = self.scope;
        let dump = Box::new(self.conn.dump(filter.list_request(), move |message| {
            let entry = FdbEntry::decode(message)?;
            Ok(scope.covers(&entry).then_some(entry))
        }));
        self.disturbed = false;
        self.phase =
            Phase::Listing { dump, seen: Table::default(), queued: Vec::new(), began: Instant::now() };
    }

    fn tell(&mut self, change: Option<FdbChange>) {
        self.told.extend(change.map(Ok));
    }

    /// Reads events until there are none, and says whether anything came of it.
    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.monitor).poll_next(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Ok(event))) => self.on_event(event),
            Poll::Ready(Some(Err(error))) => {
                if error.is_overrun() {
                    self.overruns += 1;
                    // The kernel drops everything until the buffer was read empty.
                    if let Err(error) = self.monitor.discard_pending() {
                        self.told.push_back(Err(error));
                        self.ended = true;
                    }
                } else {
                    self.told.push_back(Err(error));
                }
                self.disturb();
            }
        }
        Poll::Ready(())
    }

    fn on_event(&mut self, event: FdbEvent) {
        let Some(key) = Key::of(event.entry()) else { return };
        let event = match event {
            event if self.scope.covers(event.entry()) => event,
            // An address that moved away from the device that is watched is no longer on it.
            FdbEvent::New(entry) if matches!(self.scope, Scope::Dev(_)) => FdbEvent::Deleted(entry),
            _ => return,
        };
        let deletion = matches!(event, FdbEvent::Deleted(_));
        match &mut self.phase {
            Phase::Live | Phase::Pausing(_) => {
                let change = self.table.apply(key, event);
                self.tell(change);
            }
            Phase::Listing { queued, .. } | Phase::Asking { queued, .. } if queued.len() == MAX_QUEUED => {
                queued.clear();
                self.disturbed = true;
            }
            Phase::Listing { queued, .. } => {
                queued.push((key, event));
                self.disturbed |= deletion;
            }
            Phase::Asking { queued, .. } => queued.push((key, event)),
        }
    }

    /// Notes that the table may differ from the kernel's.
    fn disturb(&mut self) {
        match self.phase {
            Phase::Live => self.list(),
            Phase::Pausing(_) => {}
            Phase::Listing { .. } | Phase::Asking { .. } => self.disturbed = true,
        }
    }

    fn poll_phase(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.phase {
            Phase::Live => Poll::Pending,
            Phase::Pausing(until) => {
                if until.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.list();
                Poll::Ready(())
            }
            Phase::Listing { dump, seen, .. } => loop {
                match Pin::new(&mut **dump).poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(entry))) => {
                        if let Some(key) = Key::of(&entry) {
                            seen.put(key, entry);
                        }
                    }
                    // The bridge or device is gone, and so is all that was in it.
                    Poll::Ready(Some(Err(error))) if error.is_not_found() => {}
                    Poll::Ready(Some(Err(error))) => {
                        self.told.push_back(Err(error));
                        self.give_up();
                        return Poll::Ready(());
                    }
                    Poll::Ready(None) => {
                        self.listed();
                        return Poll::Ready(());
                    }
                }
            },
            Phase::Asking { seen, lookups, gone, .. } => loop {
                match lookups.as_mut().poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some((key, Ok(Some(found))))) => {
                        // It was skipped. What was found may be one of several under the address.
                        if !self.scope.covers(&found) {
                            gone.push(key);
                        } else if Key::of(&found) == Some(key) {
                            seen.put(key, found);
                        } else if self.disturbed {
                            // Not certain: it stays, and the next listing decides.
                            if let Some(entry) = self.table.get(&key) {
                                seen.put(key, entry.clone());
                            }
                        } else {
                            gone.push(key);
                        }
                    }
                    Poll::Ready(Some((key, Ok(None)))) => gone.push(key),
                    Poll::Ready(Some((_, Err(error)))) => {
                        self.told.push_back(Err(error));
                        self.give_up();
                        return Poll::Ready(());
                    }
                    Poll::Ready(None) => {
                        self.settle();
                        return Poll::Ready(());
                    }
                }
            },
        }
    }

    /// The listing is complete: replays what happened meanwhile over it, then asks for what it lacks.
    fn listed(&mut self) {
        let Phase::Listing { mut seen, queued, began, .. } = std::mem::replace(&mut self.phase, Phase::Live)
        else {
            return;
        };
        let mut deleted = HashSet::new();
        for (key, event) in queued {
            match event {
                FdbEvent::Deleted(_) => deleted.insert(key),
                FdbEvent::New(_) => deleted.remove(&key),
            };
            seen.apply(key, event);
        }
        let mut gone = Vec::new();
        let mut lacking = Vec::new();
        for key in self.table.keys().filter(|key| seen.get(key).is_none()) {
            if deleted.contains(key) { gone.push(*key) } else { lacking.push(*key) }
        }
        let questions: Vec<_> =
            lacking.into_iter().filter_map(|key| Some((key, question(self.table.get(&key)?)))).collect();
        let conn = self.conn.clone();
        let lookups = futures_util::stream::iter(questions)
            .map(move |(key, question)| {
                let conn = conn.clone();
                async move { (key, ask(&conn, question).await) }
            })
            .buffer_unordered(LOOKUPS_AT_ONCE);
        self.phase = Phase::Asking { seen, lookups: Box::pin(lookups), gone, queued: Vec::new(), began };
    }

    /// Tells the difference between the table and what was found, then what happened meanwhile.
    fn settle(&mut self) {
        let Phase::Asking { seen, gone, queued, began, .. } = std::mem::replace(&mut self.phase, Phase::Live)
        else {
            return;
        };
        for key in gone {
            let change = self.table.remove(&key);
            self.tell(change);
        }
        for (key, entry) in seen.into_entries() {
            let change = self.table.put(key, entry);
            self.tell(change);
        }
        for (key, event) in queued {
            let change = self.table.apply(key, event);
            self.tell(change);
        }
        if self.disturbed {
            self.rest(began.elapsed());
        } else {
            self.pause = FIRST_PAUSE;
            self.told.push_back(Ok(FdbChange::Synced));
        }
    }

    /// After a listing that failed: goes on with the events, and lists again later.
    fn give_up(&mut self) {
        let phase = std::mem::replace(&mut self.phase, Phase::Live);
        let (Phase::Listing { queued, began, .. } | Phase::Asking { queued, began, .. }) = phase else {
            return;
        };
        for (key, event) in queued {
            let change = self.table.apply(key, event);
            self.tell(change);
        }
        self.rest(began.elapsed());
    }

    /// Listings take no more than about a third of the time while the table keeps changing.
    fn rest(&mut self, took: Duration) {
        let pause = self.pause.max(took * 2).min(LONGEST_PAUSE);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.phase = Phase::Pausing(Box::pin(sleep(pause)));
    }
}

/// The entry to ask the kernel for.
fn question(entry: &FdbEntry) -> FdbEntry {
    match entry.master {
        // In the bridge as a whole, so that it is found wherever it moved to.
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

async fn ask(conn: &Connection, question: FdbEntry) -> Result<Option<FdbEntry>> {
    match conn.get(question.request(FdbVerb::Get), FdbEntry::decode).await {
        Ok(entry) => Ok(Some(entry)),
        // A device without such a table took the place of the one that had it.
        Err(error) if error.is_not_found() || error.is_unsupported() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Stream for FdbWatch {
    type Item = Result<FdbChange>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(change) = this.told.pop_front() {
                return Poll::Ready(Some(change));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            // Events first: the receive buffer is what overflows.
            let events = this.poll_events(cx);
            if events.is_ready() {
                continue;
            }
            if this.poll_phase(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl fmt::Debug for FdbWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdbWatch")
            .field("scope", &self.scope)
            .field("entries", &self.table.len())
            .field("overruns", &self.overruns)
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
    /// Watches the table of this bridge only; what VXLAN devices that are its ports have in their own tables is not part
    /// of it.
    pub fn bridge(mut self, bridge: impl Into<Dev>) -> Self {
        self.of = Of::Bridge(bridge.into());
        self
    }

    /// Watches what is on this device only: a port's entries in the bridge's table, or a VXLAN device's own.
    ///
    /// An address that moves away from the port is told as deleted, for there it is.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.of = Of::Dev(dev.into());
        self
    }

    /// The size of the receive buffer in bytes; by default it is raised as far as the system lets it, up to 8 MiB. The
    /// smaller it is, the more often the table is listed again.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Starts the watch.
    ///
    /// Equivalent: `bridge fdb show` and `bridge monitor fdb` together. Needs no privilege.
    ///
    /// # Errors
    /// No such device, or the bridge is none; the connection is to another protocol; no tokio runtime is current.
    pub async fn open(self) -> Result<FdbWatch> {
        let named = |error: Error| error.during(|| "watch fdb".into());
        self.start().await.map_err(named)
    }

    async fn start(self) -> Result<FdbWatch> {
        if self.conn.protocol() != Protocol::Route {
            return Err(Error::usage(format!("the FDB is on NETLINK_ROUTE, not {}", self.conn.protocol())));
        }
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
        let mut watch = FdbWatch {
            conn: self.conn,
            scope,
            monitor: monitor.open(FdbEvent::decode)?,
            table: Table::default(),
            told: VecDeque::new(),
            phase: Phase::Live,
            pause: FIRST_PAUSE,
            overruns: 0,
            disturbed: false,
            ended: false,
        };
        watch.list();
        Ok(watch)
    }
}

//! Kernel tables in memory, to be read from any task while another one follows them.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use nl_core::{Connection, Protocol};
//! use nl_events::store::Store;
//!
//! # #[cfg(not(feature = "fdb"))]
//! # async fn example() {}
//! # #[cfg(feature = "fdb")]
//! # async fn example() -> nl_core::Result<()> {
//! use nl_events::fdb::FdbWatch;
//!
//! let conn = Connection::open(Protocol::Route)?;
//! let (store, follower) = Store::new(FdbWatch::builder(&conn).bridge("br0").open().await?);
//! // Nothing is spawned unless the program does.
//! let task = tokio::spawn(follower.run());
//!
//! store.synced(Duration::from_secs(5)).await?;
//! println!("{} entries", store.len());
//! let mac = nl_core::MacAddr::new([2, 0, 0, 0, 0, 1]);
//! store.wait_until(move |fdb| fdb.entries().any(|entry| entry.mac == mac), Duration::from_secs(60)).await?;
//! # task.abort();
//! # Ok(())
//! # }
//! ```
//!
//! The table is the one that the watch keeps, not a second one: a store takes no memory for each entry.
//!
//! # Which tables
//! Every [`Mirror`]: the watches of nl-core beside its objects, `FdbWatch` of this crate, those of nl-bridge with its feature `watch`,
//! and those of nl-tc, which feature `tc` brings along:
//!
//! ```no_run
//! # #[cfg(not(feature = "tc"))]
//! # async fn example() {}
//! # #[cfg(feature = "tc")]
//! # async fn example() -> nl_core::Result<()> {
//! use nl_core::{Connection, Protocol};
//! use nl_events::store::Store;
//! use nl_tc::watch::ClassWatch;
//! use nl_tc::{Tc, TcHandle};
//!
//! let tc = Tc::new(Connection::open(Protocol::Route)?);
//! let (classes, follower): (Store<ClassWatch>, _) = Store::new(tc.watch_classes("eth0").await?);
//! # let task = tokio::spawn(follower.run());
//! let class = classes.find(|class| class.handle == TcHandle::new(1, 0x10));
//! # task.abort();
//! # Ok(())
//! # }
//! ```
//!
//! # What a reader sees
//! The table after the changes that were followed so far. While [`is_synced`](Store::is_synced) says no, it lacks what the first
//! list has not brought yet, or what was missed since events were lost; [`wait_until`](Store::wait_until) waits until it is synced.
//!
//! # Two tables
//! Each table is followed over a socket of its own. Every one is exact, but one can be ahead of the other by the events that its
//! follower has not read yet: a neighbour can be in its store before its device is in another, and stay there a moment longer. The
//! kernel's order between two tables is not kept, and the stores say where that shows:
//! - [`find_with`](Store::find_with) returns an entry with the one it refers to, or with `None` in its place.
//! - [`dangling`](Store::dangling) lists the entries that refer to what the other table lacks.
//! - [`wait_until_none_dangles`](Store::wait_until_none_dangles) waits until there are none.
//! - [`read_with`](Store::read_with) and [`wait_until_with`](Store::wait_until_with) see both tables at one time.
//!
//! ```no_run
//! # #[cfg(not(feature = "neighbour"))]
//! # async fn example() {}
//! # #[cfg(feature = "neighbour")]
//! # async fn example(conn: nl_core::Connection) -> nl_core::Result<()> {
//! use std::time::Duration;
//!
//! use nl_core::link::LinkWatch;
//! use nl_core::neighbour::NeighbourWatch;
//! use nl_events::store::Store;
//!
//! let (links, follower) = Store::new(LinkWatch::open(&conn).await?);
//! # let task = tokio::spawn(follower.run());
//! let (neighbours, follower) = Store::new(NeighbourWatch::open(&conn).await?);
//! # let other = tokio::spawn(follower.run());
//! let limit = Duration::from_secs(5);
//! neighbours.wait_until_none_dangles(&links, |n| Some(n.index), |link| link.index, limit).await?;
//! let found = neighbours.find_with(&links, |n| n.lladdr.is_some(), |n, link| link.index == n.index);
//! match found {
//!     Some((neighbour, Some(link))) => println!("{} is behind {}", neighbour.dst, link.name),
//!     Some((neighbour, None)) => println!("{} is behind a device that is not known yet, or no longer", neighbour.dst),
//!     None => println!("no neighbour has an address"),
//! }
//! # task.abort();
//! # other.abort();
//! # Ok(())
//! # }
//! ```
//!
//! An index is that of another device after the first one was deleted: an entry that does not dangle may refer to a device that is older
//! or newer than it. Only a stream has the kernel's order: the sources of one protocol in one
//! [`Events`](crate::stream::Events) share a socket.
//!
//! # What waits for whom
//! Reading and following take one lock, which is held while a closure of the caller runs and never across an `await`. A reader that
//! takes long delays the follower, while events collect in the receive buffer; it does not delay other stores. Closures must not
//! use the store itself.
//!
//! # Namespaces
//! A store holds the socket of its watch, and by that the namespace, until the follower and all its clones are dropped.

mod follower;
mod joint;
mod waiting;

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nl_core::error::{ErrorKind, Result};
use nl_core::watch::Mirror;
use nl_core::{Error, Pending};

pub use follower::Follower;

use self::waiting::Waiting;

/// A kernel's table in memory. Cheap to clone; all clones are the same table.
///
/// It is readable from any task while a [`Follower`] is polled, and stays as it is when that ends.
pub struct Store<W> {
    shared: Arc<Shared<W>>,
}

struct Shared<W> {
    state: Mutex<State<W>>,
}

struct State<W> {
    watch: W,
    /// How many overruns there had been when the table was last the same as the kernel's; `None` if it is not, or may not be.
    synced: Option<u64>,
    /// The follower has ended.
    ended: bool,
    /// The task of the follower, and those that wait for a change.
    follower: Option<Waker>,
    waiting: Waiting,
}

impl<W: Mirror> Store<W> {
    /// A store of what this watch watches, and what follows it: the store is empty until that is polled.
    #[must_use = "a store is empty until its follower is polled"]
    pub fn new(watch: W) -> (Self, Follower<W>) {
        let state = State { watch, synced: None, ended: false, follower: None, waiting: Waiting::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        (Self { shared: Arc::clone(&shared) }, Follower::new(shared))
    }

    /// Reads the table: `read` gets the watch, with its entries.
    ///
    /// The follower waits meanwhile, so `read` should copy what it needs. It must not use the store.
    pub fn read<T>(&self, read: impl FnOnce(&W) -> T) -> T {
        read(&self.shared.lock().watch)
    }

    /// The first entry for which `wanted` says so, copied.
    pub fn find(&self, wanted: impl FnMut(&&W::Entry) -> bool) -> Option<W::Entry>
    where
        W::Entry: Clone,
    {
        self.read(|watch| watch.entries().find(wanted).cloned())
    }

    /// All entries, copied.
    #[must_use]
    pub fn entries(&self) -> Vec<W::Entry>
    where
        W::Entry: Clone,
    {
        self.read(|watch| watch.entries().cloned().collect())
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read(W::len)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read(W::is_empty)
    }

    /// How often the kernel dropped events because the receive buffer was full.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.read(W::overruns)
    }

    /// Whether the table is the same as in the kernel but for events that are on their way. It is not before the first list was
    /// read, nor between a loss of events and the end of the list that makes it good.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.shared.lock().is_synced()
    }

    /// Whether the follower still follows. When it has ended, or was dropped, the table stays as it was then.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        !self.shared.lock().ended
    }

    /// Has the follower list the table again. Requests that come before it begins become one.
    pub fn resync(&self) {
        let follower = {
            let mut state = self.shared.lock();
            state.watch.resync();
            state.synced = None;
            state.follower.take()
        };
        if let Some(follower) = follower {
            follower.wake();
        }
    }

    /// Waits until the table is [the same as in the kernel](Self::is_synced).
    ///
    /// # Errors
    /// As [`wait_until`](Self::wait_until).
    pub fn synced(&self, limit: Duration) -> Pending<()> {
        self.wait_until(|_| true, limit)
    }

    /// Waits until `is_met` says so of the table, which it is asked when the table is [synced](Self::is_synced), and again after
    /// each change or after several.
    ///
    /// A state that lasts for a moment may be missed: the follower reports every change, a store has only the present. `is_met` must
    /// not use the store. Who waits no longer, because the limit was reached or the operation was dropped, is forgotten at once.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) after `limit`; [`Closed`](ErrorKind::Closed) if the follower has ended.
    pub fn wait_until(
        &self,
        mut is_met: impl FnMut(&W) -> bool + Send + 'static,
        limit: Duration,
    ) -> Pending<()> {
        let ticket = Ticket::new(&self.shared);
        let waiting = Pending::new(poll_fn(move |cx| {
            ticket.wait(cx);
            ticket.shared.lock().poll_met(&mut is_met)
        }));
        let named = |error: Error| error.during(|| "wait for a state of a store".into());
        let limited = waiting.timeout(limit);
        Pending::new(async move { limited.await.map_err(named) })
    }
}

impl<W> Shared<W> {
    /// A closure of a reader that panicked changed nothing.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Mirror> State<W> {
    fn is_synced(&self) -> bool {
        self.synced.is_some_and(|overruns| overruns == self.watch.overruns())
    }

    fn poll_met(&self, is_met: &mut impl FnMut(&W) -> bool) -> Poll<Result<()>> {
        if self.is_synced() && is_met(&self.watch) {
            return Poll::Ready(Ok(()));
        }
        if self.ended { Poll::Ready(Err(ErrorKind::Closed.into())) } else { Poll::Pending }
    }

    /// Takes note of what the watch yielded, and returns whom to wake.
    fn take_note(&mut self, cx: &Context<'_>, item: &Poll<Option<Result<W::Change>>>) -> Vec<Waker> {
        match item {
            Poll::Pending => match &mut self.follower {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            },
            Poll::Ready(Some(Ok(change))) => {
                if W::is_synced(change) {
                    self.synced = Some(self.watch.overruns());
                }
            }
            Poll::Ready(Some(Err(_))) => self.synced = None,
            Poll::Ready(None) => self.ended = true,
        }
        // What is not synced meets nothing.
        let has_news = item.is_ready() && (self.ended || self.is_synced());
        if has_news { self.waiting.take() } else { Vec::new() }
    }
}

/// A place among those that wait for a change of a store.
struct Ticket<W> {
    shared: Arc<Shared<W>>,
    number: u64,
}

impl<W> Ticket<W> {
    fn new(shared: &Arc<Shared<W>>) -> Self {
        Self { shared: Arc::clone(shared), number: shared.lock().waiting.number() }
    }

    fn shared(&self) -> &Arc<Shared<W>> {
        &self.shared
    }

    /// Has the task woken at the next change.
    fn wait(&self, cx: &Context<'_>) {
        let former = self.shared.lock().waiting.wait(self.number, cx);
        // Without the lock.
        drop(former);
    }
}

impl<W> Drop for Ticket<W> {
    fn drop(&mut self) {
        let former = self.shared.lock().waiting.forget(self.number);
        drop(former);
    }
}

impl<W> Clone for Store<W> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<W: Mirror> fmt::Debug for Store<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Store")
            .field("entries", &state.watch.len())
            .field("synced", &state.is_synced())
            .field("followed", &!state.ended)
            .finish_non_exhaustive()
    }
}

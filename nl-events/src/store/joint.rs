//! Two stores, read at one time.

use std::any::Any;
use std::collections::HashSet;
use std::hash::Hash;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nl_core::error::{ErrorKind, Result};
use nl_core::watch::Mirror;
use nl_core::{Error, Pending};

use super::{Shared, State, Store, Ticket};

impl<W: Mirror> Store<W> {
    /// Reads this table and another one at one time: neither changes while `read` runs.
    ///
    /// That is one time in this program. Each table is as far as its follower has read, so one may be ahead of the other: see
    /// [two tables](super#two-tables). Both followers wait meanwhile. `read` must not use either store.
    ///
    /// ```no_run
    /// # #[cfg(not(feature = "neighbour"))]
    /// # fn example() {}
    /// # #[cfg(feature = "neighbour")]
    /// # fn example(
    /// #     neighbours: &nl_events::store::Store<nl_core::neighbour::NeighbourWatch>,
    /// #     links: &nl_events::store::Store<nl_core::link::LinkWatch>,
    /// # ) {
    /// let on_bridges = neighbours.read_with(links, |neighbours, links| {
    ///     let is_bridge = |index| links.entries().any(|link| link.index == index && link.is_kind("bridge"));
    ///     neighbours.entries().filter(|neighbour| is_bridge(neighbour.index)).count()
    /// });
    /// # }
    /// ```
    pub fn read_with<O: Mirror, T>(&self, other: &Store<O>, read: impl FnOnce(&W, &O) -> T) -> T {
        both(&self.shared, &other.shared, |own, other| read(&own.watch, &other.watch))
    }

    /// The first entry for which `wanted` says so, with the entry of another table to which it refers, both copied.
    ///
    /// The second is `None` if the other table has none for which `is_referred` says so: it is not there yet, or no longer.
    pub fn find_with<O: Mirror>(
        &self,
        other: &Store<O>,
        wanted: impl FnMut(&&W::Entry) -> bool,
        mut is_referred: impl FnMut(&W::Entry, &O::Entry) -> bool,
    ) -> Option<(W::Entry, Option<O::Entry>)>
    where
        W::Entry: Clone,
        O::Entry: Clone,
    {
        self.read_with(other, |own, other| {
            let entry = own.entries().find(wanted)?;
            let referred = other.entries().find(|found| is_referred(entry, found));
            Some((entry.clone(), referred.cloned()))
        })
    }

    /// The entries that refer to what another table lacks, copied: for example neighbours of a device that is not in a store of devices.
    ///
    /// `refers` says to what an entry refers, `None` if to nothing; `key` is that of an entry of the other table. It takes time in
    /// proportion to both tables.
    ///
    /// There are such entries while one follower is ahead of the other, also if both stores are synced, and none when both have
    /// read everything: [`wait_until_none_dangles`](Self::wait_until_none_dangles) waits for that.
    ///
    /// ```no_run
    /// # #[cfg(not(feature = "neighbour"))]
    /// # fn example() {}
    /// # #[cfg(feature = "neighbour")]
    /// # fn example(
    /// #     neighbours: &nl_events::store::Store<nl_core::neighbour::NeighbourWatch>,
    /// #     links: &nl_events::store::Store<nl_core::link::LinkWatch>,
    /// # ) {
    /// for neighbour in neighbours.dangling(links, |neighbour| Some(neighbour.index), |link| link.index) {
    ///     println!("the device of {} is not known yet, or no longer", neighbour.dst);
    /// }
    /// # }
    /// ```
    pub fn dangling<O: Mirror, K: Eq + Hash>(
        &self,
        other: &Store<O>,
        mut refers: impl FnMut(&W::Entry) -> Option<K>,
        mut key: impl FnMut(&O::Entry) -> K,
    ) -> Vec<W::Entry>
    where
        W::Entry: Clone,
    {
        self.read_with(other, |own, other| dangling(own, other, &mut refers, &mut key).cloned().collect())
    }

    /// Waits until `is_met` says so of this table and another one, which it is asked when both are
    /// [synced](Self::is_synced), and again after each change of either or after several.
    ///
    /// `is_met` must not use either store.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) after `limit`; [`Closed`](ErrorKind::Closed) if one of the followers has ended.
    pub fn wait_until_with<O: Mirror>(
        &self,
        other: &Store<O>,
        mut is_met: impl FnMut(&W, &O) -> bool + Send + 'static,
        limit: Duration,
    ) -> Pending<()> {
        let (own, other) = (Ticket::new(&self.shared), Ticket::new(&other.shared));
        let waiting = std::future::poll_fn(move |cx| poll_both(cx, &own, &other, &mut is_met));
        let named = |error: Error| error.during(|| "wait for a state of two stores".into());
        let limited = Pending::new(waiting).timeout(limit);
        Pending::new(async move { limited.await.map_err(named) })
    }

    /// Waits until both tables are [synced](Self::is_synced) and no entry of this one [refers to what the other one lacks](Self::dangling).
    ///
    /// Each change of either table takes time in proportion to both. A table whose entries can refer to something that is never in the
    /// other one, such as the device of a neighbour in a store of some devices only, waits until the limit.
    ///
    /// ```no_run
    /// # #[cfg(not(feature = "neighbour"))]
    /// # async fn example() {}
    /// # #[cfg(feature = "neighbour")]
    /// # async fn example(
    /// #     neighbours: &nl_events::store::Store<nl_core::neighbour::NeighbourWatch>,
    /// #     links: &nl_events::store::Store<nl_core::link::LinkWatch>,
    /// # ) -> nl_core::Result<()> {
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(5);
    /// neighbours.wait_until_none_dangles(links, |n| Some(n.index), |link| link.index, limit).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`wait_until_with`](Self::wait_until_with).
    pub fn wait_until_none_dangles<O: Mirror, K: Eq + Hash>(
        &self,
        other: &Store<O>,
        mut refers: impl FnMut(&W::Entry) -> Option<K> + Send + 'static,
        mut key: impl FnMut(&O::Entry) -> K + Send + 'static,
        limit: Duration,
    ) -> Pending<()> {
        let is_whole = move |own: &W, other: &O| dangling(own, other, &mut refers, &mut key).next().is_none();
        self.wait_until_with(other, is_whole, limit)
    }
}

fn dangling<'a, W: Mirror, O: Mirror, K: Eq + Hash>(
    own: &'a W,
    other: &O,
    refers: &mut impl FnMut(&W::Entry) -> Option<K>,
    key: &mut impl FnMut(&O::Entry) -> K,
) -> impl Iterator<Item = &'a W::Entry> {
    let known: HashSet<K> = other.entries().map(key).collect();
    own.entries().filter(move |entry| refers(entry).is_some_and(|referred| !known.contains(&referred)))
}

fn poll_both<W: Mirror, O: Mirror>(
    cx: &Context<'_>,
    own: &Ticket<W>,
    other: &Ticket<O>,
    is_met: &mut impl FnMut(&W, &O) -> bool,
) -> Poll<Result<()>> {
    // Before the tables are read, so that no change gets past.
    own.wait(cx);
    other.wait(cx);
    both(own.shared(), other.shared(), |own, other| {
        if own.is_synced() && other.is_synced() && is_met(&own.watch, &other.watch) {
            return Poll::Ready(Ok(()));
        }
        if own.ended || other.ended {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        Poll::Pending
    })
}

/// Locks both, in an order that is the same for all callers.
fn both<A: Mirror, B: Mirror, T>(
    a: &Arc<Shared<A>>,
    b: &Arc<Shared<B>>,
    read: impl FnOnce(&State<A>, &State<B>) -> T,
) -> T {
    let is_same = (&**a as &dyn Any).downcast_ref::<Shared<B>>().is_some_and(|a| ptr::eq(a, &raw const **b));
    if is_same {
        let state = b.lock();
        // A store with itself.
        if let Some(own) = (&*state as &dyn Any).downcast_ref::<State<A>>() {
            return read(own, &state);
        }
    }
    if Arc::as_ptr(a).cast::<()>() < Arc::as_ptr(b).cast::<()>() {
        let (a, b) = (a.lock(), b.lock());
        read(&a, &b)
    } else {
        let (b, a) = (b.lock(), a.lock());
        read(&a, &b)
    }
}

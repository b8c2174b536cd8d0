use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use nl_core::Pending;
use nl_core::error::Result;
use nl_core::watch::Mirror;

use super::Shared;

/// What keeps a [`Store`](super::Store) up to date while it is polled: a `Stream` of the changes, as the watch reports them.
///
/// [`run`](Self::run) is for programs that only want the store. Under feature `blocking`, `for change in &mut follower` follows on a
/// thread without a runtime. When it is dropped the store stays as it is, and whoever waits for a state gets an error.
#[must_use = "a store is empty until its follower is polled"]
pub struct Follower<W: Mirror> {
    shared: Arc<Shared<W>>,
}

impl<W: Mirror> Follower<W> {
    pub(super) const fn new(shared: Arc<Shared<W>>) -> Self {
        Self { shared }
    }

    /// Follows the table until the watch ends, for a task or a thread of its own.
    ///
    /// Errors that pass are not reported: after them the table is listed again, and until then the store
    /// [is not synced](super::Store::is_synced).
    ///
    /// # Errors
    /// The error that ended the watch.
    pub fn run(mut self) -> Pending<()> {
        Pending::new(async move {
            let mut last = Ok(());
            while let Some(change) = poll_fn(|cx| Pin::new(&mut self).poll_next(cx)).await {
                last = change.map(drop);
            }
            last
        })
    }
}

impl<W: Mirror> Stream for Follower<W> {
    type Item = Result<W::Change>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (item, woken) = {
            let mut state = self.shared.lock();
            let item = Pin::new(&mut state.watch).poll_next(cx);
            let woken = state.take_note(cx, &item);
            (item, woken)
        };
        woken.into_iter().for_each(Waker::wake);
        item
    }
}

/// The changes, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl<W: Mirror> IntoIterator for &mut Follower<W> {
    type Item = Result<W::Change>;
    type IntoIter = nl_core::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        nl_core::blocking::Iter::new(self)
    }
}

impl<W: Mirror> Drop for Follower<W> {
    fn drop(&mut self) {
        let woken = {
            let mut state = self.shared.lock();
            state.ended = true;
            state.waiting.take()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl<W: Mirror> fmt::Debug for Follower<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}

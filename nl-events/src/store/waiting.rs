use std::collections::BTreeMap;
use std::task::{Context, Waker};

/// The tasks that wait for a change of a store: those that wait now, because one that gives up is forgotten.
#[derive(Default)]
pub(super) struct Waiting {
    last: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Waiting {
    /// A number that nobody else has.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Has the task woken at the next change. What is returned is dropped without the lock: it may drop a task that waits, too.
    #[must_use]
    pub(super) fn wait(&mut self, number: u64, cx: &Context<'_>) -> Option<Waker> {
        match self.wakers.get(&number) {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => self.wakers.insert(number, cx.waker().clone()),
        }
    }

    #[must_use]
    pub(super) fn forget(&mut self, number: u64) -> Option<Waker> {
        self.wakers.remove(&number)
    }

    /// All of them, who wait no longer.
    pub(super) fn take(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers).into_values().collect()
    }
}

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use nl_core::error::{Error, Result};

/// A pause that needs no runtime: a thread that only sleeps wakes the task.
///
/// nl-core has no timer for other crates. A watch pauses only between listings that must be repeated, and a second at most.
pub(super) struct Pause {
    length: Duration,
    begun: Option<(Instant, Arc<Mutex<Waker>>)>,
}

impl Pause {
    /// Begins when it is first polled.
    pub(super) fn new(length: Duration) -> Self {
        Self { length, begun: None }
    }

    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<()>> {
        let Some((began, waker)) = &self.begun else { return self.begin(cx) };
        // Before the clock is read, so that the thread wakes this task if the time is not over yet.
        lock(waker).clone_from(cx.waker());
        if began.elapsed() < self.length { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn begin(&mut self, cx: &Context<'_>) -> Poll<Result<()>> {
        /// Enough for a thread that sleeps and wakes.
        const STACK: usize = 64 * 1024;
        let (began, waker) = (Instant::now(), Arc::new(Mutex::new(cx.waker().clone())));
        let (length, sleeper) = (self.length, Arc::clone(&waker));
        let thread = thread::Builder::new().name("nl-pause".into()).stack_size(STACK).spawn(move || {
            thread::sleep(length);
            let waker = lock(&sleeper).clone();
            waker.wake();
        });
        match thread {
            Ok(_) => {
                self.begun = Some((began, waker));
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(Error::from(error).during(|| "pause between listings".into()))),
        }
    }
}

fn lock(waker: &Mutex<Waker>) -> MutexGuard<'_, Waker> {
    waker.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Waiting without a runtime: the calling thread sleeps in `poll(2)`.
//!
//! ```no_run
//! use nl_core::{Connection, Protocol};
//!
//! # fn example() -> nl_core::Result<()> {
//! let conn = Connection::open(Protocol::Route)?;
//! // One operation.
//! println!("lo is number {}", conn.link_index("lo").wait()?);
//! // A table, in constant memory.
//! for link in conn.links() {
//!     let link = link?;
//!     println!("{}: {}", link.index, link.name);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Every operation that can be awaited has [`Pending::wait`](crate::Pending::wait), and every list, batch and monitor is an
//! `IntoIterator`. They are the same types and the same code as under feature `tokio`, so both features can be enabled
//! together. A list is no `Iterator` itself: its `next` would be ambiguous beside that of `StreamExt`.
//!
//! Requests are sent on the calling thread and addressed to the kernel, so a daemon may give `CAP_NET_ADMIN` to one thread
//! only.

use std::cell::RefCell;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;
use std::{fmt, io};

use futures_core::Stream;

use crate::error::{Error, Result};
use crate::sys;

/// The items of a list, batch or monitor, one after another on the calling thread.
///
/// An iterator of a monitor never ends by itself.
#[must_use = "iterators are lazy"]
pub struct Iter<S> {
    stream: S,
    failed: bool,
}

impl<S> Iter<S> {
    /// Iterates over a stream of this workspace: it may wait for nothing but netlink sockets.
    pub const fn new(stream: S) -> Self {
        Self { stream, failed: false }
    }

    /// The stream, with what was not taken yet.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<T, S: Stream<Item = Result<T>> + Unpin> Iterator for Iter<S> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let stream = &mut self.stream;
        block_on(std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx))).unwrap_or_else(|error| {
            self.failed = true;
            Some(Err(error))
        })
    }
}

impl<S> fmt::Debug for Iter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}

/// Runs a future of this workspace to its end.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output> {
    let mut future = pin!(future);
    let thread = PARKER.with(Arc::clone);
    let waker = Waker::from(Arc::clone(&thread));
    let mut cx = Context::from_waker(&waker);
    loop {
        let (poll, interests) = collecting(|| future.as_mut().poll(&mut cx));
        if let Poll::Ready(output) = poll {
            return Ok(output);
        }
        thread
            .sleep(&interests)
            .map_err(|error| Error::from(error).during(|| "wait for an answer".into()))?;
        // A combinator polls only those of its parts that were woken.
        interests.wakers.into_iter().filter(|part| !part.will_wake(&waker)).for_each(Waker::wake);
    }
}

/// What the future that is being polled waits for.
#[derive(Default)]
struct Interests {
    sockets: Vec<(Arc<OwnedFd>, sys::Readiness)>,
    until: Option<Instant>,
    wakers: Vec<Waker>,
}

thread_local! {
    static INTERESTS: RefCell<Option<Interests>> = const { RefCell::new(None) };
    static PARKER: Arc<Parker> = Arc::new(Parker { woken: AtomicBool::new(false), event: OnceLock::new() });
}

fn collecting<T>(poll: impl FnOnce() -> T) -> (T, Interests) {
    /// Puts back what an outer call was collecting, also when the poll panics.
    struct Outer(Option<Interests>);
    impl Drop for Outer {
        fn drop(&mut self) {
            INTERESTS.set(self.0.take());
        }
    }
    let _outer = Outer(INTERESTS.replace(Some(Interests::default())));
    let output = poll();
    (output, INTERESTS.take().unwrap_or_default())
}

/// Whether the calling thread is in [`block_on`].
pub(crate) fn is_active() -> bool {
    INTERESTS.with_borrow(Option::is_some)
}

/// Asks to be polled again when the socket is ready.
pub(crate) fn wake_on(cx: &Context<'_>, fd: &Arc<OwnedFd>, readiness: sys::Readiness) {
    INTERESTS.with_borrow_mut(|interests| {
        if let Some(interests) = interests {
            interests.sockets.push((Arc::clone(fd), readiness));
            interests.wakers.push(cx.waker().clone());
        }
    });
}

/// Asks to be polled again at this time.
pub(crate) fn wake_at(cx: &Context<'_>, instant: Instant) {
    INTERESTS.with_borrow_mut(|interests| {
        if let Some(interests) = interests {
            interests.until = Some(interests.until.map_or(instant, |until| until.min(instant)));
            interests.wakers.push(cx.waker().clone());
        }
    });
}

/// Lets other threads wake this one out of `poll(2)`.
struct Parker {
    woken: AtomicBool,
    /// Made when the thread sleeps for the first time.
    event: OnceLock<OwnedFd>,
}

impl Parker {
    fn sleep(&self, interests: &Interests) -> io::Result<()> {
        let event = match self.event.get() {
            Some(event) => event,
            None => {
                let made = sys::event()?;
                self.event.get_or_init(|| made)
            }
        };
        if !self.woken.swap(false, Ordering::SeqCst) {
            let sockets = interests.sockets.iter().map(|(fd, readiness)| (fd.as_fd(), *readiness));
            let all: Vec<_> = sockets.chain([(event.as_fd(), sys::Readiness::Readable)]).collect();
            let limit = interests.until.map(|until| until.saturating_duration_since(Instant::now()));
            sys::poll(&all, limit)?;
        }
        sys::clear_event(event.as_fd());
        self.woken.store(false, Ordering::SeqCst);
        Ok(())
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::SeqCst)
            && let Some(event) = self.event.get()
        {
            sys::raise_event(event.as_fd());
        }
    }
}

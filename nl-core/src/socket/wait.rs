//! Waiting for sockets and for time: the only file that knows which runtime there is.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[cfg(any(feature = "tokio", feature = "blocking"))]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::sys::Readiness;

/// A socket's places on the reactors of runtimes. In each one is taken when the socket is first waited for there: a runtime that rests
/// wakes nobody.
#[derive(Default)]
pub(crate) struct Reactor {
    #[cfg(feature = "tokio")]
    places: std::sync::Mutex<Vec<Place>>,
}

/// A socket's place on the reactor of this runtime.
#[cfg(feature = "tokio")]
struct Place {
    runtime: tokio::runtime::Id,
    registered: Registered,
}

#[cfg(feature = "tokio")]
type Registered = Arc<tokio::io::unix::AsyncFd<Arc<OwnedFd>>>;

impl Reactor {
    /// Runs `io`, which does not wait, until it returns something else than `WouldBlock`.
    ///
    /// In each runtime, only the last task that polls is woken.
    #[inline]
    pub(crate) fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        fd: &Arc<OwnedFd>,
        readiness: Readiness,
        mut io: impl FnMut(&Waker) -> io::Result<T>,
    ) -> Poll<Result<T>> {
        // The kernel answers while a request is being sent, so the first try mostly succeeds.
        match io(cx.waker()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return Poll::Ready(outcome.map_err(Error::from)),
        }
        #[cfg(feature = "blocking")]
        if crate::blocking::is_active() {
            crate::blocking::wake_on(cx, fd, readiness);
            return Poll::Pending;
        }
        #[cfg(feature = "tokio")]
        return self.poll_reactor(cx, fd, readiness, io);
        #[cfg(not(feature = "tokio"))]
        {
            let _ = (cx, fd, readiness);
            Poll::Ready(Err(Error::usage(NO_RUNTIME)))
        }
    }
}

#[cfg(feature = "tokio")]
impl Reactor {
    #[inline(never)]
    fn poll_reactor<T>(
        &self,
        cx: &mut Context<'_>,
        fd: &Arc<OwnedFd>,
        readiness: Readiness,
        mut io: impl FnMut(&Waker) -> io::Result<T>,
    ) -> Poll<Result<T>> {
        let mut moved = false;
        loop {
            let registered = self.registered(fd)?;
            let ready = match readiness {
                Readiness::Readable => registered.poll_read_ready(cx),
                Readiness::Writable => registered.poll_write_ready(cx),
            };
            let mut guard = match ready {
                Poll::Ready(Ok(guard)) => guard,
                Poll::Ready(Err(error)) if tokio::runtime::is_rt_shutdown_err(&error) && !moved => {
                    // The runtime that something else polled it in is gone.
                    self.forget(&registered);
                    moved = true;
                    continue;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            };
            match io(cx.waker()) {
                // Readiness that arrived since the guard was made is kept.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                outcome => return Poll::Ready(outcome.map_err(Error::from)),
            }
        }
    }

    fn registered(&self, fd: &Arc<OwnedFd>) -> Result<Registered> {
        let current = tokio::runtime::Handle::try_current().ok().map(|runtime| runtime.id());
        let mut places = crate::lock(&self.places);
        let place = match current {
            Some(current) => places.iter().find(|place| place.runtime == current),
            // Whoever polls it, a runtime it was registered with may be at work.
            None => places.last(),
        };
        if let Some(place) = place {
            return Ok(Arc::clone(&place.registered));
        }
        let Some(runtime) = current else { return Err(Error::usage(NO_RUNTIME)) };
        let new = unless_disabled(|| crate::sys::register(Arc::clone(fd)), "enable_io")??;
        let registered = Arc::new(new);
        // A program may make a runtime for each call.
        places.retain(Place::is_alive);
        places.reserve_exact(1);
        places.push(Place { runtime, registered: Arc::clone(&registered) });
        Ok(registered)
    }

    fn forget(&self, old: &Registered) {
        crate::lock(&self.places).retain(|place| !Arc::ptr_eq(&place.registered, old));
    }
}

#[cfg(feature = "tokio")]
impl Place {
    /// Whether the runtime has not been shut down.
    fn is_alive(&self) -> bool {
        // Beside whoever waits there: only `poll_read_ready` would take his place.
        let readable = std::pin::pin!(self.registered.readable());
        !matches!(readable.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
    }
}

/// A socket of another crate, which registers it at once.
#[cfg(feature = "interop")]
pub(crate) fn into_tokio(fd: OwnedFd) -> Result<netlink_proto::sys::TokioSocket> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(Error::usage("a socket for netlink-proto needs a tokio runtime with I/O enabled"));
    }
    unless_disabled(|| crate::sys::tokio_socket(fd), "enable_io")
}

/// tokio panics where a part of the runtime is not enabled, and has no way to ask for that before.
#[cfg(feature = "tokio")]
fn unless_disabled<T>(f: impl FnOnce() -> T, part: &str) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).map_err(|_| {
        Error::usage(format!(
            "the tokio runtime lacks what waiting takes: build it with {part}() or enable_all()"
        ))
    })
}

const NO_RUNTIME: &str = "the answer is not ready and there is no tokio runtime to wait in: \
                          run inside one with I/O and time enabled, or use wait() of feature `blocking`";

/// The time limit of an operation, which begins when it first has to wait.
#[derive(Default)]
pub(crate) struct Deadline {
    limit: Option<Duration>,
    /// With the runtime whose timer it is.
    #[cfg(feature = "tokio")]
    sleep: Option<(std::pin::Pin<Box<tokio::time::Sleep>>, Option<tokio::runtime::Id>)>,
    #[cfg(feature = "blocking")]
    until: Option<std::time::Instant>,
}

impl Deadline {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            #[cfg(feature = "tokio")]
            sleep: None,
            #[cfg(feature = "blocking")]
            until: None,
        }
    }

    /// Starts again when it is waited for the next time.
    pub(crate) fn reset(&mut self) {
        #[cfg(feature = "tokio")]
        {
            self.sleep = None;
        }
        #[cfg(feature = "blocking")]
        {
            self.until = None;
        }
    }

    /// Ready with the error when the time is over. To be polled after the socket, so that an answer that is there is taken.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(limit) = self.limit else { return Poll::Pending };
        #[cfg(feature = "blocking")]
        if crate::blocking::is_active() {
            let now = std::time::Instant::now();
            if self.until.is_none() {
                self.until = now.checked_add(limit);
            }
            return match self.until {
                Some(until) if until <= now => Poll::Ready(ErrorKind::Timeout(limit).into()),
                Some(until) => {
                    crate::blocking::wake_at(cx, until);
                    Poll::Pending
                }
                // Beyond the end of time.
                None => Poll::Pending,
            };
        }
        #[cfg(feature = "tokio")]
        {
            let runtime = tokio::runtime::Handle::try_current().ok().map(|runtime| runtime.id());
            let begin = |until: Option<tokio::time::Instant>| match until {
                None => unless_disabled(|| Box::pin(tokio::time::sleep(limit)), "enable_time"),
                Some(until) => unless_disabled(|| Box::pin(tokio::time::sleep_until(until)), "enable_time"),
            };
            let begun = match self.sleep.take() {
                // The runtime it began on may be gone, and then polling it panics.
                Some((sleep, of)) if of != runtime => begin(Some(sleep.deadline())),
                Some((sleep, _)) => Ok(sleep),
                None => begin(None),
            };
            let (sleep, _) = match begun {
                Ok(sleep) => self.sleep.insert((sleep, runtime)),
                Err(error) => return Poll::Ready(error),
            };
            sleep.as_mut().poll(cx).map(|()| ErrorKind::Timeout(limit).into())
        }
        #[cfg(not(feature = "tokio"))]
        {
            let _ = (cx, limit);
            Poll::Ready(Error::usage(NO_RUNTIME))
        }
    }
}

/// Lets other tasks of the runtime, its timers and its sockets have their turn.
#[derive(Default)]
pub(crate) struct Turn {
    #[cfg(feature = "tokio")]
    yielding: Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Turn {
    /// Asks for it; [`poll`](Self::poll) is then pending once.
    pub(crate) fn give(&mut self) {
        // `wake_by_ref` would let ready tasks run, but timers and sockets only after 61 of such polls.
        #[cfg(feature = "tokio")]
        if !is_blocking() {
            self.yielding = Some(Box::pin(tokio::task::yield_now()));
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        #[cfg(feature = "tokio")]
        if let Some(yielding) = &mut self.yielding {
            if !is_blocking() {
                std::task::ready!(yielding.as_mut().poll(cx));
            }
            self.yielding = None;
        }
        let _ = cx;
        Poll::Ready(())
    }
}

/// Takes part in the runtime's cooperative budget: pending when the task has used up its turn.
pub(crate) fn poll_budget(cx: &mut Context<'_>) -> Poll<()> {
    #[cfg(feature = "tokio")]
    if !is_blocking() {
        return tokio::task::coop::poll_proceed(cx).map(|budget| budget.made_progress());
    }
    let _ = cx;
    Poll::Ready(())
}

#[cfg(feature = "tokio")]
fn is_blocking() -> bool {
    #[cfg(feature = "blocking")]
    return crate::blocking::is_active();
    #[cfg(not(feature = "blocking"))]
    false
}

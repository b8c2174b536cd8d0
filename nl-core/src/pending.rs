use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::Result;
use crate::socket::Deadline;

/// An operation that is ready to run: `.await` it, or call [`wait`](Self::wait) where there is no async runtime.
///
/// ```no_run
/// # async fn example(conn: nl_core::Connection) -> nl_core::Result<()> {
/// let index = conn.link_index("lo").await?;
/// # Ok(())
/// # }
/// ```
///
/// Without a runtime, under feature `blocking`:
///
/// ```
/// # #[cfg(feature = "blocking")]
/// fn main() -> nl_core::Result<()> {
///     let conn = nl_core::Connection::open(nl_core::Protocol::Route)?;
///     assert_eq!(conn.link_index("lo").wait()?, 1);
///     Ok(())
/// }
/// # #[cfg(not(feature = "blocking"))]
/// # fn main() {}
/// ```
///
/// Nothing happens before the first poll. The kernel handles a request while it is being sent and the answer is then
/// ready to be received, so most operations complete in one poll, on the thread that polls. Only an answer that is not
/// ready needs a runtime: tokio with I/O and time enabled, under feature `tokio`. Where one of these is missing the operation fails with
/// [`Usage`](crate::error::ErrorKind::Usage); a program that is built with `panic = "abort"` is aborted by tokio instead.
///
/// # Dropping it
/// Dropping it before it is complete stops the waiting. A request that was already sent is still carried out.
///
/// An operation of several requests can be dropped between any two of them: those before have been carried out, those behind are not
/// sent, and nothing is undone. So a device that is made with an alias may be left without it, and a flush may have deleted a part. Where
/// an operation describes a whole, as a leaf or a tree of qdiscs does, the next one goes on from there. The connection works on, and no
/// socket and no task is left behind.
#[must_use = "an operation does nothing until it is awaited or waited for"]
pub struct Pending<T> {
    future: Pin<Box<dyn Future<Output = Result<T>> + Send>>,
}

impl<T> Pending<T> {
    /// Wraps the steps of an operation.
    ///
    /// The future may await nothing but operations of this workspace: [`wait`](Self::wait) cannot drive timers or sockets of a
    /// runtime.
    pub fn new(operation: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self { future: Box::pin(operation) }
    }

    /// Fails with [`Timeout`](crate::error::ErrorKind::Timeout) if it is not complete after `limit`.
    ///
    /// The time begins when the operation first has to wait, and is measured in the runtime, or in [`wait`](Self::wait) without one.
    /// What is complete is never a timeout. The kernel may still carry out what was sent.
    pub fn timeout(mut self, limit: Duration) -> Self
    where
        T: 'static,
    {
        let mut deadline = Deadline::new(Some(limit));
        Self::new(poll_fn(move |cx| match Pin::new(&mut self).poll(cx) {
            Poll::Pending => deadline.poll(cx).map(Err),
            complete => complete,
        }))
    }

    /// Runs the operation to its end on the calling thread.
    ///
    /// While the answer is missing the thread sleeps in `poll(2)`. Inside an async runtime this blocks the runtime's thread.
    ///
    /// # Errors
    /// Those of the operation; `Io` if the thread cannot sleep because no descriptor is left.
    #[cfg(feature = "blocking")]
    pub fn wait(self) -> Result<T> {
        crate::blocking::block_on(self.future)?
    }
}

impl Pending<()> {
    /// Does nothing for this long: a timer that works in a runtime and, with [`wait`](Self::wait), without one.
    ///
    /// # Errors
    /// There is neither a runtime nor a call of `wait`, or the runtime has no timers.
    pub fn pause(length: Duration) -> Self {
        let mut deadline = Deadline::new(Some(length));
        Self::new(poll_fn(move |cx| {
            deadline.poll(cx).map(|end| if end.is_timeout() { Ok(()) } else { Err(end) })
        }))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "tokio")]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn never() -> Pending<()> {
        Pending::new(pending()).timeout(LIMIT)
    }

    #[test]
    fn an_operation_over_its_limit_reports_a_timeout() {
        let error = runtime().block_on(never()).unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }

    #[test]
    fn a_pause_ends_in_a_runtime_and_without_one() {
        let length = Duration::from_millis(5);
        let began = std::time::Instant::now();
        runtime().block_on(Pending::pause(length)).unwrap();
        assert!(began.elapsed() >= length);
        #[cfg(feature = "blocking")]
        {
            Pending::pause(length).wait().unwrap();
            assert!(began.elapsed() >= length * 2);
        }
        let mut outside = Pending::pause(length);
        let poll = Pin::new(&mut outside).poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(poll, Poll::Ready(Err(error)) if error.is_usage()));
    }

    #[test]
    fn a_complete_operation_is_no_timeout() {
        let complete = Pending::new(async { Ok(7) }).timeout(Duration::ZERO);
        assert_eq!(runtime().block_on(complete).unwrap(), 7);
    }

    #[cfg(feature = "blocking")]
    #[test]
    fn a_limit_without_a_runtime_reports_a_timeout() {
        let error = never().wait().unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }

    #[test]
    fn a_limit_goes_on_in_another_runtime() {
        let mut operation = never();
        let first = runtime();
        first.block_on(poll_fn(|cx| {
            assert!(Pin::new(&mut operation).poll(cx).is_pending());
            Poll::Ready(())
        }));
        drop(first);
        let error = runtime().block_on(operation).unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
}

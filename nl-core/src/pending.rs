use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::Result;

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
/// ready needs a runtime: tokio with I/O and time enabled, under feature `tokio`.
///
/// Dropping it before it is complete stops the waiting. A request that was already sent is still carried out.
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

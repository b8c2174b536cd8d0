//! Flushing a table that the kernel has no request for: a list, then a batch of deletions.

use std::future::poll_fn;
use std::pin::pin;

use futures_core::Stream;

use crate::connection::Connection;
use crate::error::Result;
use crate::request::Request;

/// Sends all deletions and returns how many the kernel carried out. One of something that is gone is not an error; of the other
/// failures the first is returned, after all were sent.
pub(crate) async fn delete_all(
    conn: &Connection,
    requests: impl Iterator<Item = Request> + Send,
) -> Result<u64> {
    let mut deleted = 0;
    let mut failure = None;
    let mut outcomes = pin!(conn.batch(requests));
    while let Some(outcome) = poll_fn(|cx| outcomes.as_mut().poll_next(cx)).await {
        match outcome {
            Ok(_) => deleted += 1,
            Err(error) if error.is_not_found() => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(deleted), Err)
}

//! Spans and events for a subscriber of `tracing`.
//!
//! Nothing here sees the bytes of a request: what is recorded are the words for it, which hold no secret, the outcome and counts.

use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Level, Span};

use crate::error::{Errno, Error, ErrorKind, Result};
use crate::protocol::Protocol;

/// The target of all spans and events, also of those that other crates cause.
const TARGET: &str = "nl_core";

/// What repeats is reported the first, second, fourth, eighth … time, and otherwise once in this time.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);

/// The span of a request, from when it is sent to its outcome. Dropped before that, the request was cancelled.
pub(crate) struct RequestSpan(State);

/// Small, because what holds a request is moved.
enum State {
    New,
    /// Ended, or nobody listens.
    Silent,
    Open(Box<Open>),
}

/// A span that somebody listens to.
struct Open {
    span: Span,
    since: Instant,
    failed: u64,
    /// What the first failure of a batch was.
    first: Option<(&'static str, Option<Errno>)>,
    again: Tally,
}

impl RequestSpan {
    pub(crate) const fn new() -> Self {
        Self(State::New)
    }

    /// The span of one request. `words` is called only if somebody listens, and only the first time.
    #[inline]
    pub(crate) fn begin_request(&mut self, words: impl FnOnce() -> String) {
        if let State::New = self.0 {
            self.open(tracing::span!(
                target: TARGET,
                Level::DEBUG,
                "request",
                operation = words().as_str(),
                duration_us = Empty,
                outcome = Empty,
                errno = Empty,
            ));
        }
    }

    /// The span of a list, also of one that is read several times.
    #[inline]
    pub(crate) fn begin_list(&mut self, words: impl FnOnce() -> String) {
        if let State::New = self.0 {
            self.open(tracing::span!(
                target: TARGET,
                Level::DEBUG,
                "list",
                operation = words().as_str(),
                duration_us = Empty,
                outcome = Empty,
                errno = Empty,
            ));
        }
    }

    /// The span of a batch, with the words for its first request.
    #[inline]
    pub(crate) fn begin_batch(&mut self, words: impl FnOnce() -> String) {
        if let State::New = self.0 {
            self.open(tracing::span!(
                target: TARGET,
                Level::DEBUG,
                "batch",
                operation = words().as_str(),
                duration_us = Empty,
                outcome = Empty,
                errno = Empty,
                requests = Empty,
                failed = Empty,
            ));
        }
    }

    /// The table changed while it was read, and is read once more.
    pub(crate) fn listed_again(&mut self, times: u32) {
        if let State::Open(open) = &self.0 {
            tracing::event!(
                target: TARGET,
                parent: &open.span,
                Level::DEBUG,
                times,
                "the list was interrupted and is read again"
            );
        }
    }

    /// The kernel lacked memory for requests of a batch, which are sent once more.
    pub(crate) fn sent_again(&mut self, requests: usize) {
        if let State::Open(open) = &mut self.0
            && let Some(times) = open.again.count()
        {
            tracing::event!(
                target: TARGET,
                parent: &open.span,
                Level::DEBUG,
                times,
                requests,
                "the kernel had no memory and is asked again"
            );
        }
    }

    /// A request of a batch failed.
    pub(crate) fn failed(&mut self, error: &Error) {
        if let State::Open(open) = &mut self.0 {
            open.failed += 1;
            open.first.get_or_insert_with(|| (outcome(error), error.errno()));
        }
    }

    /// The request has its outcome.
    pub(crate) fn end<T>(&mut self, result: &Result<T>) {
        match result {
            Ok(_) => self.close("ok", None),
            Err(error) => self.close(outcome(error), error.errno()),
        }
    }

    /// Every request of the batch has its outcome.
    pub(crate) fn end_batch(&mut self, requests: u64) {
        if let State::Open(open) = &self.0 {
            open.span.record("requests", requests);
            open.span.record("failed", open.failed);
            let (outcome, errno) = open.first.unwrap_or(("ok", None));
            self.close(outcome, errno);
        }
    }

    fn open(&mut self, span: Span) {
        self.0 = match span.is_disabled() {
            true => State::Silent,
            false => State::Open(Box::new(Open {
                span,
                since: Instant::now(),
                failed: 0,
                first: None,
                again: Tally::new(),
            })),
        };
    }

    fn close(&mut self, outcome: &'static str, errno: Option<Errno>) {
        if let State::Open(open) = std::mem::replace(&mut self.0, State::Silent) {
            let took = u64::try_from(open.since.elapsed().as_micros()).unwrap_or(u64::MAX);
            open.span.record("duration_us", took);
            open.span.record("outcome", outcome);
            if let Some(errno) = errno {
                open.span.record("errno", errno.get());
            }
        }
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        self.close("cancelled", None);
    }
}

/// What was lost and read again, reported in a bounded number of events.
pub(crate) struct Losses(Tally);

impl Losses {
    pub(crate) const fn new() -> Self {
        Self(Tally::new())
    }

    /// The kernel dropped events. `dropped` is how many messages in the life of the socket.
    pub(crate) fn overrun(&mut self, protocol: Protocol, dropped: impl FnOnce() -> Option<u32>) {
        if let Some(overruns) = self.0.count() {
            tracing::event!(
                target: TARGET,
                Level::WARN,
                %protocol,
                overruns,
                dropped = dropped(),
                "the receive buffer was full and events were lost"
            );
        }
    }

    /// A watched table is listed again.
    #[cfg(feature = "watch")]
    pub(crate) fn resync(&mut self, entries: &'static str, overruns: impl FnOnce() -> u64) {
        if let Some(times) = self.0.count() {
            tracing::event!(
                target: TARGET,
                Level::DEBUG,
                entries,
                times,
                overruns = overruns(),
                "the watched table is listed again"
            );
        }
    }
}

/// A count that is reported seldom.
struct Tally {
    count: u64,
    /// When it was last reported.
    reported: Option<Instant>,
}

impl Tally {
    const fn new() -> Self {
        Self { count: 0, reported: None }
    }

    /// Counts one more, and returns the count if it is to be reported.
    fn count(&mut self) -> Option<u64> {
        self.count += 1;
        let is_due = self.count.is_power_of_two()
            || self.reported.is_some_and(|last| last.elapsed() >= AT_LEAST_EVERY);
        is_due.then(|| {
            self.reported = Some(Instant::now());
            self.count
        })
    }
}

/// Who is at fault, in a word.
fn outcome(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Closed => "closed",
        ErrorKind::Decode(_) => "unreadable",
        ErrorKind::Interrupted => "interrupted",
        ErrorKind::Io(_) => "io",
        ErrorKind::Kernel(_) => "refused",
        ErrorKind::Overrun => "overrun",
        ErrorKind::Timeout(_) => "timeout",
        ErrorKind::Truncated { .. } => "truncated",
        ErrorKind::Unsupported { .. } => "unsupported",
        ErrorKind::Usage(_) => "invalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_losses_are_reported_a_bounded_number_of_times() {
        let mut tally = Tally::new();
        let began = Instant::now();
        let reported: Vec<u64> = (0..1_000_000).filter_map(|_| tally.count()).collect();
        let minutes = began.elapsed().as_secs() / 60;
        assert!(u64::try_from(reported.len()).unwrap() <= 20 + minutes, "{reported:?}");
        assert_eq!(reported[..4], [1, 2, 4, 8]);
        assert_eq!(tally.count, 1_000_000);
    }

    #[test]
    fn the_place_for_a_span_is_small() {
        assert!(size_of::<RequestSpan>() <= 2 * size_of::<usize>());
    }
}

//! The same names without the feature `tracing`: types without size, functions without code.

use crate::error::{Error, Result};
use crate::protocol::Protocol;

/// The span of a request.
pub(crate) struct RequestSpan;

impl RequestSpan {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn begin_request(&mut self, _: impl FnOnce() -> String) {}

    #[inline]
    pub(crate) fn begin_list(&mut self, _: impl FnOnce() -> String) {}

    #[inline]
    pub(crate) fn begin_batch(&mut self, _: impl FnOnce() -> String) {}

    #[inline]
    pub(crate) fn listed_again(&mut self, _: u32) {}

    #[inline]
    pub(crate) fn sent_again(&mut self, _: usize) {}

    #[inline]
    pub(crate) fn failed(&mut self, _: &Error) {}

    #[inline]
    pub(crate) fn end<T>(&mut self, _: &Result<T>) {}

    #[inline]
    pub(crate) fn end_batch(&mut self, _: u64) {}
}

/// What was lost and read again.
pub(crate) struct Losses;

impl Losses {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn overrun(&mut self, _: Protocol, _: impl FnOnce() -> Option<u32>) {}

    #[cfg(feature = "watch")]
    #[inline]
    pub(crate) fn resync(&mut self, _: &'static str, _: impl FnOnce() -> u64) {}
}

use std::time::Duration;

/// The first rest; each one is twice as long as the last, up to [`LONGEST_REST`].
const FIRST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// How long to rest before a listing is repeated: from 5 milliseconds to 1 second.
///
/// ```
/// use std::time::Duration;
///
/// use nl_core::watch::Backoff;
///
/// let mut backoff = Backoff::default();
/// assert_eq!(backoff.rest(Duration::ZERO), Duration::from_millis(5));
/// assert_eq!(backoff.rest(Duration::ZERO), Duration::from_millis(10));
/// assert_eq!(backoff.rest(Duration::from_millis(30)), Duration::from_millis(60));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST_REST }
    }
}

impl Backoff {
    /// The rest after a listing that took this long.
    ///
    /// It is at least twice as long as the listing, up to 1 second, so listings take no more than about a third of the time
    /// while the table keeps changing.
    #[must_use]
    pub fn rest(&mut self, took: Duration) -> Duration {
        let rest = self.next.max(took.saturating_mul(2)).min(LONGEST_REST);
        self.next = (self.next * 2).min(LONGEST_REST);
        rest
    }

    /// Begins with the shortest rest again, after a listing that need not be repeated.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

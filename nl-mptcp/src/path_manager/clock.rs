//! When a policy is called again, and when counters are read. No I/O: the driver gives the time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::Token;

/// Wakes within this time are one.
const TOGETHER: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Clock {
    pub(super) now: Instant,
    began: Instant,
    /// At most one for each [`TOGETHER`].
    wakes: BTreeSet<Instant>,
    every: Option<Duration>,
    next: Option<Instant>,
    watched: BTreeSet<Token>,
    counting: Option<Instant>,
    next_count: Instant,
    count_every: Duration,
}

impl Clock {
    pub(super) fn new(now: Instant, every: Option<Duration>, count_every: Duration) -> Self {
        Self {
            now,
            began: now,
            wakes: BTreeSet::new(),
            every,
            next: every.and_then(|every| now.checked_add(every)),
            watched: BTreeSet::new(),
            counting: None,
            next_count: now,
            count_every,
        }
    }

    pub(super) fn wake_after(&mut self, time: Duration) {
        let Some(at) = self.now.checked_add(time) else { return };
        // The end of its interval, so that it is never too early.
        let (since, length) = (at.saturating_duration_since(self.began).as_nanos(), TOGETHER.as_nanos());
        let end = u64::try_from(since.next_multiple_of(length)).map(Duration::from_nanos);
        if let Some(end) = end.ok().and_then(|end| self.began.checked_add(end)) {
            self.wakes.insert(end);
        }
    }

    pub(super) fn watch(&mut self, token: Token) {
        self.watched.insert(token);
    }

    pub(super) fn unwatch(&mut self, token: Token) {
        self.watched.remove(&token);
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let count = (!self.watched.is_empty() && self.counting.is_none()).then_some(self.next_count);
        [self.wakes.first().copied(), self.next, count].into_iter().flatten().min()
    }

    /// Whether the policy is to be called. All wakes that are due are one.
    pub(super) fn is_due(&mut self) -> bool {
        let later = self.wakes.split_off(&self.now);
        let mut due = !std::mem::replace(&mut self.wakes, later).is_empty();
        due |= self.wakes.remove(&self.now);
        if let Some(next) = self.next.filter(|next| *next <= self.now) {
            due = true;
            // A late one is not repeated.
            let missed = next.checked_add(self.every.unwrap_or(TOGETHER));
            self.next = missed.map(|missed| missed.max(self.now));
        }
        due
    }

    /// The connections whose counters are to be read now, to be followed by [`counted`](Self::counted).
    pub(super) fn count(&mut self) -> Option<BTreeSet<Token>> {
        if self.watched.is_empty() || self.counting.is_some() || self.now < self.next_count {
            return None;
        }
        self.counting = Some(self.now);
        Some(self.watched.clone())
    }

    /// The counters were read, or could not be. Reading takes a third of the time at most.
    pub(super) fn counted(&mut self) {
        let Some(began) = self.counting.take() else { return };
        let took = self.now.saturating_duration_since(began);
        let rest = self.count_every.max(took.saturating_mul(2));
        self.next_count = self.now.checked_add(rest).unwrap_or(self.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn wakes_are_due_once_and_never_early() {
        let began = Instant::now();
        let mut clock = Clock::new(began, None, SECOND);
        assert_eq!((clock.is_due(), clock.deadline()), (false, None));
        for nanos in [1, 2, 3] {
            clock.wake_after(SECOND + Duration::from_nanos(nanos));
        }
        let at = began + SECOND + TOGETHER;
        assert_eq!(clock.deadline(), Some(at), "three in one interval are one, at its end");
        clock.now = began + SECOND;
        assert!(!clock.is_due());
        clock.now = at;
        assert!(clock.is_due());
        assert_eq!((clock.is_due(), clock.deadline()), (false, None));
        // Beyond the range of time.
        clock.wake_after(Duration::MAX);
        assert_eq!(clock.deadline(), None);
    }

    #[test]
    fn timer_repeats_and_skips_what_it_missed() {
        let began = Instant::now();
        let mut clock = Clock::new(began, Some(SECOND), SECOND);
        assert_eq!(clock.deadline(), Some(began + SECOND));
        clock.now = began + SECOND;
        assert!(clock.is_due() && !clock.is_due());
        clock.now = began + 10 * SECOND;
        assert!(clock.is_due());
        assert_eq!(clock.deadline(), Some(clock.now), "one call for what was missed");
        assert!(clock.is_due() && !clock.is_due());
    }

    #[test]
    fn counters_are_read_at_a_bounded_rate() {
        let began = Instant::now();
        let mut clock = Clock::new(began, None, SECOND);
        assert_eq!(clock.count(), None, "nobody asks for any");
        let token = Token::new(7);
        clock.watch(token);
        assert_eq!(clock.deadline(), Some(began));
        assert_eq!(clock.count(), Some(BTreeSet::from([token])));
        assert_eq!((clock.count(), clock.deadline()), (None, None), "one reading at a time");
        clock.now = began + 3 * SECOND;
        clock.counted();
        assert_eq!((clock.count(), clock.deadline()), (None, Some(clock.now + 6 * SECOND)));
        clock.unwatch(token);
        assert_eq!(clock.deadline(), None);
    }
}

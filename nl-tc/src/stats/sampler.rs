use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::counters::Stats;
use crate::Rate;

/// Computes rates from readings of counters.
///
/// ```
/// use std::time::{Duration, Instant};
/// use nl_tc::stats::{Sampler, Stats};
/// use nl_tc::{Rate, TcHandle};
///
/// let mut sampler = Sampler::new();
/// let (class, start) = (TcHandle::new(1, 0x10), Instant::now());
/// let mut stats = Stats::default();
/// assert_eq!(sampler.sample(class, start, &stats), None);
/// stats.bytes = 2_500_000;
/// let rates = sampler.sample(class, start + Duration::from_secs(2), &stats).unwrap();
/// assert_eq!(rates.rate, Rate::mbit(10));
/// ```
///
/// `K` identifies an object: a handle, or an interface and a handle.
///
/// # When counters restart
/// A class that was deleted and created again counts from 0. The sampler notices that when a 64-bit counter falls. It then uses
/// only what the new class has counted, and sets [`Rates::restarted`]. If the new class has already counted more than the old
/// one, its counters look like those of the old one. To avoid that, report deletions: [`sample_all`](Self::sample_all) forgets
/// objects that are no longer listed, and [`forget`](Self::forget) forgets one object.
#[derive(Clone, Debug)]
pub struct Sampler<K> {
    last: HashMap<K, Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    bytes: u64,
    packets: u64,
    drops: u32,
    overlimits: u32,
}

/// The difference between two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rates {
    /// The time between the readings.
    pub over: Duration,
    /// Bytes sent.
    pub bytes: u64,
    /// Packets sent.
    pub packets: u64,
    /// Packets dropped.
    pub drops: u64,
    /// How often a limit was exceeded.
    pub overlimits: u64,
    /// Bytes sent per second.
    pub rate: Rate,
    /// Packets sent per second.
    pub packet_rate: f64,
    /// Packets dropped per second.
    pub drop_rate: f64,
    /// The counters restarted between the readings. Counts from before the restart are missing.
    pub restarted: bool,
}

impl<K> Default for Sampler<K> {
    fn default() -> Self {
        Self { last: HashMap::new() }
    }
}

impl<K: Eq + Hash> Sampler<K> {
    /// A sampler without readings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reading and returns the rates since the last reading of the same object.
    ///
    /// `None` for the first reading, and for a reading that is not later than the last.
    pub fn sample(&mut self, key: K, at: Instant, stats: &Stats) -> Option<Rates> {
        let now = Reading {
            at,
            bytes: stats.bytes,
            packets: stats.packets,
            drops: stats.drops,
            overlimits: stats.overlimits,
        };
        let last = self.last.insert(key, now)?;
        now.since(&last)
    }

    /// Adds a reading of all objects and forgets those that are missing from it.
    pub fn sample_all<'a>(
        &mut self,
        at: Instant,
        all: impl IntoIterator<Item = (K, &'a Stats)>,
    ) -> Vec<(K, Rates)>
    where
        K: Clone,
    {
        let mut before = std::mem::take(&mut self.last);
        let mut rates = Vec::new();
        for (key, stats) in all {
            if let Some(last) = before.remove(&key) {
                self.last.insert(key.clone(), last);
            }
            if let Some(sample) = self.sample(key.clone(), at, stats) {
                rates.push((key, sample));
            }
        }
        rates
    }

    /// Forgets an object: its next reading is the first.
    pub fn forget(&mut self, key: &K) {
        self.last.remove(key);
    }
}

impl Reading {
    fn since(&self, last: &Self) -> Option<Rates> {
        let over = self.at.checked_duration_since(last.at).filter(|over| !over.is_zero())?;
        // 64-bit counters do not wrap. A 32-bit counter that fell by less than half its range did not wrap either.
        let fell = |now: u32, then: u32| now < then && now.wrapping_sub(then) > u32::MAX / 2;
        let restarted = self.bytes < last.bytes
            || self.packets < last.packets
            || fell(self.drops, last.drops)
            || fell(self.overlimits, last.overlimits);
        let zero = Self { at: last.at, bytes: 0, packets: 0, drops: 0, overlimits: 0 };
        let from = if restarted { &zero } else { last };
        let (bytes, packets) = (self.bytes - from.bytes, self.packets - from.packets);
        let drops = self.drops.wrapping_sub(from.drops).into();
        let per_second = |count: u64| {
            #[expect(clippy::cast_precision_loss, reason = "15 digits are enough for a rate")]
            let count = count as f64;
            count / over.as_secs_f64()
        };
        let rate = u128::from(bytes) * 1_000_000_000 / over.as_nanos();
        Some(Rates {
            over,
            bytes,
            packets,
            drops,
            overlimits: self.overlimits.wrapping_sub(from.overlimits).into(),
            rate: Rate::bps(u64::try_from(rate).unwrap_or(u64::MAX)),
            packet_rate: per_second(packets),
            drop_rate: per_second(drops),
            restarted,
        })
    }
}

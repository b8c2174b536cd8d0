use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::codec::SidCounters;

/// Computes rates from readings of the counters of local SIDs.
///
/// ```
/// use std::time::{Duration, Instant};
/// use nl_srv6::sid::{Seg6Local, SidAction, SidSampler};
///
/// let mut sampler = SidSampler::new();
/// let start = Instant::now();
/// let mut counters = Seg6Local::new(SidAction::End).counters().counters.unwrap_or_default();
/// assert_eq!(sampler.sample("fcbb:0:1::", start, &counters), None);
/// counters.packets = 500;
/// let rates = sampler.sample("fcbb:0:1::", start + Duration::from_secs(2), &counters).unwrap();
/// assert_eq!((rates.packets, rates.packet_rate), (500, 250.0));
/// ```
///
/// `K` identifies a SID: its prefix, or its prefix and its table.
///
/// # When counters restart
/// A SID that was replaced counts from 0. The sampler notices that when a counter falls; it then uses only what was counted since,
/// and sets [`SidRates::restarted`]. If more was counted already than before, that is not seen: [`forget`](Self::forget) a SID that
/// was replaced.
#[derive(Clone, Debug)]
pub struct SidSampler<K> {
    last: HashMap<K, (Instant, SidCounters)>,
}

/// The difference between two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SidRates {
    /// The time between the readings.
    pub over: Duration,
    /// Packets that were processed.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that were dropped.
    pub errors: u64,
    /// Packets per second.
    pub packet_rate: f64,
    /// Bits per second.
    pub bit_rate: f64,
    /// Drops per second.
    pub error_rate: f64,
    /// The counters restarted between the readings. Counts from before the restart are missing.
    pub restarted: bool,
}

impl<K> Default for SidSampler<K> {
    fn default() -> Self {
        Self { last: HashMap::new() }
    }
}

impl<K: Eq + Hash> SidSampler<K> {
    /// A sampler without readings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reading and returns the rates since the last reading of the same SID.
    ///
    /// `None` for the first reading, and for a reading that is not later than the last.
    pub fn sample(&mut self, key: K, at: Instant, counters: &SidCounters) -> Option<SidRates> {
        let (then, last) = self.last.insert(key, (at, *counters))?;
        let over = at.checked_duration_since(then).filter(|over| !over.is_zero())?;
        let restarted =
            counters.packets < last.packets || counters.bytes < last.bytes || counters.errors < last.errors;
        let from = if restarted { SidCounters::default() } else { last };
        let (packets, bytes, errors) =
            (counters.packets - from.packets, counters.bytes - from.bytes, counters.errors - from.errors);
        let per_second = |count: u64| {
            #[expect(clippy::cast_precision_loss, reason = "15 digits are enough for a rate")]
            let count = count as f64;
            count / over.as_secs_f64()
        };
        Some(SidRates {
            over,
            packets,
            bytes,
            errors,
            packet_rate: per_second(packets),
            bit_rate: per_second(bytes) * 8.0,
            error_rate: per_second(errors),
            restarted,
        })
    }

    /// Adds a reading of all SIDs and forgets those that are missing from it.
    pub fn sample_all<'a>(
        &mut self,
        at: Instant,
        all: impl IntoIterator<Item = (K, &'a SidCounters)>,
    ) -> Vec<(K, SidRates)>
    where
        K: Clone,
    {
        let mut before = std::mem::take(&mut self.last);
        let mut rates = Vec::new();
        for (key, counters) in all {
            if let Some(last) = before.remove(&key) {
                self.last.insert(key.clone(), last);
            }
            if let Some(sample) = self.sample(key.clone(), at, counters) {
                rates.push((key, sample));
            }
        }
        rates
    }

    /// Forgets a SID: its next reading is the first.
    pub fn forget(&mut self, key: &K) {
        self.last.remove(key);
    }
}

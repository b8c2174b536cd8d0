//! Rates from two readings, whatever happened in between.

use std::time::{Duration, Instant};

use nl_tc::Rate;
use nl_tc::stats::{Sampler, Stats};
use proptest::prelude::*;

fn stats(bytes: u64, packets: u64, drops: u32) -> Stats {
    let mut stats = Stats::default();
    (stats.bytes, stats.packets, stats.drops) = (bytes, packets, drops);
    stats
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn first_reading_returns_no_rates() {
    let mut sampler = Sampler::new();
    let start = Instant::now();
    assert_eq!(sampler.sample((), start, &stats(5, 1, 0)), None);
    assert_eq!(sampler.sample((), start, &stats(6, 1, 0)), None, "no time has passed");
    let rates = sampler.sample((), start + SECOND, &stats(1006, 11, 2)).unwrap();
    assert_eq!((rates.rate, rates.bytes, rates.packets, rates.drops), (Rate::bps(1000), 1000, 10, 2));
    assert!(!rates.restarted);
    assert!((rates.packet_rate - 10.0).abs() < 1e-9);
}

#[test]
fn counters_of_a_new_class_restart_at_zero() {
    let mut sampler = Sampler::new();
    let start = Instant::now();
    sampler.sample((), start, &stats(1_000_000, 1000, 7));
    let rates = sampler.sample((), start + SECOND, &stats(500, 5, 1)).unwrap();
    assert_eq!((rates.bytes, rates.packets, rates.drops, rates.restarted), (500, 5, 1, true));
    let rates = sampler.sample((), start + 2 * SECOND, &stats(700, 7, 1)).unwrap();
    assert_eq!((rates.bytes, rates.packets, rates.drops, rates.restarted), (200, 2, 0, false));
}

#[test]
fn counters_of_32_bits_wrap() {
    let mut sampler = Sampler::new();
    let start = Instant::now();
    sampler.sample((), start, &stats(10, 1, u32::MAX - 1));
    let rates = sampler.sample((), start + SECOND, &stats(20, 2, 3)).unwrap();
    assert_eq!((rates.drops, rates.restarted), (5, false));
}

/// The counter fell without wrapping. Only drops show that the class is a new one.
#[test]
fn falling_drop_counter_is_a_restart() {
    let mut sampler = Sampler::new();
    let start = Instant::now();
    sampler.sample((), start, &stats(10, 1, 1000));
    let rates = sampler.sample((), start + SECOND, &stats(20, 2, 3)).unwrap();
    assert_eq!((rates.bytes, rates.drops, rates.restarted), (20, 3, true));
}

#[test]
fn unlisted_object_is_forgotten() {
    let mut sampler = Sampler::new();
    let start = Instant::now();
    let (a, b) = (stats(10, 1, 0), stats(20, 2, 0));
    assert_eq!(sampler.sample_all(start, [("a", &a), ("b", &b)]), []);
    let rates = sampler.sample_all(start + SECOND, [("a", &a)]);
    assert_eq!(rates.iter().map(|(key, rates)| (*key, rates.bytes)).collect::<Vec<_>>(), [("a", 0)]);
    // "b" was missing, so its counters may belong to another class.
    let later = stats(5000, 50, 0);
    let rates = sampler.sample_all(start + 2 * SECOND, [("a", &a), ("b", &later)]);
    assert_eq!(rates.len(), 1);
    let rates = sampler.sample_all(start + 3 * SECOND, [("b", &later)]);
    assert_eq!(rates.iter().map(|(key, rates)| (*key, rates.bytes)).collect::<Vec<_>>(), [("b", 0)]);
    sampler.forget(&"b");
    assert_eq!(sampler.sample_all(start + 4 * SECOND, [("b", &later)]), []);
}

proptest! {
    /// At most the counter, and never below zero.
    #[test]
    fn rates_never_exceed_the_counters(
        readings in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u32>(), 1..10_000_000_000_u64), 1..20)
    ) {
        let mut sampler = Sampler::new();
        let mut at = Instant::now();
        let mut last: Option<Stats> = None;
        for (bytes, packets, drops, gap) in readings {
            at += Duration::from_nanos(gap);
            let now = stats(bytes, packets, drops);
            let rates = sampler.sample((), at, &now);
            match (last, rates) {
                (None, rates) => prop_assert_eq!(rates, None),
                (Some(last), Some(rates)) => {
                    prop_assert!(rates.bytes <= bytes && rates.packets <= packets);
                    prop_assert!(rates.restarted || rates.bytes == bytes - last.bytes);
                    prop_assert!(rates.packet_rate >= 0.0);
                }
                (Some(_), None) => prop_assert!(false, "time has passed"),
            }
            last = Some(now);
        }
    }
}

//! How the kernel counts the times of CoDel: in units of 1.024 µs, which it reports rounded down to microseconds.

use std::time::Duration;

/// Less than a unit, so the kernel stores and reports 0.
pub(super) const MICROSECOND: Duration = Duration::from_micros(1);

/// The shortest time that the kernel stores as this many units of 1024 ns (`codel_time_t`).
const fn of_units(units: u64) -> Duration {
    Duration::from_micros((units * 1024).div_ceil(1000))
}

/// The shortest time that the kernel reports as this many microseconds.
pub(super) fn of_reported(micros: u32) -> Duration {
    of_units((u64::from(micros) * 1000).div_ceil(1024))
}

/// The shortest time that the kernel stores and reports like this one.
pub(super) fn stored(time: Duration) -> Duration {
    of_units(u64::try_from(time.as_nanos() >> 10).unwrap_or(u64::MAX >> 10))
}

//! Times as the kernel has them here: in hundredths of a second (`USER_HZ`).

use std::time::Duration;

pub(crate) const NANOS_PER_TICK: u32 = 10_000_000;
pub(crate) const TICKS_PER_SECOND: u64 = 100;

/// A time from hundredths of a second.
pub(crate) fn of_ticks(ticks: u64) -> Duration {
    let rest = u32::try_from(ticks % TICKS_PER_SECOND).unwrap_or(0);
    Duration::new(ticks / TICKS_PER_SECOND, rest * NANOS_PER_TICK)
}

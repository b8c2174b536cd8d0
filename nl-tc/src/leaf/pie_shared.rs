//! What PIE and FQ-PIE share: the words of their flags, and how the kernel counts their times: the target in ticks of 64 ns, which it
//! reports rounded down to microseconds in 32 bits of nanoseconds, and the update in timer ticks.

use std::fmt;
use std::time::Duration;

use nl_core::check::Invalid;

use crate::units::{NANOS_PER_TICK, micros};

/// The kernel reports the lower 32 bits of the nanoseconds.
const TARGET_MAX: Duration = Duration::from_micros(4_294_967);
/// The longest timer tick, with a kernel of 100 Hz.
const TIMER_TICK_MAX: Duration = Duration::from_millis(10);

/// The shortest time that the kernel reports as this many microseconds.
pub(super) fn of_reported(micros: u32) -> Duration {
    of_ticks((u64::from(micros) * 1000).div_ceil(NANOS_PER_TICK))
}

/// The shortest target that the kernel stores and reports like this one.
pub(super) fn stored(target: Duration) -> Duration {
    let ticks = u64::try_from(target.as_nanos()).unwrap_or(u64::MAX) / NANOS_PER_TICK;
    // What the kernel reports is in whole microseconds again.
    of_reported(u32::try_from(ticks.saturating_mul(NANOS_PER_TICK) / 1000).unwrap_or(u32::MAX))
}

/// The update as the kernel stores it: rounded up to a timer tick, whose length it does not say.
pub(super) fn update(desired: Option<Duration>, current: Option<Duration>) -> Option<Duration> {
    match (desired, current) {
        (Some(desired), Some(is)) if desired.abs_diff(is) < TIMER_TICK_MAX => Some(is),
        (desired, is) => desired.or(is),
    }
}

pub(super) fn check(target: Option<Duration>, update: Option<Duration>) -> Result<(), Invalid> {
    if let Some(target) = target {
        micros("target", target)?;
        if target > TARGET_MAX {
            return Err(format!("target {target:?}; {TARGET_MAX:?} are possible").into());
        }
    }
    if let Some(update) = update {
        micros("tupdate", update)?;
        Invalid::when(update.is_zero(), "tupdate 0; 1us is the minimum")?;
    }
    Ok(())
}

/// The flags of both kinds in the words of `tc`.
pub(super) fn write_flags(
    f: &mut fmt::Formatter<'_>,
    ecn: Option<bool>,
    bytemode: Option<bool>,
    dq_rate_estimator: Option<bool>,
) -> fmt::Result {
    for (set, yes, no) in [
        (ecn, " ecn", " noecn"),
        (bytemode, " bytemode", " nobytemode"),
        (dq_rate_estimator, " dq_rate_estimator", " no_dq_rate_estimator"),
    ] {
        f.write_str(set.map_or("", |set| if set { yes } else { no }))?;
    }
    Ok(())
}

fn of_ticks(ticks: u64) -> Duration {
    Duration::from_micros((ticks * NANOS_PER_TICK).div_ceil(1000))
}

use std::fmt;
use std::time::Duration;

use nl_core::check::Invalid;

/// A time in whole microseconds, for a field of 32 bits.
pub(crate) fn micros(name: &str, time: Duration) -> Result<u32, Invalid> {
    if !time.subsec_nanos().is_multiple_of(1000) {
        return Err(format!("{name} {time:?}; the kernel counts whole microseconds").into());
    }
    u32::try_from(time.as_micros()).map_err(|_| format!("{name} {time:?}; 4294.967295s are possible").into())
}

/// A time in the words of `tc`.
pub(crate) struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        match nanos {
            n if n.is_multiple_of(1_000_000_000) => write!(f, "{}s", n / 1_000_000_000),
            n if n.is_multiple_of(1_000_000) => write!(f, "{}ms", n / 1_000_000),
            n if n.is_multiple_of(1_000) => write!(f, "{}us", n / 1_000),
            n => write!(f, "{n}ns"),
        }
    }
}

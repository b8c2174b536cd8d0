use std::time::Duration;

#[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
use nl_core::check::Invalid;

use super::rate::Rate;
use super::size::Size;

/// The kernel's scheduling clock ticks every 64 ns (`/proc/net/psched`).
pub(crate) const NANOS_PER_TICK: u64 = 64;
const TICKS_PER_SECOND: u64 = 1_000_000_000 / NANOS_PER_TICK;
/// The timer resolution for which `tc` computes its default burst, on a kernel with high-resolution timers.
const TIMERS_PER_SECOND: u64 = 1_000_000_000;
/// The packet size for which `tc` computes its default burst, in bytes.
const DEFAULT_MTU: u32 = 1600;

/// The size of a token bucket: how much can be sent at once. The kernel stores it as a time at the rate.
///
/// ```
/// use std::time::Duration;
/// use nl_tc::{Burst, Rate, Size};
///
/// let burst = Burst::Bytes(Size(15 * 1024));
/// assert_eq!(burst.time(Rate::mbit(1)), Some(Duration::from_micros(122_880)));
/// ```
///
/// The time is in ticks of 64 ns, rounded up, so that a burst is never smaller than requested. The limit is 2³²−1 ticks, or
/// 274.877 s. Older releases of `tc`, such as 6.1, round down to microseconds, so their bursts are too small from 1 Gbit/s on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Burst {
    /// A number of bytes.
    Bytes(Size),
    /// One packet of this many bytes, and the bytes that the rate sends in a nanosecond. With 1600, the default of `tc`.
    Mtu(u32),
    /// The bytes that the rate sends in this time. The kernel reports bursts like this.
    Time(Duration),
}

impl Burst {
    /// The time to send the burst at this rate. `None` if the kernel cannot hold it.
    #[must_use]
    pub fn time(self, rate: Rate) -> Option<Duration> {
        self.ticks(rate).map(time_of)
    }

    /// The size of the burst at this rate in bytes, rounded down.
    #[must_use]
    pub fn bytes(self, rate: Rate) -> u64 {
        match self {
            Self::Bytes(size) => size.0.into(),
            Self::Mtu(mtu) => rate.bytes_per_second() / TIMERS_PER_SECOND + u64::from(mtu),
            Self::Time(time) => {
                let bytes = time.as_nanos() * u128::from(rate.bytes_per_second()) / 1_000_000_000;
                u64::try_from(bytes).unwrap_or(u64::MAX)
            }
        }
    }

    /// The time in ticks, rounded up. It may be more than the kernel can hold.
    fn all_ticks(self, rate: Rate) -> u128 {
        match self {
            Self::Time(time) => time.as_nanos().div_ceil(NANOS_PER_TICK.into()),
            // At most 2^35 bytes and 2^24 ticks a second.
            _ => (self.bytes(rate) * TICKS_PER_SECOND).div_ceil(rate.bytes_per_second().max(1)).into(),
        }
    }

    /// The time in ticks. `None` if the kernel cannot hold it.
    pub(crate) fn ticks(self, rate: Rate) -> Option<u32> {
        let is_none = !matches!(self, Self::Time(_)) && (rate.is_zero() || self.bytes(rate) == 0);
        u32::try_from(self.all_ticks(rate)).ok().filter(|_| !is_none)
    }
}

#[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
impl Burst {
    pub(crate) const fn of_ticks(ticks: u32) -> Self {
        Self::Time(time_of(ticks))
    }

    /// The burst as the kernel stores and reports it.
    pub(crate) fn as_read_back(self, rate: Rate) -> Self {
        self.ticks(rate).map_or(self, Self::of_ticks)
    }

    /// Refuses a burst that the field `name` cannot hold.
    pub(crate) fn check(self, name: &str, rate: Rate) -> Result<(), Invalid> {
        let fits = match self {
            Self::Time(_) => self.ticks(rate).is_some(),
            // Without the division.
            _ => {
                let needed = u128::from(self.bytes(rate) * TICKS_PER_SECOND);
                needed != 0 && needed <= u128::from(rate.bytes_per_second()) * u128::from(u32::MAX)
            }
        };
        if fits { Ok(()) } else { Err(self.invalid(name, rate)) }
    }

    #[cold]
    fn invalid(self, name: &str, rate: Rate) -> Invalid {
        let seconds = self.all_ticks(rate) / u128::from(TICKS_PER_SECOND);
        match self {
            Self::Time(_) => format!("{name} of {seconds} s; 274.877 s are possible"),
            _ if self.bytes(rate) == 0 => format!("{name} of 0 bytes; 1 is the minimum"),
            _ if rate.is_zero() => format!("{name} at rate 0"),
            _ => format!(
                "{name} of {} bytes takes {seconds} s at {rate}; 274.877 s are possible",
                self.bytes(rate)
            ),
        }
        .into()
    }
}

impl Default for Burst {
    fn default() -> Self {
        Self::Mtu(DEFAULT_MTU)
    }
}

impl From<Size> for Burst {
    fn from(size: Size) -> Self {
        Self::Bytes(size)
    }
}

impl From<u32> for Burst {
    fn from(bytes: u32) -> Self {
        Self::Bytes(Size(bytes))
    }
}

impl From<Duration> for Burst {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

const fn time_of(ticks: u32) -> Duration {
    Duration::from_nanos(ticks as u64 * NANOS_PER_TICK)
}

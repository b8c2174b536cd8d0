use std::time::Duration;

use super::{NANOS_PER_TICK, Rate, Size};

const TICKS_PER_SECOND: u64 = 1_000_000_000 / NANOS_PER_TICK;
/// The timer resolution `tc` reckons its default burst with, on a kernel with high-resolution timers.
const TIMERS_PER_SECOND: u64 = 1_000_000_000;
/// `tc` takes a packet to have this many bytes where nothing is said.
const DEFAULT_MTU: u32 = 1600;

/// How much may be sent at once, which the kernel keeps as the time that takes at the rate.
///
/// ```
/// use std::time::Duration;
/// use nl_tc::{Burst, Rate, Size};
///
/// let burst = Burst::Bytes(Size(15 * 1024));
/// assert_eq!(burst.time(Rate::mbit(1)), Some(Duration::from_micros(122_880)));
/// ```
///
/// The time is in ticks of 64 ns, rounded up, so that a burst is never smaller than asked; at most 2³²−1 of them, which is
/// 274.877 s. Older releases of `tc`, 6.1 among them, cut to microseconds and make bursts too small from 1 Gbit/s on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Burst {
    /// This many bytes.
    Bytes(Size),
    /// One packet of this many bytes, and what the rate sends in a nanosecond: `tc`'s default, with 1600.
    Mtu(u32),
    /// What is sent in this time: how it is read from the kernel.
    Time(Duration),
}

impl Burst {
    /// The time it takes at this rate, if the kernel can hold that.
    #[must_use]
    pub fn time(self, rate: Rate) -> Option<Duration> {
        self.ticks(rate).map(time_of)
    }

    /// The bytes sent at this rate, cut to whole ones.
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

    /// The time in ticks, rounded up, whether the kernel can hold that or not.
    fn all_ticks(self, rate: Rate) -> u128 {
        match self {
            Self::Time(time) => time.as_nanos().div_ceil(NANOS_PER_TICK.into()),
            // At most 2^35 bytes and 2^24 ticks a second.
            _ => (self.bytes(rate) * TICKS_PER_SECOND).div_ceil(rate.bytes_per_second().max(1)).into(),
        }
    }

    /// The time in ticks, where the kernel can hold that.
    pub(crate) fn ticks(self, rate: Rate) -> Option<u32> {
        let is_none = !matches!(self, Self::Time(_)) && (rate.is_zero() || self.bytes(rate) == 0);
        u32::try_from(self.all_ticks(rate)).ok().filter(|_| !is_none)
    }
}

#[cfg(any(feature = "htb", feature = "leaf"))]
impl Burst {
    /// Why the kernel cannot hold this as the field `name`.
    pub(crate) fn refusal(self, name: &str, rate: Rate) -> super::Refusal {
        let fits = match self {
            Self::Time(_) => self.ticks(rate).is_some(),
            // Without the division.
            _ => {
                let needed = u128::from(self.bytes(rate) * TICKS_PER_SECOND);
                needed != 0 && needed <= u128::from(rate.bytes_per_second()) * u128::from(u32::MAX)
            }
        };
        (!fits).then(|| self.too_much(name, rate))
    }

    #[cold]
    fn too_much(self, name: &str, rate: Rate) -> std::borrow::Cow<'static, str> {
        let seconds = self.all_ticks(rate) / u128::from(TICKS_PER_SECOND);
        match self {
            Self::Time(_) => format!("{name} of {seconds} s; 274.877 s are possible"),
            _ if self.bytes(rate) == 0 => format!("{name} of 0 bytes; 1 is the least"),
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

pub(super) const fn time_of(ticks: u32) -> Duration {
    Duration::from_nanos(ticks as u64 * NANOS_PER_TICK)
}

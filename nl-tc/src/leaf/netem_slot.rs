use std::fmt;
use std::time::Duration;

use nl_core::attr::{Attr, DecodeError};
use nl_core::check::{Invalid, within};

use super::netem_distribution::NetemDistribution;
use crate::units::{Time, word};

/// `sizeof(struct tc_netem_slot)`, `include/uapi/linux/pkt_sched.h`
const LEN: usize = 40;
/// The kernel's fields of 32 bits are signed.
const POSITIVE: u32 = i32::MAX.unsigned_abs();

/// Slots in which packets are sent together: at random times between a minimum and a maximum, or at times of a
/// [distribution](super::NetemConfig::slot_distribution).
///
/// ```
/// use std::time::Duration;
/// use nl_tc::leaf::{NetemConfig, NetemDistribution, NetemSlot};
///
/// let micros = Duration::from_micros;
/// // slot 800us 1000us packets 5
/// let between = NetemConfig::new().slot(NetemSlot::between(micros(800), micros(1000)).max_packets(5));
/// // slot distribution normal 800us 100us
/// let spread = NetemConfig::new()
///     .slot(NetemSlot::spread(micros(800), micros(100)))
///     .slot_distribution(NetemDistribution::normal());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NetemSlot {
    /// The minimum time between slots (`slot MIN`).
    pub min_delay: Duration,
    /// The maximum time between slots (`slot MIN MAX`).
    pub max_delay: Duration,
    /// The maximum number of packets per slot. 0 for no limit (`packets`).
    pub max_packets: u32,
    /// The maximum number of bytes per slot. 0 for no limit (`bytes`).
    pub max_bytes: u32,
    /// The time between slots of a distribution (`slot distribution NAME DELAY`).
    pub delay: Duration,
    /// The deviation from it, which the distribution spreads, up to 2.147483647 s (`slot distribution NAME DELAY JITTER`).
    pub jitter: Duration,
}

impl NetemSlot {
    /// Slots at random times between these (`slot MIN MAX`).
    #[must_use]
    pub const fn between(min_delay: Duration, max_delay: Duration) -> Self {
        let zero = Duration::ZERO;
        Self { min_delay, max_delay, max_packets: 0, max_bytes: 0, delay: zero, jitter: zero }
    }

    /// Slots at times of a distribution, which needs [`NetemConfig::slot_distribution`](super::NetemConfig::slot_distribution)
    /// (`slot distribution NAME DELAY JITTER`).
    #[must_use]
    pub const fn spread(delay: Duration, jitter: Duration) -> Self {
        Self { delay, jitter, ..Self::between(Duration::ZERO, Duration::ZERO) }
    }

    /// Sets the maximum number of packets per slot (`packets`).
    #[must_use]
    pub const fn max_packets(mut self, packets: u32) -> Self {
        self.max_packets = packets;
        self
    }

    /// Sets the maximum number of bytes per slot (`bytes`).
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u32) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// `None` if there is more than this type holds, such as a negative time.
    pub(super) fn decode(attr: Attr<'_>) -> Result<Option<Self>, DecodeError> {
        let mut f = attr.fields();
        let (min_delay, max_delay) = (of_nanos(f.i64()?), of_nanos(f.i64()?));
        let (max_packets, max_bytes) = (f.u32()?, f.u32()?);
        let (delay, jitter) = match attr.value().len() >= LEN {
            true => (of_nanos(f.i64()?), of_nanos(f.i64()?)),
            false => (Some(Duration::ZERO), Some(Duration::ZERO)),
        };
        let ends = f.rest().is_empty();
        Ok((|| {
            let slot = Self { max_packets, max_bytes, ..Self::between(min_delay?, max_delay?) };
            ends.then_some(Self { delay: delay?, jitter: jitter?, ..slot })
        })())
    }

    /// `struct tc_netem_slot`
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend([self.min_delay, self.max_delay].into_iter().flat_map(|time| nanos(time).to_ne_bytes()));
        bytes.extend([self.max_packets, self.max_bytes].into_iter().flat_map(u32::to_ne_bytes));
        bytes.extend([self.delay, self.jitter].into_iter().flat_map(|time| nanos(time).to_ne_bytes()));
        bytes
    }

    /// The distribution is the one that is sent with it.
    pub(super) fn check(self, distribution: Option<&NetemDistribution>) -> Result<(), Invalid> {
        for time in [self.min_delay, self.max_delay, self.delay] {
            check_nanos("slot", time)?;
        }
        check_jitter("slot jitter", self.jitter)?;
        let is_between = !(self.min_delay.is_zero() && self.max_delay.is_zero());
        match distribution {
            Some(_) => {
                Invalid::when(
                    self.jitter.is_zero(),
                    "a slot distribution needs a slot jitter, which it spreads",
                )?;
                Invalid::when(is_between, "a slot distribution beside min_delay or max_delay")?;
            }
            None => Invalid::when(
                self.is_spread(),
                "a slot delay and jitter need a slot distribution, which the kernel does not report",
            )?,
        }
        Invalid::when(self.min_delay > self.max_delay, "slot min_delay is above max_delay")?;
        within("slot packets", self.max_packets, 0, POSITIVE)?;
        within("slot bytes", self.max_bytes, 0, POSITIVE)
    }

    pub(super) fn write(
        self,
        distribution: Option<&NetemDistribution>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        if self.is_spread() {
            f.write_str(" slot distribution")?;
            // The kernel does not report which.
            if let Some(distribution) = distribution {
                write!(f, " {distribution}")?;
            }
            write!(f, " {} {}", Time(self.delay), Time(self.jitter))?;
        } else {
            write!(f, " slot {} {}", Time(self.min_delay), Time(self.max_delay))?;
        }
        for (name, most) in [("packets", self.max_packets), ("bytes", self.max_bytes)] {
            word(f, name, Some(most).filter(|most| *most != 0))?;
        }
        Ok(())
    }

    const fn is_spread(self) -> bool {
        !(self.delay.is_zero() && self.jitter.is_zero())
    }
}

/// A time that does not fit is refused by the check.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(0)
}

/// `None` for a negative time.
pub(super) fn of_nanos(nanos: i64) -> Option<Duration> {
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

pub(super) fn check_nanos(name: &str, time: Duration) -> Result<(), Invalid> {
    match i64::try_from(time.as_nanos()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("{name} {time:?}; {} ns are possible", i64::MAX).into()),
    }
}

/// The kernel lowers a longer one to this.
pub(super) fn check_jitter(name: &str, jitter: Duration) -> Result<(), Invalid> {
    let longest = Duration::from_nanos(POSITIVE.into());
    match jitter > longest {
        true => Err(format!("{name} {jitter:?}; {longest:?} are possible").into()),
        false => Ok(()),
    }
}

//! Statistics of classes and qdiscs, and rates from two readings.

mod sampler;
mod xstats;

use std::fmt;
use std::time::Duration;

use nl_core::attr::{Attr, Attrs, DecodeError};

use crate::Rate;
use crate::units::Refusal;

pub use sampler::{Rates, Sampler};
pub use xstats::*;

// `include/uapi/linux/gen_stats.h`
const TCA_STATS_BASIC: u16 = 1;
const TCA_STATS_RATE_EST: u16 = 2;
const TCA_STATS_QUEUE: u16 = 3;
const TCA_STATS_APP: u16 = 4;
const TCA_STATS_RATE_EST64: u16 = 5;
const TCA_STATS_PKT64: u16 = 8;

/// What a class or qdisc has counted, and what it holds.
///
/// The counters begin at 0 when it is made. Of a class, the queue is that of the qdisc on it.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Bytes sent; of a QFQ class bytes taken in, those it still [holds](Self::backlog) included.
    pub bytes: u64,
    /// Packets sent; of a QFQ class packets taken in, those it still [holds](Self::queue_len) included.
    pub packets: u64,
    /// Packets held now.
    pub queue_len: u32,
    /// Bytes held now.
    pub backlog: u32,
    /// Packets dropped; wraps at 2³².
    pub drops: u32,
    /// Packets taken back; wraps at 2³².
    pub requeues: u32,
    /// How often a limit was hit; wraps at 2³².
    pub overlimits: u32,
    /// The rate the kernel measured, where it has an [`Estimator`].
    pub measured: Option<Measured>,
    /// The kind's own counters (`TCA_STATS_APP`).
    pub app: Option<AppStats>,
}

/// What the kernel's rate estimator says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Measured {
    /// The rate.
    pub rate: Rate,
    /// Packets per second.
    pub packets: u64,
}

/// The attributes of a message that hold statistics.
#[derive(Clone, Copy, Default)]
pub(crate) struct StatsAttrs<'a> {
    /// `TCA_STATS2`.
    pub(crate) modern: Option<Attr<'a>>,
    /// `TCA_STATS`, which says the same but for requeues and for what 32 bits cannot hold.
    pub(crate) legacy: Option<Attr<'a>>,
    /// `TCA_XSTATS`: the kind's own, also a part of the modern ones.
    pub(crate) app: &'a [u8],
}

impl Stats {
    /// Reads the statistics of a message into new ones. Returns the kind's own as bytes.
    #[inline]
    pub(crate) fn read<'a>(&mut self, attrs: &StatsAttrs<'a>) -> Result<&'a [u8], DecodeError> {
        match (attrs.modern, attrs.legacy) {
            (Some(attr), _) => Ok(self.read_modern(attr.attrs())?.unwrap_or(attrs.app)),
            (None, Some(attr)) => self.read_legacy(attr).map(|()| attrs.app),
            (None, None) => Ok(attrs.app),
        }
    }

    #[inline]
    fn read_modern<'a>(&mut self, attrs: Attrs<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        let (mut app, mut packets) = (None, None);
        let (mut narrow, mut wide) = (None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                TCA_STATS_BASIC => {
                    let mut f = attr.fields();
                    (self.bytes, self.packets) = (f.u64()?, f.u32()?.into());
                }
                TCA_STATS_PKT64 => packets = Some(attr.u64()?),
                TCA_STATS_QUEUE => {
                    let mut f = attr.fields();
                    (self.queue_len, self.backlog) = (f.u32()?, f.u32()?);
                    (self.drops, self.requeues, self.overlimits) = (f.u32()?, f.u32()?, f.u32()?);
                }
                TCA_STATS_RATE_EST => {
                    let mut f = attr.fields();
                    narrow = Some(Measured { rate: Rate::bps(f.u32()?.into()), packets: f.u32()?.into() });
                }
                TCA_STATS_RATE_EST64 => {
                    let mut f = attr.fields();
                    wide = Some(Measured { rate: Rate::bps(f.u64()?), packets: f.u64()? });
                }
                TCA_STATS_APP => app = Some(attr.value()),
                _ => {}
            }
        }
        self.packets = packets.unwrap_or(self.packets);
        self.measured = wide.or(narrow);
        Ok(app)
    }

    /// `struct tc_stats`.
    fn read_legacy(&mut self, attr: Attr<'_>) -> Result<(), DecodeError> {
        let mut f = attr.fields();
        (self.bytes, self.packets) = (f.u64()?, f.u32()?.into());
        (self.drops, self.overlimits) = (f.u32()?, f.u32()?);
        let measured = Measured { rate: Rate::bps(f.u32()?.into()), packets: f.u32()?.into() };
        self.measured = (measured != Measured::default()).then_some(measured);
        (self.queue_len, self.backlog) = (f.u32()?, f.u32()?);
        Ok(())
    }
}

/// A rate estimator: the kernel measures a class's or qdisc's rate over a sliding time (`TCA_RATE`).
///
/// ```
/// use std::time::Duration;
/// use nl_tc::stats::Estimator;
///
/// // estimator 1sec 8sec
/// let estimator = Estimator::new(Duration::from_secs(1), Duration::from_secs(8));
/// assert_eq!((estimator.interval(), estimator.ewma_log()), (Some(Duration::from_secs(1)), Some(3)));
/// ```
///
/// The kernel does not tell which one is there, and keeps it until the class is deleted. What it measures is
/// [`Stats::measured`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Estimator {
    /// 2ⁿ seconds, from −2 to 3.
    code: Option<i8>,
    log: Option<u8>,
}

impl Estimator {
    /// Measures every `interval`, averaged over about `average`: `estimator INTERVAL AVERAGE` of `tc`.
    ///
    /// The interval is rounded up to 250 or 500 ms, 1, 2, 4 or 8 s. The average must be longer than it; it is cut to what
    /// the kernel has, which is about 1, 3, 7, 15 … times the interval. What does not fit is refused by the verb.
    #[must_use]
    pub fn new(interval: Duration, average: Duration) -> Self {
        let code = (-2..=3).find(|code| interval <= period(*code) && !interval.is_zero());
        let log = (1..=31_u8).find(|log| {
            let weight = 1.0 - 0.5_f64.powi((*log).into());
            interval.as_secs_f64() / -weight.ln() > average.as_secs_f64()
        });
        Self { code, log: log.map(|log| log - 1).filter(|log| (1..=30).contains(log)) }
    }

    /// The time from one measurement to the next.
    #[must_use]
    pub fn interval(self) -> Option<Duration> {
        self.code.map(period)
    }

    /// A measurement counts one in 2 to this power: 1 to 30.
    #[must_use]
    pub const fn ewma_log(self) -> Option<u8> {
        self.log
    }

    pub(crate) fn from_wire([code, log]: [u8; 2]) -> Self {
        let code = i8::from_ne_bytes([code]);
        Self { code: (-2..=3).contains(&code).then_some(code), log: (1..=30).contains(&log).then_some(log) }
    }

    pub(crate) fn wire(self) -> [u8; 2] {
        let [code] = self.code.unwrap_or(i8::MAX).to_ne_bytes();
        [code, self.log.unwrap_or(0)]
    }

    pub(crate) fn refusal(self) -> Refusal {
        match (self.code, self.log) {
            (None, _) => Some("estimator interval; over 0 and up to 8 s are possible".into()),
            (_, None) => Some(
                "estimator average; over 1.44 times and under 2³⁰ times the interval are possible".into(),
            ),
            _ => None,
        }
    }
}

impl fmt::Debug for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Estimator").field("interval", &self.interval()).field("ewma_log", &self.log).finish()
    }
}

fn period(code: i8) -> Duration {
    Duration::from_millis(250) * (1 << (code + 2).clamp(0, 5))
}

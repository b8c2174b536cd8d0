use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, opt_within};
use nl_core::error::Names;

use super::codel_time::{MICROSECOND, of_reported, stored};
use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Time, micros, word};

/// Controlled delay, in one queue (`tc qdisc … codel`).
///
/// ```
/// use std::time::Duration;
/// use nl_tc::leaf::CodelConfig;
///
/// // tc qdisc add … codel limit 500 target 10ms ecn
/// let qdisc = CodelConfig::new().limit(500).target(Duration::from_millis(10)).ecn(true);
/// assert_eq!(nl_tc::qdisc::QdiscConfig::from(qdisc).to_string(), "codel limit 500 target 10ms ecn");
/// ```
///
/// Unset options use the kernel's defaults in a new qdisc, and stay unchanged in a change. Times are rounded as in
/// [`FqCodelConfig`](super::FqCodelConfig). Needs the module `sch_codel`. [`CodelStats`](crate::stats::CodelStats) are its counters.
/// Header: `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CodelConfig {
    /// The number of packets queued, at least 1 (`limit`).
    pub limit: Option<u32>,
    /// The acceptable standing delay, in whole microseconds, at least 1 (`target`).
    pub target: Option<Duration>,
    /// The time over which the minimum delay is measured, in whole microseconds, at least 1 (`interval`).
    pub interval: Option<Duration>,
    /// Whether packets are marked instead of dropped (`ecn`, `noecn`).
    pub ecn: Option<bool>,
    /// The delay above which all packets are marked, in whole microseconds (`ce_threshold`).
    pub ce_threshold: Option<Duration>,
}

impl CodelConfig {
    /// A qdisc with the kernel's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the number of packets queued, at least 1 (`limit`).
        limit: u32 => Some;
        /// Sets the acceptable standing delay (`target`).
        target: Duration => Some;
        /// Sets the time over which the minimum delay is measured (`interval`).
        interval: Duration => Some;
        /// Sets whether packets are marked instead of dropped (`ecn`, `noecn`).
        ecn: bool => Some;
        /// Sets the delay above which all packets are marked (`ce_threshold`).
        ce_threshold: Duration => Some;
    }

    fn times(&self) -> [(u16, &'static str, Option<Duration>); 3] {
        [
            (TCA_CODEL_TARGET, "target", self.target),
            (TCA_CODEL_INTERVAL, "interval", self.interval),
            (TCA_CODEL_CE_THRESHOLD, "ce_threshold", self.ce_threshold),
        ]
    }
}

impl Config for CodelConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut c = Self::new();
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_CODEL_TARGET => c.target = Some(of_reported(attr.u32()?).max(MICROSECOND)),
                TCA_CODEL_LIMIT => c.limit = Some(attr.u32()?),
                TCA_CODEL_INTERVAL => c.interval = Some(of_reported(attr.u32()?).max(MICROSECOND)),
                TCA_CODEL_ECN => c.ecn = Some(attr.u32()? != 0),
                TCA_CODEL_CE_THRESHOLD => c.ce_threshold = Some(of_reported(attr.u32()?)),
                _ => return Ok(None),
            }
        }
        Ok(Some(c))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        options.opt(TCA_CODEL_LIMIT, self.limit, AttrWriter::u32);
        options.opt(TCA_CODEL_ECN, self.ecn.map(u32::from), AttrWriter::u32);
        for (kind, name, time) in self.times() {
            options.opt(kind, time.and_then(|time| micros(name, time).ok()), AttrWriter::u32);
        }
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        // With 0 packets or no time, every packet is dropped.
        opt_within("limit", self.limit, 1, u32::MAX)?;
        for (name, time) in [("target", self.target), ("interval", self.interval)] {
            if time == Some(Duration::ZERO) {
                return Err(format!("{name} 0; 1us is the minimum").into());
            }
        }
        self.times()
            .into_iter()
            .try_for_each(|(_, name, time)| time.map_or(Ok(()), |time| micros(name, time).map(drop)))
    }

    fn as_read_back(&self, current: &Self) -> Self {
        let time = |desired: Option<Duration>, current| desired.map(stored).or(current);
        Self {
            limit: self.limit.or(current.limit),
            target: time(self.target, current.target).map(|time| time.max(MICROSECOND)),
            interval: time(self.interval, current.interval).map(|time| time.max(MICROSECOND)),
            ecn: self.ecn.or(current.ecn),
            ce_threshold: time(self.ce_threshold, current.ce_threshold),
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "limit", self.limit)?;
        self.times().into_iter().try_for_each(|(_, name, time)| word(f, name, time.map(Time)))?;
        match self.ecn {
            Some(true) => f.write_str(" ecn"),
            Some(false) => f.write_str(" noecn"),
            None => Ok(()),
        }
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_CODEL_TARGET = 1,
    TCA_CODEL_LIMIT = 2,
    TCA_CODEL_INTERVAL = 3,
    TCA_CODEL_ECN = 4,
    TCA_CODEL_CE_THRESHOLD = 5,
}

use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, opt_within};
use nl_core::error::Names;

use super::pie_shared;
use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Time, micros, word};

/// The limit of `tc` for `alpha` and `beta`.
const GAIN_MAX: u32 = 32;

/// Proportional integral controller enhanced, in one queue (`tc qdisc … pie`, RFC 8033).
///
/// ```
/// use std::time::Duration;
/// use nl_tc::leaf::PieConfig;
///
/// // tc qdisc add … pie limit 500 target 20ms ecn
/// let qdisc = PieConfig::new().limit(500).target(Duration::from_millis(20)).ecn(true);
/// assert_eq!(nl_tc::qdisc::QdiscConfig::from(qdisc).to_string(), "pie limit 500 target 20ms ecn");
/// ```
///
/// Unset options use the kernel's defaults in a new qdisc, and stay unchanged in a change. The kernel stores the target in ticks of
/// 64 ns and reports it rounded down to microseconds; decoding returns the shortest time that the kernel reports as the received
/// value. It rounds [`tupdate`](Self::tupdate) up to a timer tick. Needs the module `sch_pie`. [`PieStats`](crate::stats::PieStats) are
/// its counters. Header: `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PieConfig {
    /// The number of packets queued, at least 1 (`limit`).
    pub limit: Option<u32>,
    /// The acceptable delay, in whole microseconds up to 4.294967 s (`target`).
    pub target: Option<Duration>,
    /// How often the probability of a drop is computed, in whole microseconds, at least 1 (`tupdate`).
    pub tupdate: Option<Duration>,
    /// The weight of the delay in the probability, 0 to 32 (`alpha`).
    pub alpha: Option<u32>,
    /// The weight of the change of the delay in the probability, 0 to 32 (`beta`).
    pub beta: Option<u32>,
    /// Whether packets are marked instead of dropped (`ecn`, `noecn`).
    pub ecn: Option<bool>,
    /// Whether the probability grows with the size of a packet (`bytemode`, `nobytemode`).
    pub bytemode: Option<bool>,
    /// Whether the delay is computed from the rate at which packets leave, instead of measured (`dq_rate_estimator`,
    /// `no_dq_rate_estimator`).
    pub dq_rate_estimator: Option<bool>,
}

impl PieConfig {
    /// A qdisc with the kernel's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the number of packets queued, at least 1 (`limit`).
        limit: u32 => Some;
        /// Sets the acceptable delay (`target`).
        target: Duration => Some;
        /// Sets how often the probability of a drop is computed (`tupdate`).
        tupdate: Duration => Some;
        /// Sets the weight of the delay in the probability, 0 to 32 (`alpha`).
        alpha: u32 => Some;
        /// Sets the weight of the change of the delay in the probability, 0 to 32 (`beta`).
        beta: u32 => Some;
        /// Sets whether packets are marked instead of dropped (`ecn`, `noecn`).
        ecn: bool => Some;
        /// Sets whether the probability grows with the size of a packet (`bytemode`, `nobytemode`).
        bytemode: bool => Some;
        /// Sets whether the delay is computed from the rate at which packets leave (`dq_rate_estimator`, `no_dq_rate_estimator`).
        dq_rate_estimator: bool => Some;
    }
}

impl Config for PieConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut c = Self::new();
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_PIE_TARGET => c.target = Some(pie_shared::of_reported(attr.u32()?)),
                TCA_PIE_LIMIT => c.limit = Some(attr.u32()?),
                TCA_PIE_TUPDATE => c.tupdate = Some(Duration::from_micros(attr.u32()?.into())),
                TCA_PIE_ALPHA => c.alpha = Some(attr.u32()?),
                TCA_PIE_BETA => c.beta = Some(attr.u32()?),
                TCA_PIE_ECN => c.ecn = Some(attr.u32()? != 0),
                TCA_PIE_BYTEMODE => c.bytemode = Some(attr.u32()? != 0),
                TCA_PIE_DQ_RATE_ESTIMATOR => c.dq_rate_estimator = Some(attr.u32()? != 0),
                _ => return Ok(None),
            }
        }
        Ok(Some(c))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let time = |name, time: Option<Duration>| time.and_then(|time| micros(name, time).ok());
        let mut options = w.nested(TCA_OPTIONS);
        for (kind, value) in [
            (TCA_PIE_LIMIT, self.limit),
            (TCA_PIE_TUPDATE, time("tupdate", self.tupdate)),
            (TCA_PIE_TARGET, time("target", self.target)),
            (TCA_PIE_ALPHA, self.alpha),
            (TCA_PIE_BETA, self.beta),
            (TCA_PIE_ECN, self.ecn.map(u32::from)),
            (TCA_PIE_BYTEMODE, self.bytemode.map(u32::from)),
            (TCA_PIE_DQ_RATE_ESTIMATOR, self.dq_rate_estimator.map(u32::from)),
        ] {
            options.opt(kind, value, AttrWriter::u32);
        }
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        opt_within("limit", self.limit, 1, u32::MAX)?;
        opt_within("alpha", self.alpha, 0, GAIN_MAX)?;
        opt_within("beta", self.beta, 0, GAIN_MAX)?;
        pie_shared::check(self.target, self.tupdate)
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self {
            limit: self.limit.or(current.limit),
            target: self.target.map(pie_shared::stored).or(current.target),
            tupdate: pie_shared::update(self.tupdate, current.tupdate),
            alpha: self.alpha.or(current.alpha),
            beta: self.beta.or(current.beta),
            ecn: self.ecn.or(current.ecn),
            bytemode: self.bytemode.or(current.bytemode),
            dq_rate_estimator: self.dq_rate_estimator.or(current.dq_rate_estimator),
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "limit", self.limit)?;
        word(f, "target", self.target.map(Time))?;
        word(f, "tupdate", self.tupdate.map(Time))?;
        word(f, "alpha", self.alpha)?;
        word(f, "beta", self.beta)?;
        pie_shared::write_flags(f, self.ecn, self.bytemode, self.dq_rate_estimator)
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_PIE_TARGET = 1,
    TCA_PIE_LIMIT = 2,
    TCA_PIE_TUPDATE = 3,
    TCA_PIE_ALPHA = 4,
    TCA_PIE_BETA = 5,
    TCA_PIE_ECN = 6,
    TCA_PIE_BYTEMODE = 7,
    TCA_PIE_DQ_RATE_ESTIMATOR = 8,
}

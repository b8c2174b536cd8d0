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
use crate::units::{Size, Time, micros, word};

/// The limit of `tc` for `alpha` and `beta`.
const GAIN_MAX: u32 = 32;
const FLOWS_MAX: u32 = 65_536;
const PERCENT: u32 = 100;

/// Fair queueing with PIE (`tc qdisc … fq_pie`).
///
/// Unset options use the kernel's defaults in a new qdisc, and stay unchanged in a change. Times are rounded as in
/// [`PieConfig`](super::PieConfig). Needs the module `sch_fq_pie`. [`FqPieStats`](crate::stats::FqPieStats) are its counters. Header:
/// `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FqPieConfig {
    /// The number of packets queued, at least 1 (`limit`).
    pub limit: Option<u32>,
    /// The number of flows, 1 to 65536. Cannot be changed (`flows`).
    pub flows: Option<u32>,
    /// The acceptable delay, in whole microseconds up to 4.294967 s (`target`).
    pub target: Option<Duration>,
    /// How often the probability of a drop is computed, in whole microseconds, at least 1 (`tupdate`).
    pub tupdate: Option<Duration>,
    /// The weight of the delay in the probability, 0 to 32 (`alpha`).
    pub alpha: Option<u32>,
    /// The weight of the change of the delay in the probability, 0 to 32 (`beta`).
    pub beta: Option<u32>,
    /// The number of bytes that a flow sends per round, 1 to 2³¹−1 (`quantum`).
    pub quantum: Option<u32>,
    /// The number of bytes of memory used (`memory_limit`).
    pub memory_limit: Option<u32>,
    /// The probability in percent up to which packets are marked and above which they are dropped (`ecn_prob`).
    pub ecn_prob: Option<u32>,
    /// Whether packets are marked instead of dropped (`ecn`, `noecn`).
    pub ecn: Option<bool>,
    /// Whether the probability grows with the size of a packet (`bytemode`, `nobytemode`).
    pub bytemode: Option<bool>,
    /// Whether the delay is computed from the rate at which packets leave, instead of measured (`dq_rate_estimator`,
    /// `no_dq_rate_estimator`).
    pub dq_rate_estimator: Option<bool>,
}

impl FqPieConfig {
    /// A qdisc with the kernel's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the number of packets queued, at least 1 (`limit`).
        limit: u32 => Some;
        /// Sets the number of flows, 1 to 65536 (`flows`).
        flows: u32 => Some;
        /// Sets the acceptable delay (`target`).
        target: Duration => Some;
        /// Sets how often the probability of a drop is computed (`tupdate`).
        tupdate: Duration => Some;
        /// Sets the weight of the delay in the probability, 0 to 32 (`alpha`).
        alpha: u32 => Some;
        /// Sets the weight of the change of the delay in the probability, 0 to 32 (`beta`).
        beta: u32 => Some;
        /// Sets the number of bytes that a flow sends per round (`quantum`).
        quantum: impl Into<Size> => Size::some;
        /// Sets the number of bytes of memory used (`memory_limit`).
        memory_limit: impl Into<Size> => Size::some;
        /// Sets the probability in percent up to which packets are marked (`ecn_prob`).
        ecn_prob: u32 => Some;
        /// Sets whether packets are marked instead of dropped (`ecn`, `noecn`).
        ecn: bool => Some;
        /// Sets whether the probability grows with the size of a packet (`bytemode`, `nobytemode`).
        bytemode: bool => Some;
        /// Sets whether the delay is computed from the rate at which packets leave (`dq_rate_estimator`, `no_dq_rate_estimator`).
        dq_rate_estimator: bool => Some;
    }
}

impl Config for FqPieConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut c = Self::new();
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_FQ_PIE_LIMIT => c.limit = Some(attr.u32()?),
                TCA_FQ_PIE_FLOWS => c.flows = Some(attr.u32()?),
                TCA_FQ_PIE_TARGET => c.target = Some(pie_shared::of_reported(attr.u32()?)),
                TCA_FQ_PIE_TUPDATE => c.tupdate = Some(Duration::from_micros(attr.u32()?.into())),
                TCA_FQ_PIE_ALPHA => c.alpha = Some(attr.u32()?),
                TCA_FQ_PIE_BETA => c.beta = Some(attr.u32()?),
                TCA_FQ_PIE_QUANTUM => c.quantum = Some(attr.u32()?),
                TCA_FQ_PIE_MEMORY_LIMIT => c.memory_limit = Some(attr.u32()?),
                TCA_FQ_PIE_ECN_PROB => c.ecn_prob = Some(attr.u32()?),
                TCA_FQ_PIE_ECN => c.ecn = Some(attr.u32()? != 0),
                TCA_FQ_PIE_BYTEMODE => c.bytemode = Some(attr.u32()? != 0),
                TCA_FQ_PIE_DQ_RATE_ESTIMATOR => c.dq_rate_estimator = Some(attr.u32()? != 0),
                _ => return Ok(None),
            }
        }
        Ok(Some(c))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let time = |name, time: Option<Duration>| time.and_then(|time| micros(name, time).ok());
        let mut options = w.nested(TCA_OPTIONS);
        for (kind, value) in [
            (TCA_FQ_PIE_LIMIT, self.limit),
            (TCA_FQ_PIE_FLOWS, self.flows),
            (TCA_FQ_PIE_TARGET, time("target", self.target)),
            (TCA_FQ_PIE_TUPDATE, time("tupdate", self.tupdate)),
            (TCA_FQ_PIE_ALPHA, self.alpha),
            (TCA_FQ_PIE_BETA, self.beta),
            (TCA_FQ_PIE_QUANTUM, self.quantum),
            (TCA_FQ_PIE_MEMORY_LIMIT, self.memory_limit),
            (TCA_FQ_PIE_ECN_PROB, self.ecn_prob),
            (TCA_FQ_PIE_ECN, self.ecn.map(u32::from)),
            (TCA_FQ_PIE_BYTEMODE, self.bytemode.map(u32::from)),
            (TCA_FQ_PIE_DQ_RATE_ESTIMATOR, self.dq_rate_estimator.map(u32::from)),
        ] {
            options.opt(kind, value, AttrWriter::u32);
        }
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        let changed = verb == TcVerb::Change && self.flows.is_some();
        Invalid::when(
            changed,
            "flows cannot be changed: leave them unset, or replace the qdisc under another handle",
        )?;
        opt_within("limit", self.limit, 1, u32::MAX)?;
        opt_within("flows", self.flows, 1, FLOWS_MAX)?;
        opt_within("alpha", self.alpha, 0, GAIN_MAX)?;
        opt_within("beta", self.beta, 0, GAIN_MAX)?;
        opt_within("quantum", self.quantum, 1, i32::MAX.unsigned_abs())?;
        opt_within("ecn_prob", self.ecn_prob, 0, PERCENT)?;
        pie_shared::check(self.target, self.tupdate)
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self {
            limit: self.limit.or(current.limit),
            flows: self.flows.or(current.flows),
            target: self.target.map(pie_shared::stored).or(current.target),
            tupdate: pie_shared::update(self.tupdate, current.tupdate),
            alpha: self.alpha.or(current.alpha),
            beta: self.beta.or(current.beta),
            quantum: self.quantum.or(current.quantum),
            memory_limit: self.memory_limit.or(current.memory_limit),
            ecn_prob: self.ecn_prob.or(current.ecn_prob),
            ecn: self.ecn.or(current.ecn),
            bytemode: self.bytemode.or(current.bytemode),
            dq_rate_estimator: self.dq_rate_estimator.or(current.dq_rate_estimator),
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "limit", self.limit)?;
        word(f, "flows", self.flows)?;
        word(f, "target", self.target.map(Time))?;
        word(f, "tupdate", self.tupdate.map(Time))?;
        word(f, "alpha", self.alpha)?;
        word(f, "beta", self.beta)?;
        word(f, "quantum", self.quantum)?;
        word(f, "memory_limit", self.memory_limit)?;
        word(f, "ecn_prob", self.ecn_prob)?;
        pie_shared::write_flags(f, self.ecn, self.bytemode, self.dq_rate_estimator)
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_FQ_PIE_LIMIT = 1,
    TCA_FQ_PIE_FLOWS = 2,
    TCA_FQ_PIE_TARGET = 3,
    TCA_FQ_PIE_TUPDATE = 4,
    TCA_FQ_PIE_ALPHA = 5,
    TCA_FQ_PIE_BETA = 6,
    TCA_FQ_PIE_QUANTUM = 7,
    TCA_FQ_PIE_MEMORY_LIMIT = 8,
    TCA_FQ_PIE_ECN_PROB = 9,
    TCA_FQ_PIE_ECN = 10,
    TCA_FQ_PIE_BYTEMODE = 11,
    TCA_FQ_PIE_DQ_RATE_ESTIMATOR = 12,
}

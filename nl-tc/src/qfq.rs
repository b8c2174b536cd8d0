//! QFQ, quick fair queueing: classes share the link by weight, with a bound on how long a packet waits.
//!
//! ```
//! use nl_tc::qfq::QfqClassConfig;
//!
//! // tc class add … qfq weight 10 maxpkt 2048
//! let class = QfqClassConfig::new(10).lmax(2048);
//! ```
//!
//! All classes are children of the qdisc. A packet that belongs to no class is dropped: there is no default class. The weights
//! of all classes may add up to 65536; the kernel answers `EINVAL` beyond.

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::error::Names;

use crate::TcVerb;
use crate::kind::{Config, no_options, within};
use crate::message::TCA_OPTIONS;
use crate::units::{Refusal, Size};

// `include/uapi/linux/pkt_sched.h`
const WEIGHT_MAX: u32 = 1024;
const LMAX_MIN: u32 = 512;
const LMAX_MAX: u32 = 65_536;

attr_names! { OPTIONS {
    TCA_QFQ_WEIGHT = 1,
    TCA_QFQ_LMAX = 2,
} }

static NAMES: Names = crate::message::tca![OPTIONS];

/// A QFQ qdisc, which has no options (`tc qdisc … qfq`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QfqConfig {}

impl QfqConfig {
    /// The only one there is.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

no_options!(QfqConfig NAMES);

/// A QFQ class (`tc class … qfq`).
///
/// A change says everything anew: without [`lmax`](Self::lmax) that becomes a packet of the device again. A change that
/// changes neither weight nor `lmax` is no change to the kernel, and an estimator with it is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QfqClassConfig {
    /// The share, 1 to 1024 (`weight`).
    pub weight: u32,
    /// The longest packet in bytes, 512 to 65536; without one, a packet of the device (`maxpkt`).
    pub lmax: Option<u32>,
}

impl QfqClassConfig {
    /// A class with this weight, 1 to 1024.
    #[must_use]
    pub const fn new(weight: u32) -> Self {
        Self { weight, lmax: None }
    }

    /// With packets up to this many bytes, 512 to 65536 (`maxpkt`).
    #[must_use]
    pub fn lmax(mut self, lmax: impl Into<Size>) -> Self {
        self.lmax = Some(lmax.into().0);
        self
    }
}

impl Config for QfqClassConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let mut config = Self::new(1);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_QFQ_WEIGHT => config.weight = attr.u32()?,
                TCA_QFQ_LMAX => config.lmax = Some(attr.u32()?),
                _ => {}
            }
        }
        Ok(config)
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        options.u32(TCA_QFQ_WEIGHT, self.weight);
        if let Some(lmax) = self.lmax {
            options.u32(TCA_QFQ_LMAX, lmax);
        }
    }

    fn refusal(&self, _verb: TcVerb) -> Refusal {
        within("weight", self.weight, 1, WEIGHT_MAX)
            .or_else(|| within("lmax", self.lmax?, LMAX_MIN, LMAX_MAX))
    }

    fn kept(&self, current: &Self) -> Self {
        Self { weight: self.weight, lmax: self.lmax.or(current.lmax) }
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " weight {}", self.weight)?;
        self.lmax.map_or(Ok(()), |lmax| write!(f, " maxpkt {lmax}"))
    }
}

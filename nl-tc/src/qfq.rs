//! QFQ, quick fair queueing: classes share the link by weight, and the delay of a packet is bounded.
//!
//! ```
//! use nl_tc::qfq::QfqClassConfig;
//!
//! // tc class add … qfq weight 10 maxpkt 2048
//! let class = QfqClassConfig::new(10).maxpkt(2048);
//! ```
//!
//! All classes are children of the qdisc. A packet that matches no class is dropped, because there is no default class. The sum
//! of all weights can be at most 65536; the kernel refuses more with `EINVAL`.

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, opt_within, within};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Size, word};

const WEIGHT_MAX: u32 = 1024;
const MAXPKT_MIN: u32 = 512;
const MAXPKT_MAX: u32 = 65_536;

/// A QFQ qdisc, which has no options (`tc qdisc … qfq`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QfqConfig {}

impl QfqConfig {
    /// A QFQ qdisc.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

impl Config for QfqConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(options.is_empty().then_some(Self {}))
    }
}

/// A QFQ class (`tc class … qfq`).
///
/// A change replaces the whole configuration: an unset [`maxpkt`](Self::maxpkt) becomes the packet size of the device again. If
/// neither weight nor `maxpkt` differ, the kernel does nothing, and also ignores an estimator in the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QfqClassConfig {
    /// The weight, 1 to 1024 (`weight`).
    pub weight: u32,
    /// The maximum packet size in bytes, 512 to 65536. Unset: the packet size of the device (`maxpkt`).
    pub maxpkt: Option<u32>,
}

impl QfqClassConfig {
    /// A class with this weight, 1 to 1024.
    #[must_use]
    pub const fn new(weight: u32) -> Self {
        Self { weight, maxpkt: None }
    }

    setters! {
        /// Sets the maximum packet size in bytes, 512 to 65536 (`maxpkt`).
        maxpkt: impl Into<Size> => Size::some;
    }
}

impl Config for QfqClassConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut config = Self::new(1);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_QFQ_WEIGHT => config.weight = attr.u32()?,
                TCA_QFQ_LMAX => config.maxpkt = Some(attr.u32()?),
                _ => return Ok(None),
            }
        }
        Ok(Some(config))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        options.u32(TCA_QFQ_WEIGHT, self.weight).opt(TCA_QFQ_LMAX, self.maxpkt, AttrWriter::u32);
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        within("weight", self.weight, 1, WEIGHT_MAX)?;
        opt_within("maxpkt", self.maxpkt, MAXPKT_MIN, MAXPKT_MAX)
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self { weight: self.weight, maxpkt: self.maxpkt.or(current.maxpkt) }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "weight", Some(self.weight))?;
        word(f, "maxpkt", self.maxpkt)
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_QFQ_WEIGHT = 1,
    TCA_QFQ_LMAX = 2,
}

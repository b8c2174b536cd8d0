//! DRR, deficit round robin: each class in turn sends its quantum.
//!
//! ```
//! use nl_tc::drr::DrrClassConfig;
//!
//! // tc class add … drr quantum 3000
//! let class = DrrClassConfig::new().quantum(3000);
//! ```
//!
//! All classes are children of the qdisc. A packet that matches no class is dropped, because there is no default class.

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, opt_within};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Size, word};

/// The kernel clamps a quantum to these limits.
const QUANTUM_MIN: u32 = 256;
const QUANTUM_MAX: u32 = 1 << 20;

/// A DRR qdisc, which has no options (`tc qdisc … drr`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DrrConfig {}

impl DrrConfig {
    /// A DRR qdisc.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

impl Config for DrrConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(options.is_empty().then_some(Self {}))
    }
}

/// A DRR class (`tc class … drr`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DrrClassConfig {
    /// The number of bytes sent per round, 256 to 1048576. Unset: the MTU of the device in a new class, and no change in an
    /// existing class (`quantum`).
    pub quantum: Option<u32>,
}

impl DrrClassConfig {
    /// A class that sends one packet of the device per round.
    #[must_use]
    pub const fn new() -> Self {
        Self { quantum: None }
    }

    setters! {
        /// Sets the number of bytes sent per round, 256 to 1048576 (`quantum`).
        quantum: impl Into<Size> => Size::some;
    }
}

impl Config for DrrClassConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut quantum = None;
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_DRR_QUANTUM => quantum = Some(attr.u32()?),
                _ => return Ok(None),
            }
        }
        Ok(Some(Self { quantum }))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        // The kernel needs the nest even if it is empty.
        w.nested(TCA_OPTIONS).opt(TCA_DRR_QUANTUM, self.quantum, AttrWriter::u32);
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        opt_within("quantum", self.quantum, QUANTUM_MIN, QUANTUM_MAX)
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self { quantum: self.quantum.or(current.quantum) }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "quantum", self.quantum)
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_DRR_QUANTUM = 1,
}

//! DRR, deficit round robin: every class in turn sends its quantum.
//!
//! ```
//! use nl_tc::drr::DrrClassConfig;
//!
//! // tc class add … drr quantum 3000
//! let class = DrrClassConfig::new().quantum(3000);
//! ```
//!
//! All classes are children of the qdisc. A packet that belongs to no class is dropped: there is no default class.

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::error::Names;

use crate::TcVerb;
use crate::kind::{Config, no_options, within};
use crate::message::TCA_OPTIONS;
use crate::units::{Refusal, Size};

// `include/uapi/linux/pkt_sched.h`
/// The kernel moves a quantum outside of these to them.
pub(crate) const QUANTUM_MIN: u32 = 256;
pub(crate) const QUANTUM_MAX: u32 = 1 << 20;

attr_names! { OPTIONS {
    TCA_DRR_QUANTUM = 1,
} }

static NAMES: Names = crate::message::tca![OPTIONS];

/// A DRR qdisc, which has no options (`tc qdisc … drr`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DrrConfig {}

impl DrrConfig {
    /// The only one there is.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

no_options!(DrrConfig NAMES);

/// A DRR class (`tc class … drr`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DrrClassConfig {
    /// How many bytes the class sends in its turn, 256 to 1048576. Without one, a packet of the device when the class is
    /// made, and what it was when it is changed (`quantum`).
    pub quantum: Option<u32>,
}

impl DrrClassConfig {
    /// One packet of the device in a turn.
    #[must_use]
    pub const fn new() -> Self {
        Self { quantum: None }
    }

    /// Sends this many bytes in a turn, 256 to 1048576 (`quantum`).
    #[must_use]
    pub fn quantum(mut self, quantum: impl Into<Size>) -> Self {
        self.quantum = Some(quantum.into().0);
        self
    }
}

impl Config for DrrClassConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let quantum = Attrs::new(options).find(TCA_DRR_QUANTUM)?.map(|attr| attr.u32()).transpose()?;
        Ok(Self { quantum })
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        // Needed even when empty.
        let mut options = w.nested(TCA_OPTIONS);
        if let Some(quantum) = self.quantum {
            options.u32(TCA_DRR_QUANTUM, quantum);
        }
    }

    fn refusal(&self, _verb: TcVerb) -> Refusal {
        within("quantum", self.quantum?, QUANTUM_MIN, QUANTUM_MAX)
    }

    fn kept(&self, current: &Self) -> Self {
        Self { quantum: self.quantum.or(current.quantum) }
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.quantum.map_or(Ok(()), |quantum| write!(f, " quantum {quantum}"))
    }
}

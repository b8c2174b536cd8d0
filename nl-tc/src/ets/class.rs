use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, opt_within};
use nl_core::error::Names;

use super::qdisc::{QUANTUM_MAX, QUANTUM_MIN};
use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::units::{Size, word};

/// A band of an ETS qdisc (`tc class change … ets`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EtsClassConfig {
    /// The number of bytes sent per round, 256 to 1048576. Unset: nothing is changed. A strict band has no quantum (`quantum`).
    pub quantum: Option<u32>,
}

impl EtsClassConfig {
    /// A band that sends this many bytes per round, 256 to 1048576 (`quantum`).
    #[must_use]
    pub fn new(quantum: impl Into<Size>) -> Self {
        Self { quantum: Some(quantum.into().0) }
    }
}

impl Config for EtsClassConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut quantum = None;
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_ETS_QUANTA_BAND => quantum = Some(attr.u32()?),
                _ => return Ok(None),
            }
        }
        Ok(Some(Self { quantum }))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        w.nested(TCA_OPTIONS).opt(TCA_ETS_QUANTA_BAND, self.quantum, AttrWriter::u32);
    }

    /// The kernel takes a request without a quantum, also for a strict band, and changes nothing.
    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        Invalid::when(verb == TcVerb::Add, "the classes of an ets qdisc are its bands: change() them")?;
        opt_within("quantum", self.quantum, QUANTUM_MIN, QUANTUM_MAX)
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self { quantum: self.quantum.or(current.quantum) }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "quantum", self.quantum)
    }
}

// `include/uapi/linux/pkt_sched.h`. In a qdisc it is in the nest `TCA_ETS_QUANTA`.
kind_names! {
    TCA_ETS_QUANTA_BAND = 4,
}

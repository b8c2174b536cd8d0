use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError, Fields};
use nl_core::check::{Invalid, within};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::{NAMES, TCA_OPTIONS};
use crate::units::word;

const BANDS_MIN: u32 = 2;
/// `TCQ_PRIO_BANDS`, `include/uapi/linux/pkt_sched.h`
const BANDS_MAX: u32 = 16;
/// `TC_PRIO_MAX` + 1
const PRIORITIES: usize = 16;
/// The default of `tc`.
const PRIOMAP: [u8; PRIORITIES] = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];

/// Bands of which the first with a packet sends (`tc qdisc … prio`).
///
/// The bands are the classes `X:1` to `X:n`, which exist from the beginning. Each can have a qdisc. Needs the module `sch_prio`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PrioConfig {
    /// The number of bands, 2 to 16 (`bands`).
    pub bands: u32,
    /// The band of each of the 16 priorities (`priomap`).
    pub priomap: [u8; PRIORITIES],
}

/// A qdisc for each queue of a device: the classes `X:1` to `X:n` (`tc qdisc … mq`). It has no options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Mq;

impl PrioConfig {
    /// Three bands, with the priorities of `tc`.
    #[must_use]
    pub const fn new() -> Self {
        Self { bands: 3, priomap: PRIOMAP }
    }

    /// Sets the number of bands, 2 to 16 (`bands`).
    #[must_use]
    pub const fn bands(mut self, bands: u32) -> Self {
        self.bands = bands;
        self
    }

    /// Sets the band of each of the 16 priorities (`priomap`).
    #[must_use]
    pub const fn priomap(mut self, priomap: [u8; PRIORITIES]) -> Self {
        self.priomap = priomap;
        self
    }
}

impl Default for PrioConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Config for PrioConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut f = Fields::of_attr(TCA_OPTIONS, options);
        let config = Self { bands: f.u32()?, priomap: f.array()? };
        Ok(f.rest().is_empty().then_some(config))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        // `struct tc_prio_qopt`
        let mut bytes = self.bands.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&self.priomap);
        w.bytes(TCA_OPTIONS, &bytes);
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        within("bands", self.bands, BANDS_MIN, BANDS_MAX)?;
        self.priomap.iter().try_for_each(|band| within("priomap band", (*band).into(), 0, self.bands - 1))
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "bands", Some(self.bands))?;
        f.write_str(" priomap")?;
        self.priomap.iter().try_for_each(|band| write!(f, " {band}"))
    }
}

impl Config for Mq {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(options.is_empty().then_some(Self))
    }
}

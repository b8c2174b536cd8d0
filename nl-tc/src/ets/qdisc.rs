use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, within};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::units::word;

const BANDS_MAX: u8 = 16;
/// `TC_PRIO_MAX` + 1, `include/uapi/linux/pkt_sched.h`
const PRIORITIES: usize = 16;
/// The kernel clamps a quantum to these limits.
pub(super) const QUANTUM_MIN: u32 = 256;
pub(super) const QUANTUM_MAX: u32 = 1 << 20;

/// An ETS qdisc (`tc qdisc … ets`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EtsConfig {
    /// The number of bands, 1 to 16 (`bands`).
    pub bands: u8,
    /// The number of strict bands, which are the first ones (`strict`).
    pub strict: u8,
    /// The bytes per round of the bands that are not strict, in order, 256 to 1048576 each. A band without a value sends one
    /// packet of the device (`quanta`).
    pub quanta: Vec<u32>,
    /// The band of each priority, up to 16. A priority without a value uses the last band (`priomap`).
    pub priomap: Vec<u8>,
}

impl EtsConfig {
    /// A qdisc with this many bands, 1 to 16, none of them strict.
    #[must_use]
    pub const fn new(bands: u8) -> Self {
        Self { bands, strict: 0, quanta: Vec::new(), priomap: Vec::new() }
    }

    /// Sets the number of strict bands (`strict`).
    #[must_use]
    pub fn strict(mut self, bands: u8) -> Self {
        self.strict = bands;
        self
    }

    /// Sets the quanta of the bands that are not strict (`quanta`).
    #[must_use]
    pub fn quanta(mut self, quanta: impl IntoIterator<Item = u32>) -> Self {
        self.quanta = quanta.into_iter().collect();
        self
    }

    /// Sets the bands of priority 0, 1, … (`priomap`).
    #[must_use]
    pub fn priomap(mut self, bands: impl IntoIterator<Item = u8>) -> Self {
        self.priomap = bands.into_iter().collect();
        self
    }
}

impl Config for EtsConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut config, mut bands) = (Self::new(0), None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_ETS_NBANDS => bands = Some(attr.u8()?),
                TCA_ETS_NSTRICT => config.strict = attr.u8()?,
                TCA_ETS_QUANTA => {
                    for band in attr.attrs() {
                        match band? {
                            band if band.kind() == TCA_ETS_QUANTA_BAND => config.quanta.push(band.u32()?),
                            _ => return Ok(None),
                        }
                    }
                }
                TCA_ETS_PRIOMAP => {
                    for band in attr.attrs() {
                        match band? {
                            band if band.kind() == TCA_ETS_PRIOMAP_BAND => config.priomap.push(band.u8()?),
                            _ => return Ok(None),
                        }
                    }
                }
                _ => return Ok(None),
            }
        }
        config.bands = bands.ok_or(DecodeError::Missing(TCA_ETS_NBANDS))?;
        Ok(Some(config))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        options.u8(TCA_ETS_NBANDS, self.bands);
        if self.strict != 0 {
            options.u8(TCA_ETS_NSTRICT, self.strict);
        }
        if !self.quanta.is_empty() {
            let mut quanta = options.nested(TCA_ETS_QUANTA);
            for quantum in &self.quanta {
                quanta.u32(TCA_ETS_QUANTA_BAND, *quantum);
            }
        }
        if !self.priomap.is_empty() {
            let mut priomap = options.nested(TCA_ETS_PRIOMAP);
            for band in &self.priomap {
                priomap.u8(TCA_ETS_PRIOMAP_BAND, *band);
            }
        }
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        within("bands", self.bands, 1, BANDS_MAX)?;
        within("strict bands", self.strict, 0, self.bands)?;
        within("number of quanta", self.quanta.len(), 0, usize::from(self.bands - self.strict))?;
        self.quanta.iter().try_for_each(|quantum| within("quantum", *quantum, QUANTUM_MIN, QUANTUM_MAX))?;
        within("number of priorities", self.priomap.len(), 0, PRIORITIES)?;
        self.priomap.iter().try_for_each(|band| within("priomap band", *band, 0, self.bands - 1))
    }

    fn as_read_back(&self, current: &Self) -> Self {
        let mut config = self.clone();
        config.quanta.extend(current.quanta.iter().skip(self.quanta.len()));
        config.priomap.resize(PRIORITIES, self.bands.saturating_sub(1));
        config
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "bands", Some(self.bands))?;
        word(f, "strict", Some(self.strict).filter(|strict| *strict != 0))?;
        f.write_str(if self.quanta.is_empty() { "" } else { " quanta" })?;
        self.quanta.iter().try_for_each(|quantum| write!(f, " {quantum}"))?;
        f.write_str(if self.priomap.is_empty() { "" } else { " priomap" })?;
        self.priomap.iter().try_for_each(|band| write!(f, " {band}"))
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_ETS_NBANDS = 1,
    TCA_ETS_NSTRICT = 2,
    TCA_ETS_QUANTA = 3 { TCA_ETS_QUANTA_BAND = 4 },
    TCA_ETS_PRIOMAP = 5 { TCA_ETS_PRIOMAP_BAND = 6 },
}

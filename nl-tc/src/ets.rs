//! ETS, enhanced transmission selection: strict bands first, the others share what is left by quantum.
//!
//! ```
//! use nl_tc::ets::EtsConfig;
//!
//! // tc qdisc add … ets strict 2 quanta 3000 1500
//! let qdisc = EtsConfig::new(4).strict(2).quanta([3000, 1500]);
//! ```
//!
//! The classes `X:1` to `X:n` are the bands of the qdisc: they cannot be added or deleted, only
//! [changed](EtsClassConfig).

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::error::{AttrName, Names};

use crate::TcVerb;
use crate::kind::{Config, within};
use crate::message::TCA_OPTIONS;
use crate::units::{Refusal, Size};

// `include/uapi/linux/pkt_sched.h`
const BANDS_MAX: u8 = 16;
/// `TC_PRIO_MAX` and one.
const PRIORITIES: usize = 16;
/// The kernel moves a quantum outside of these to them.
const QUANTUM_MIN: u32 = 256;
const QUANTUM_MAX: u32 = 1 << 20;

attr_names! { OPTIONS {
    TCA_ETS_NBANDS = 1,
    TCA_ETS_NSTRICT = 2,
    TCA_ETS_QUANTA = 3 in QUANTA,
    TCA_ETS_PRIOMAP = 5 { TCA_ETS_PRIOMAP_BAND = 6 },
    // A class has it without the nest.
    TCA_ETS_QUANTA_BAND = 4,
} }
const QUANTA: &[AttrName] = &[AttrName::new(TCA_ETS_QUANTA_BAND, "TCA_ETS_QUANTA_BAND")];

static NAMES: Names = crate::message::tca![OPTIONS];

/// An ETS qdisc (`tc qdisc … ets`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EtsConfig {
    /// How many bands, 1 to 16 (`bands`).
    pub bands: u8,
    /// How many of them are strict, the first ones (`strict`).
    pub strict: u8,
    /// Bytes in a turn for the bands that are not strict, in order, 256 to 1048576 each. Those without one send a packet
    /// of the device (`quanta`).
    pub quanta: Vec<u32>,
    /// The band for each priority, up to 16. Those without one go to the last band (`priomap`).
    pub priomap: Vec<u8>,
}

impl EtsConfig {
    /// This many bands, 1 to 16, all sharing.
    #[must_use]
    pub const fn new(bands: u8) -> Self {
        Self { bands, strict: 0, quanta: Vec::new(), priomap: Vec::new() }
    }

    /// Makes the first bands strict (`strict`).
    #[must_use]
    pub fn strict(mut self, bands: u8) -> Self {
        self.strict = bands;
        self
    }

    /// Gives the bands behind the strict ones these quanta (`quanta`).
    #[must_use]
    pub fn quanta(mut self, quanta: impl IntoIterator<Item = u32>) -> Self {
        self.quanta = quanta.into_iter().collect();
        self
    }

    /// Gives priority 0, 1, … these bands (`priomap`).
    #[must_use]
    pub fn priomap(mut self, bands: impl IntoIterator<Item = u8>) -> Self {
        self.priomap = bands.into_iter().collect();
        self
    }
}

impl Config for EtsConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let (mut config, mut bands) = (Self::new(0), None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_ETS_NBANDS => bands = Some(attr.u8()?),
                TCA_ETS_NSTRICT => config.strict = attr.u8()?,
                TCA_ETS_QUANTA => {
                    for band in attr.attrs() {
                        config.quanta.push(band?.u32()?);
                    }
                }
                TCA_ETS_PRIOMAP => {
                    for band in attr.attrs() {
                        config.priomap.push(band?.u8()?);
                    }
                }
                _ => {}
            }
        }
        config.bands = bands.ok_or(DecodeError::Missing(TCA_ETS_NBANDS))?;
        Ok(config)
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

    fn refusal(&self, _verb: TcVerb) -> Refusal {
        within("bands", self.bands.into(), 1, BANDS_MAX.into())
            .or_else(|| within("strict bands", self.strict.into(), 0, self.bands.into()))
            .or_else(|| {
                let (got, room) = (self.quanta.len(), usize::from(self.bands - self.strict));
                (got > room)
                    .then(|| format!("{got} quanta; there are {room} bands that are not strict").into())
            })
            .or_else(|| self.quanta.iter().find_map(|q| within("quantum", *q, QUANTUM_MIN, QUANTUM_MAX)))
            .or_else(|| {
                let got = self.priomap.len();
                (got > PRIORITIES).then(|| format!("{got} priorities; there are {PRIORITIES}").into())
            })
            .or_else(|| {
                self.priomap
                    .iter()
                    .find_map(|band| within("priomap band", (*band).into(), 0, u32::from(self.bands) - 1))
            })
    }

    fn kept(&self, current: &Self) -> Self {
        let mut kept = self.clone();
        kept.quanta.extend(current.quanta.iter().skip(self.quanta.len()));
        kept.priomap.resize(PRIORITIES, self.bands.saturating_sub(1));
        kept
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " bands {}", self.bands)?;
        if self.strict != 0 {
            write!(f, " strict {}", self.strict)?;
        }
        if !self.quanta.is_empty() {
            f.write_str(" quanta")?;
        }
        for quantum in &self.quanta {
            write!(f, " {quantum}")?;
        }
        if !self.priomap.is_empty() {
            f.write_str(" priomap")?;
        }
        for band in &self.priomap {
            write!(f, " {band}")?;
        }
        Ok(())
    }
}

/// A band of an ETS qdisc (`tc class change … ets`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EtsClassConfig {
    /// Bytes in a turn, 256 to 1048576; without one nothing is changed. `None` is read of a strict band, which has none
    /// and cannot be given one (`quantum`).
    pub quantum: Option<u32>,
}

impl EtsClassConfig {
    /// Sends this many bytes in a turn, 256 to 1048576 (`quantum`).
    #[must_use]
    pub fn new(quantum: impl Into<Size>) -> Self {
        Self { quantum: Some(quantum.into().0) }
    }
}

impl Config for EtsClassConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let quantum = Attrs::new(options).find(TCA_ETS_QUANTA_BAND)?.map(|attr| attr.u32()).transpose()?;
        Ok(Self { quantum })
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        if let Some(quantum) = self.quantum {
            options.u32(TCA_ETS_QUANTA_BAND, quantum);
        }
    }

    fn refusal(&self, verb: TcVerb) -> Refusal {
        match (verb, self.quantum) {
            (TcVerb::Add, _) => Some("the classes of an ets qdisc are its bands: change() them".into()),
            // The kernel takes it, also of a strict band, and changes nothing.
            (_, None) => None,
            (_, Some(quantum)) => within("quantum", quantum, QUANTUM_MIN, QUANTUM_MAX),
        }
    }

    fn kept(&self, current: &Self) -> Self {
        Self { quantum: self.quantum.or(current.quantum) }
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.quantum.map_or(Ok(()), |quantum| write!(f, " quantum {quantum}"))
    }
}

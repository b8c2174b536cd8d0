use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, within};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Burst, LinkLayer, Overhead, Rate, Size, joined, word};

/// `sizeof(struct tc_htb_opt)`, `include/uapi/linux/pkt_sched.h`
const PARMS_LEN: usize = 44;
const PRIO_MAX: u32 = 7;

/// An HTB class (`tc class … htb`).
///
/// The kernel reports every option. Unset options have the defaults of `tc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HtbClassConfig {
    /// The guaranteed rate (`rate`).
    pub rate: Rate,
    /// The maximum rate, when the class can borrow. Unset: the [rate](Self::rate). The kernel takes a ceil below the rate, which
    /// makes the guarantee void; see [`warning`](Self::warning) (`ceil`).
    pub ceil: Option<Rate>,
    /// The size of the rate bucket (`burst`).
    pub burst: Burst,
    /// The size of the ceil bucket (`cburst`).
    pub cburst: Burst,
    /// The priority when leaves borrow, from 0, the first, to 7. An inner class keeps the value it had as a leaf (`prio`).
    pub prio: u32,
    /// The number of bytes that a leaf sends before the next leaf of its priority. Unset:
    /// [`HtbConfig::quantum`](super::HtbConfig::quantum). An inner class keeps the value it had as a leaf (`quantum`).
    pub quantum: Option<u32>,
    /// How the length of a packet is computed (`overhead`, `mpu`, `linklayer`).
    pub overhead: Overhead,
    /// Whether the hardware carries it out. Read only: it is an option of the qdisc.
    pub offload: bool,
}

impl HtbClassConfig {
    /// A class with this guaranteed rate, which is also its maximum.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, ..Self::default() }
    }

    setters! {
        /// Sets the maximum rate, when the class can borrow (`ceil`).
        ceil: Rate => Some;
        /// Sets the size of the rate bucket, in bytes or as a time (`burst`).
        burst: impl Into<Burst> => Into::into;
        /// Sets the size of the ceil bucket, in bytes or as a time (`cburst`).
        cburst: impl Into<Burst> => Into::into;
        /// Sets the priority when leaves borrow, 0 to 7 (`prio`).
        prio: u32;
        /// Sets the number of bytes sent per round (`quantum`).
        quantum: impl Into<Size> => Size::some;
    }

    /// Sets the packet size for which unset bursts are computed, in bytes, instead of 1600 (`mtu`).
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        for burst in [&mut self.burst, &mut self.cburst] {
            if matches!(burst, Burst::Mtu(_)) {
                *burst = Burst::Mtu(mtu);
            }
        }
        self
    }

    /// Sets the bytes added to every packet (`overhead`).
    #[must_use]
    pub fn overhead(mut self, bytes: u16) -> Self {
        self.overhead.bytes = bytes;
        self
    }

    /// Sets the minimum length of a packet in bytes (`mpu`).
    #[must_use]
    pub fn mpu(mut self, bytes: u16) -> Self {
        self.overhead.mpu = bytes;
        self
    }

    /// Sets the framing of the link layer (`linklayer`).
    #[must_use]
    pub fn link_layer(mut self, link_layer: LinkLayer) -> Self {
        self.overhead.link_layer = link_layer;
        self
    }

    /// The maximum rate, when the class can borrow.
    #[must_use]
    pub fn ceiling(&self) -> Rate {
        self.ceil.unwrap_or(self.rate)
    }

    /// What the kernel accepts and is hardly meant: a maximum rate below the guaranteed one.
    ///
    /// ```
    /// use nl_tc::Rate;
    /// use nl_tc::htb::HtbClassConfig;
    ///
    /// let class = HtbClassConfig::new(Rate::mbit(2)).ceil(Rate::mbit(1));
    /// let warning = "ceil 1Mbit is below rate 2Mbit, which the class never reaches";
    /// assert_eq!(class.warning().as_deref(), Some(warning));
    /// ```
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let (rate, ceil) = (self.rate, self.ceiling());
        (ceil < rate).then(|| format!("ceil {ceil} is below rate {rate}, which the class never reaches"))
    }
}

impl Config for HtbClassConfig {
    const NAMES: &'static Names = &NAMES;

    #[inline]
    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut config, mut ceil, mut parms) = (Self::new(Rate::ZERO), Rate::ZERO, false);
        let (mut rate64, mut ceil64) = (None, None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_HTB_PARMS => {
                    // There is one overhead, for the rate and the ceil.
                    if !Overhead::is_shared(attr.value()) {
                        return Ok(None);
                    }
                    let mut f = attr.fields();
                    (config.overhead, config.rate) = Overhead::from_ratespec(f.array()?);
                    (_, ceil) = Overhead::from_ratespec(f.array()?);
                    (config.burst, config.cburst) = (Burst::of_ticks(f.u32()?), Burst::of_ticks(f.u32()?));
                    config.quantum = Some(f.u32()?).filter(|quantum| *quantum != 0);
                    let _level = f.u32()?;
                    config.prio = f.u32()?;
                    parms = true;
                }
                TCA_HTB_RATE64 => rate64 = Some(attr.u64()?),
                TCA_HTB_CEIL64 => ceil64 = Some(attr.u64()?),
                TCA_HTB_OFFLOAD => config.offload = true,
                // The kernel computes its own tables and ignores these.
                TCA_HTB_CTAB | TCA_HTB_RTAB | TCA_HTB_PAD => {}
                _ => return Ok(None),
            }
        }
        config.rate = joined(config.rate, rate64);
        config.ceil = Some(joined(ceil, ceil64));
        if parms { Ok(Some(config)) } else { Err(DecodeError::Missing(TCA_HTB_PARMS)) }
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let (rate, ceil) = (self.rate, self.ceiling());
        // `check` refuses a burst that does not fit.
        let ticks = |burst: Burst, rate| burst.ticks(rate).unwrap_or(0);
        let words =
            [ticks(self.burst, rate), ticks(self.cburst, ceil), self.quantum.unwrap_or(0), 0, self.prio];
        let mut parms = [0; PARMS_LEN];
        let (head, tail) = parms.split_at_mut(24);
        for (field, spec) in head.chunks_exact_mut(12).zip([rate, ceil]) {
            field.copy_from_slice(&self.overhead.ratespec(spec));
        }
        for (field, value) in tail.chunks_exact_mut(4).zip(words) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
        let mut options = w.nested(TCA_OPTIONS);
        options.bytes(TCA_HTB_PARMS, &parms);
        options.opt(TCA_HTB_RATE64, rate.wide(), AttrWriter::u64);
        options.opt(TCA_HTB_CEIL64, ceil.wide(), AttrWriter::u64);
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        self.rate.check("rate")?;
        self.ceiling().check("ceil")?;
        self.burst.check("burst", self.rate)?;
        self.cburst.check("cburst", self.ceiling())?;
        within("prio", self.prio, 0, PRIO_MAX)?;
        let zero = self.quantum == Some(0);
        Invalid::when(zero, "quantum 0; 1 is the minimum, and unset means the rate divided by r2q")?;
        self.overhead.check()
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self {
            ceil: Some(self.ceiling()),
            burst: self.burst.as_read_back(self.rate),
            cburst: self.cburst.as_read_back(self.ceiling()),
            quantum: self.quantum.or(current.quantum),
            offload: current.offload,
            ..self.clone()
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "rate", Some(self.rate))?;
        word(f, "ceil", self.ceil)?;
        for (name, burst, rate) in [("burst", self.burst, self.rate), ("cburst", self.cburst, self.ceiling())]
        {
            if burst != Burst::default() {
                write!(f, " {name} {}b", burst.bytes(rate))?;
            }
        }
        word(f, "prio", Some(self.prio).filter(|prio| *prio != 0))?;
        word(f, "quantum", self.quantum)?;
        self.overhead.write_options(f)
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_HTB_PARMS = 1,
    TCA_HTB_CTAB = 3,
    TCA_HTB_RTAB = 4,
    TCA_HTB_RATE64 = 6,
    TCA_HTB_CEIL64 = 7,
    TCA_HTB_PAD = 8,
    TCA_HTB_OFFLOAD = 9,
}

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, opt_within, within};
use nl_core::error::Names;

use super::red_table::{self, IdleTable};
use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Rate, Size, word};

// `TC_RED_*`
const ECN: u32 = 1;
const HARDDROP: u32 = 2;
const ADAPTIVE: u32 = 4;
const NODROP: u32 = 8;
const KNOWN: u32 = ECN | HARDDROP | ADAPTIVE | NODROP;
/// `sizeof(struct tc_red_qopt)`
const PARMS_LEN: usize = 16;

/// Random early detection: drops some packets before the queue is full (`tc qdisc … red`).
///
/// ```
/// use nl_tc::leaf::{RedAverage, RedConfig};
///
/// // tc qdisc add … red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 probability 0.02 ecn
/// let average = RedAverage::new(1000).min(30_000).max(90_000).burst(55).probability(0.02);
/// let qdisc = RedConfig::new(400_000, &average)?.ecn(true);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// The options are as the kernel stores them; [`RedAverage`] computes them as `tc` does. A change replaces the whole configuration,
/// and the qdisc below by a FIFO of the limit.
///
/// The kernel needs a table of how the average falls while the queue is empty, and does not report it. So a configuration that was read
/// is refused by a verb that writes until [`idle`](Self::idle) computes the table again.
///
/// There is one place for a qdisc below it. Needs the module `sch_red`. [`RedStats`](crate::stats::RedStats) are its counters. Header:
/// `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RedConfig {
    /// The number of bytes queued. 0 leaves the qdisc below as it is (`limit`).
    pub limit: u32,
    /// The average queue length in bytes above which some packets are dropped (`min`).
    pub min: u32,
    /// The average queue length in bytes above which all packets are dropped (`max`).
    pub max: u32,
    /// The weight of a packet in the average, as a power of two.
    pub wlog: u8,
    /// The logarithm of the scale of the probability.
    pub plog: u8,
    /// The logarithm of the cell size for idle time.
    pub scell_log: u8,
    /// The maximum probability, in 2³² steps. The kernel adapts it with [`adaptive`](Self::adaptive).
    pub max_probability: u32,
    /// Whether packets are marked instead of dropped (`ecn`).
    pub ecn: bool,
    /// Whether packets above [`max`](Self::max) are dropped also with `ecn` (`harddrop`).
    pub harddrop: bool,
    /// Whether the probability follows the average (`adaptive`).
    pub adaptive: bool,
    /// Whether packets that cannot be marked are kept instead of dropped. Needs `ecn` (`nodrop`).
    pub nodrop: bool,
    /// The shared block of filters for packets that are dropped early. Cannot be changed (`qevent early_drop block`).
    pub early_drop_block: Option<u32>,
    /// The shared block of filters for packets that are marked. Cannot be changed (`qevent mark block`).
    pub mark_block: Option<u32>,
    /// The table of idle times. Write only.
    #[cfg_attr(feature = "serde", serde(skip))]
    idle: Option<IdleTable>,
}

/// What the average of [RED](RedConfig) is computed from, as in the words of `tc`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RedAverage {
    /// The average size of a packet, in bytes (`avpkt`).
    pub packet: u32,
    /// The average queue length in bytes above which some packets are dropped. Unset: a third of the maximum (`min`).
    pub min: Option<u32>,
    /// The average queue length in bytes above which all packets are dropped. Unset: three times the minimum, or a quarter of the limit if
    /// that is unset too (`max`).
    pub max: Option<u32>,
    /// How many packets can come at once. Unset: those of `(2 · min + max) / 3` bytes (`burst`).
    pub burst: Option<u32>,
    /// The maximum probability, from 0 to 1. 0.02 if unset (`probability`).
    pub probability: f64,
    /// The rate of the line, for idle times. 10 Mbit/s if unset (`bandwidth`).
    pub bandwidth: Rate,
}

impl RedAverage {
    /// Packets of this average size, in bytes.
    #[must_use]
    pub fn new(packet: impl Into<Size>) -> Self {
        let packet = packet.into().0;
        Self { packet, min: None, max: None, burst: None, probability: 0.02, bandwidth: Rate::mbit(10) }
    }

    setters! {
        /// Sets the average queue length in bytes above which some packets are dropped (`min`).
        min: impl Into<Size> => Size::some;
        /// Sets the average queue length in bytes above which all packets are dropped (`max`).
        max: impl Into<Size> => Size::some;
        /// Sets how many packets can come at once (`burst`).
        burst: u32 => Some;
        /// Sets the maximum probability, from 0 to 1 (`probability`).
        probability: f64;
        /// Sets the rate of the line (`bandwidth`).
        bandwidth: Rate;
    }
}

impl RedConfig {
    /// A qdisc with this limit in bytes.
    ///
    /// # Errors
    /// No average can be computed: the minimum is above the maximum, the burst is too small, the probability is not within 0 and 1.
    pub fn new(limit: impl Into<Size>, average: &RedAverage) -> nl_core::Result<Self> {
        let limit = limit.into().0;
        let max = average.max.unwrap_or_else(|| average.min.map_or(limit / 4, |min| min.saturating_mul(3)));
        let min = average.min.unwrap_or(max / 3);
        let RedAverage { packet, bandwidth, probability, .. } = *average;
        let default = u64::from(min).saturating_mul(2).saturating_add(max.into());
        let default = default.checked_div(u64::from(packet).saturating_mul(3)).unwrap_or(0);
        let burst = average.burst.unwrap_or(u32::try_from(default).unwrap_or(u32::MAX));
        let wlog = red_table::weight(min, burst, packet)?;
        let plog = red_table::scale(min, max, probability)?;
        let (scell_log, idle) = red_table::idle(wlog, packet, bandwidth)?;
        Ok(Self {
            limit,
            min,
            max,
            wlog,
            plog,
            scell_log,
            max_probability: red_table::steps(probability),
            ecn: false,
            harddrop: false,
            adaptive: false,
            nodrop: false,
            early_drop_block: None,
            mark_block: None,
            idle: Some(idle),
        })
    }

    setters! {
        /// Sets whether packets are marked instead of dropped (`ecn`).
        ecn: bool;
        /// Sets whether packets above the maximum are dropped also with `ecn` (`harddrop`).
        harddrop: bool;
        /// Sets whether the probability follows the average (`adaptive`).
        adaptive: bool;
        /// Sets whether packets that cannot be marked are kept instead of dropped (`nodrop`).
        nodrop: bool;
        /// Sets the shared block of filters for packets that are dropped early (`qevent early_drop block`).
        early_drop_block: u32 => Some;
        /// Sets the shared block of filters for packets that are marked (`qevent mark block`).
        mark_block: u32 => Some;
    }

    /// Computes the table of idle times, which a configuration that was read does not have, from the average size of a packet in bytes
    /// and the rate of the line (`avpkt`, `bandwidth`).
    ///
    /// # Errors
    /// The packet is empty or the rate is zero; the table would not fit.
    pub fn idle(mut self, packet: impl Into<Size>, bandwidth: Rate) -> nl_core::Result<Self> {
        let (scell_log, idle) = red_table::idle(self.wlog, packet.into().0, bandwidth)?;
        (self.scell_log, self.idle) = (scell_log, Some(idle));
        Ok(self)
    }
}

impl Config for RedConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let parms = Attrs::new(options).find(TCA_RED_PARMS)?.ok_or(DecodeError::Missing(TCA_RED_PARMS))?;
        let mut f = parms.fields();
        let (limit, min, max) = (f.u32()?, f.u32()?, f.u32()?);
        let [wlog, plog, scell_log, old_flags] = f.array()?;
        let mut flags = 0;
        let mut config = Self {
            limit,
            min,
            max,
            wlog,
            plog,
            scell_log,
            max_probability: 0,
            ecn: false,
            harddrop: false,
            adaptive: false,
            nodrop: false,
            early_drop_block: None,
            mark_block: None,
            idle: None,
        };
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_RED_PARMS => {}
                TCA_RED_STAB => config.idle = Some(IdleTable::new(attr.array()?)),
                TCA_RED_MAX_P => config.max_probability = attr.u32()?,
                // `struct nla_bitfield32`
                TCA_RED_FLAGS => flags = attr.fields().u32()?,
                TCA_RED_EARLY_DROP_BLOCK => config.early_drop_block = Some(attr.u32()?),
                TCA_RED_MARK_BLOCK => config.mark_block = Some(attr.u32()?),
                _ => return Ok(None),
            }
        }
        let old_flags = u32::from(old_flags);
        // Unknown flags are not held.
        if flags & !KNOWN != 0 || old_flags & !(KNOWN & !NODROP) != 0 {
            return Ok(None);
        }
        flags |= old_flags;
        let has = |flag| flags & flag != 0;
        (config.ecn, config.harddrop) = (has(ECN), has(HARDDROP));
        (config.adaptive, config.nodrop) = (has(ADAPTIVE), has(NODROP));
        Ok(Some(config))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(self.ecn, ECN)
            | flag(self.harddrop, HARDDROP)
            | flag(self.adaptive, ADAPTIVE)
            | flag(self.nodrop, NODROP);
        let mut parms = [0; PARMS_LEN];
        let words = [
            self.limit.to_ne_bytes(),
            self.min.to_ne_bytes(),
            self.max.to_ne_bytes(),
            // The flags have an attribute of their own.
            [self.wlog, self.plog, self.scell_log, 0],
        ];
        parms.copy_from_slice(words.as_flattened());
        let mut options = w.nested(TCA_OPTIONS);
        options.bytes(TCA_RED_PARMS, &parms);
        if let Some(idle) = &self.idle {
            options.bytes(TCA_RED_STAB, idle.bytes());
        }
        options.u32(TCA_RED_MAX_P, self.max_probability);
        // The value and the bits that it is about.
        options.bytes(TCA_RED_FLAGS, [flags, KNOWN].map(u32::to_ne_bytes).as_flattened());
        options.opt(TCA_RED_EARLY_DROP_BLOCK, self.early_drop_block, AttrWriter::u32);
        options.opt(TCA_RED_MARK_BLOCK, self.mark_block, AttrWriter::u32);
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        Invalid::when(
            self.idle.is_none(),
            "RED without its table of idle times, which the kernel does not report; RedConfig::idle() computes it",
        )?;
        if self.max < self.min {
            return Err(format!("max {}; the minimum, {}, or more is possible", self.max, self.min).into());
        }
        within("wlog", self.wlog, 1, 31)?;
        // The average is kept in 32 bits, `wlog` of which are the fraction.
        let most = u32::MAX.checked_shr(u32::from(self.wlog) + 1).unwrap_or(0);
        within("max", self.max, 0, most)?;
        within("scell_log", self.scell_log, 0, 31)?;
        Invalid::when(self.nodrop && !self.ecn, "nodrop needs ecn")?;
        opt_within("early_drop block", self.early_drop_block, 1, u32::MAX)?;
        opt_within("mark block", self.mark_block, 1, u32::MAX)?;
        let _ = verb;
        Ok(())
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self {
            max_probability: if self.adaptive { current.max_probability } else { self.max_probability },
            early_drop_block: self.early_drop_block.or(current.early_drop_block),
            mark_block: self.mark_block.or(current.mark_block),
            idle: current.idle.clone(),
            ..self.clone()
        }
    }

    /// `tc` reads the words of [`RedAverage`] instead of the stored numbers, and prints these.
    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " limit {}b min {}b max {}b", self.limit, self.min, self.max)?;
        for (set, text) in [
            (self.ecn, " ecn"),
            (self.harddrop, " harddrop"),
            (self.adaptive, " adaptive"),
            (self.nodrop, " nodrop"),
        ] {
            f.write_str(if set { text } else { "" })?;
        }
        word(f, "qevent early_drop block", self.early_drop_block)?;
        word(f, "qevent mark block", self.mark_block)?;
        write!(f, " ewma {} Plog {} Scell_log {}", self.wlog, self.plog, self.scell_log)
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_RED_PARMS = 1,
    TCA_RED_STAB = 2,
    TCA_RED_MAX_P = 3,
    TCA_RED_FLAGS = 4,
    TCA_RED_EARLY_DROP_BLOCK = 5,
    TCA_RED_MARK_BLOCK = 6,
}

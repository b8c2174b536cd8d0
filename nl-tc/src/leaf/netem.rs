use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrBuf, AttrWriter, Attrs, DecodeError, Fields, Nested};
use nl_core::error::Names;

use crate::TcVerb;
use crate::kind::{Config, setters};
use crate::message::TCA_OPTIONS;
use crate::units::{Exact, NANOS_PER_TICK, Probability, Rate, Refusal, Time, joined};

// `include/uapi/linux/pkt_sched.h`
const TCA_NETEM_CORR: u16 = 1;
const TCA_NETEM_REORDER: u16 = 3;
const TCA_NETEM_CORRUPT: u16 = 4;
const TCA_NETEM_LOSS: u16 = 5;
const TCA_NETEM_RATE: u16 = 6;
const TCA_NETEM_ECN: u16 = 7;
const TCA_NETEM_RATE64: u16 = 8;
const TCA_NETEM_LATENCY64: u16 = 10;
const TCA_NETEM_JITTER64: u16 = 11;
const TCA_NETEM_SLOT: u16 = 12;
const TCA_NETEM_PRNG_SEED: u16 = 14;
const NETEM_LOSS_GI: u16 = 1;
const NETEM_LOSS_GE: u16 = 2;
const QOPT_LEN: usize = 24;
const DEFAULT_LIMIT: u32 = 1000;

// Behind a structure and not a plain list of attributes, so an error names none of them.
static NAMES: Names = crate::message::tca![&[]];

/// A network that is far away, or bad (`tc qdisc … netem`).
///
/// ```
/// use std::time::Duration;
/// use nl_tc::Probability;
/// use nl_tc::leaf::{NetemConfig, NetemLoss};
///
/// // tc qdisc add … netem delay 100ms 10ms loss 1%
/// let qdisc = NetemConfig::new()
///     .delay(Duration::from_millis(100))
///     .jitter(Duration::from_millis(10))
///     .loss(NetemLoss::random(Probability::percent(1.0)?));
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// A change says everything anew, but for the [rate](Self::rate), the [slots](Self::slot) and a loss model, which stay where
/// they are not said. Distributions of delay (`distribution`) are neither set nor told by the kernel.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NetemConfig {
    /// Packets held (`limit`).
    pub limit: u32,
    /// How long a packet takes (`delay TIME`).
    pub delay: Duration,
    /// More or less by up to this (`delay TIME JITTER`).
    pub jitter: Duration,
    /// How much a delay depends on the last (`delay TIME JITTER CORRELATION`).
    pub delay_correlation: Probability,
    /// Which packets are lost (`loss`).
    pub loss: NetemLoss,
    /// Marked where it would be lost (`ecn`).
    pub ecn: bool,
    /// How many packets are sent twice (`duplicate`).
    pub duplicate: Probability,
    /// How much that depends on the last.
    pub duplicate_correlation: Probability,
    /// How many packets are sent at once, before those that are delayed (`reorder`).
    pub reorder: Probability,
    /// How much that depends on the last.
    pub reorder_correlation: Probability,
    /// Every so many packets (`gap`); with [`reorder`](Self::reorder) at least 1.
    pub gap: u32,
    /// How many packets have a bit flipped (`corrupt`).
    pub corrupt: Probability,
    /// How much that depends on the last.
    pub corrupt_correlation: Probability,
    /// How fast packets leave (`rate`).
    pub rate: Option<NetemRate>,
    /// Packets leave together at times (`slot`).
    pub slot: Option<NetemSlot>,
    /// What the random numbers begin with, on kernels that have it (`seed`).
    pub seed: Option<u64>,
}

/// Which packets are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NetemLoss {
    /// At random (`loss random`).
    #[non_exhaustive]
    Random {
        /// How many.
        probability: Probability,
        /// How much that depends on the last.
        correlation: Probability,
    },
    /// By a Markov chain of four states (`loss state`).
    State {
        /// From received to lost in a burst.
        p13: Probability,
        /// From lost in a burst to received.
        p31: Probability,
        /// From lost in a burst to received in a burst.
        p32: Probability,
        /// From received to lost alone.
        p14: Probability,
        /// From received in a burst to lost in a burst.
        p23: Probability,
    },
    /// By the Gilbert-Elliott model (`loss gemodel`).
    GilbertElliott {
        /// From good to bad.
        p: Probability,
        /// From bad to good.
        r: Probability,
        /// Lost while bad (`1-h`).
        bad: Probability,
        /// Lost while good (`1-k`).
        good: Probability,
    },
}

impl NetemLoss {
    /// None.
    pub const NONE: Self = Self::Random { probability: Probability::NEVER, correlation: Probability::NEVER };

    /// This many, each by itself (`loss PERCENT`).
    #[must_use]
    pub const fn random(probability: Probability) -> Self {
        Self::correlated(probability, Probability::NEVER)
    }

    /// This many, depending on the last (`loss PERCENT CORRELATION`).
    #[must_use]
    pub const fn correlated(probability: Probability, correlation: Probability) -> Self {
        Self::Random { probability, correlation }
    }
}

/// How fast packets leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NetemRate {
    /// The rate.
    pub rate: Rate,
    /// Bytes added to every packet, or taken off.
    pub packet_overhead: i32,
    /// Bytes in a cell; 0 for no cells.
    pub cell_size: u32,
    /// Bytes added to every cell, or taken off.
    pub cell_overhead: i32,
}

impl From<Rate> for NetemRate {
    fn from(rate: Rate) -> Self {
        Self { rate, ..Self::default() }
    }
}

/// When packets leave together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NetemSlot {
    /// At least this long after the last time.
    pub min_delay: Duration,
    /// At most this long.
    pub max_delay: Duration,
    /// So many packets at most; 0 for any.
    pub max_packets: u32,
    /// So many bytes at most; 0 for any.
    pub max_bytes: u32,
}

impl NetemConfig {
    /// A network that does nothing to packets, and holds 1000.
    #[must_use]
    pub const fn new() -> Self {
        const NEVER: Probability = Probability::NEVER;
        Self {
            limit: DEFAULT_LIMIT,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            delay_correlation: NEVER,
            loss: NetemLoss::NONE,
            ecn: false,
            duplicate: NEVER,
            duplicate_correlation: NEVER,
            reorder: NEVER,
            reorder_correlation: NEVER,
            gap: 0,
            corrupt: NEVER,
            corrupt_correlation: NEVER,
            rate: None,
            slot: None,
            seed: None,
        }
    }

    setters! {
        /// Holds this many packets (`limit`).
        limit: u32;
        /// Delays packets by this, to the nanosecond (`delay`).
        delay: Duration;
        /// More or less by up to this, 2.147483647 s at most (`delay TIME JITTER`).
        jitter: Duration;
        /// Lets a delay depend on the last (`delay TIME JITTER CORRELATION`).
        delay_correlation: Probability;
        /// Loses packets so (`loss`).
        loss: NetemLoss;
        /// Marks packets instead of losing them, or not (`ecn`).
        ecn: bool;
        /// Sends this many twice (`duplicate`).
        duplicate: Probability;
        /// Lets that depend on the last (`duplicate PERCENT CORRELATION`).
        duplicate_correlation: Probability;
        /// Lets that depend on the last (`reorder PERCENT CORRELATION`).
        reorder_correlation: Probability;
        /// Sends every so many at once (`gap`).
        gap: u32;
        /// Flips a bit in this many (`corrupt`).
        corrupt: Probability;
        /// Lets that depend on the last (`corrupt PERCENT CORRELATION`).
        corrupt_correlation: Probability;
        /// Sends packets together (`slot`).
        slot: NetemSlot => Some;
        /// Begins random numbers with this (`seed`).
        seed: u64 => Some;
    }

    /// Sends no faster than this (`rate`).
    #[must_use]
    pub fn rate(mut self, rate: impl Into<NetemRate>) -> Self {
        self.rate = Some(rate.into());
        self
    }

    /// Sends this many at once, before those that are delayed (`reorder`). Needs a [delay](Self::delay); makes the
    /// [gap](Self::gap) 1 if it is 0, as `tc` does.
    #[must_use]
    pub fn reorder(mut self, probability: Probability) -> Self {
        self.reorder = probability;
        self.gap = self.gap.max(1);
        self
    }

    fn random_loss(&self) -> (Probability, Probability) {
        match self.loss {
            NetemLoss::Random { probability, correlation } => (probability, correlation),
            _ => Default::default(),
        }
    }

    fn decode_attr(
        &mut self,
        attr: nl_core::attr::Attr<'_>,
        rate64: &mut Option<u64>,
    ) -> Result<(), DecodeError> {
        match attr.kind() {
            TCA_NETEM_CORR => {
                let mut f = attr.fields();
                self.delay_correlation = probability(&mut f)?;
                let correlation = probability(&mut f)?;
                if let NetemLoss::Random { probability, .. } = self.loss {
                    self.loss = NetemLoss::Random { probability, correlation };
                }
                self.duplicate_correlation = probability(&mut f)?;
            }
            TCA_NETEM_REORDER => {
                let mut f = attr.fields();
                (self.reorder, self.reorder_correlation) = (probability(&mut f)?, probability(&mut f)?);
            }
            TCA_NETEM_CORRUPT => {
                let mut f = attr.fields();
                (self.corrupt, self.corrupt_correlation) = (probability(&mut f)?, probability(&mut f)?);
            }
            TCA_NETEM_LOSS => self.decode_loss(attr.attrs())?,
            TCA_NETEM_RATE => {
                let mut f = attr.fields();
                self.rate = Some(NetemRate {
                    rate: Rate::bps(f.u32()?.into()),
                    packet_overhead: f.i32()?,
                    cell_size: f.u32()?,
                    cell_overhead: f.i32()?,
                });
            }
            TCA_NETEM_RATE64 => *rate64 = Some(attr.u64()?),
            TCA_NETEM_ECN => self.ecn = attr.u32()? != 0,
            TCA_NETEM_LATENCY64 => self.delay = of_nanos(attr.i64()?),
            TCA_NETEM_JITTER64 => self.jitter = of_nanos(attr.i64()?),
            TCA_NETEM_SLOT => {
                let mut f = attr.fields();
                let slot = NetemSlot {
                    min_delay: of_nanos(f.i64()?),
                    max_delay: of_nanos(f.i64()?),
                    max_packets: f.u32()?,
                    max_bytes: f.u32()?,
                };
                self.slot = Some(slot);
            }
            TCA_NETEM_PRNG_SEED => self.seed = Some(attr.u64()?),
            _ => {}
        }
        Ok(())
    }

    fn decode_loss(&mut self, models: Attrs<'_>) -> Result<(), DecodeError> {
        for model in models {
            let model = model?;
            match model.kind() {
                NETEM_LOSS_GI => {
                    let mut f = model.fields();
                    let mut next = || probability(&mut f);
                    self.loss = NetemLoss::State {
                        p13: next()?,
                        p31: next()?,
                        p32: next()?,
                        p14: next()?,
                        p23: next()?,
                    };
                }
                NETEM_LOSS_GE => {
                    let mut f = model.fields();
                    let mut next = || probability(&mut f);
                    let (p, r, h, k1) = (next()?, next()?, next()?, next()?);
                    let bad = Probability(u32::MAX - h.0);
                    self.loss = NetemLoss::GilbertElliott { p, r, bad, good: k1 };
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Default for NetemConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Config for NetemConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let mut f = Fields::of_attr(TCA_OPTIONS, options);
        let mut c = Self::new();
        c.delay = of_ticks(f.u32()?);
        c.limit = f.u32()?;
        c.loss = NetemLoss::random(probability(&mut f)?);
        c.gap = f.u32()?;
        c.duplicate = probability(&mut f)?;
        c.jitter = of_ticks(f.u32()?);
        let mut rate64 = None;
        for attr in Attrs::new(f.rest()) {
            c.decode_attr(attr?, &mut rate64)?;
        }
        if let (Some(rate), Some(_)) = (&mut c.rate, rate64) {
            rate.rate = joined(rate.rate, rate64);
        }
        // The kernel tells a rate of nothing and slots of no time where there are none.
        c.rate = c.rate.filter(|rate| !rate.rate.is_zero());
        c.slot = c.slot.filter(|slot| *slot != NetemSlot::default());
        Ok(c)
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let (loss, loss_correlation) = self.random_loss();
        let mut bytes = Vec::with_capacity(QOPT_LEN);
        for word in [0, self.limit, loss.0, self.gap, self.duplicate.0, 0] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        let mut attrs = AttrBuf::new();
        let mut a = attrs.writer();
        words(
            &mut a,
            TCA_NETEM_CORR,
            &[self.delay_correlation.0, loss_correlation.0, self.duplicate_correlation.0],
        );
        words(&mut a, TCA_NETEM_REORDER, &[self.reorder.0, self.reorder_correlation.0]);
        words(&mut a, TCA_NETEM_CORRUPT, &[self.corrupt.0, self.corrupt_correlation.0]);
        match self.loss {
            NetemLoss::Random { .. } => {}
            NetemLoss::State { p13, p31, p32, p14, p23 } => {
                let mut nest: Nested<'_> = a.nested(TCA_NETEM_LOSS);
                words(&mut nest, NETEM_LOSS_GI, &[p13.0, p31.0, p32.0, p14.0, p23.0]);
            }
            NetemLoss::GilbertElliott { p, r, bad, good } => {
                let mut nest: Nested<'_> = a.nested(TCA_NETEM_LOSS);
                words(&mut nest, NETEM_LOSS_GE, &[p.0, r.0, u32::MAX - bad.0, good.0]);
            }
        }
        if let Some(rate) = self.rate {
            let NetemRate { rate, packet_overhead, cell_size, cell_overhead } = rate;
            let fields = [
                rate.saturated().to_ne_bytes(),
                packet_overhead.to_ne_bytes(),
                cell_size.to_ne_bytes(),
                cell_overhead.to_ne_bytes(),
            ];
            a.bytes(TCA_NETEM_RATE, fields.as_flattened());
            if let Some(rate) = rate.wide() {
                a.u64(TCA_NETEM_RATE64, rate);
            }
        }
        if self.ecn {
            a.u32(TCA_NETEM_ECN, 1);
        }
        for (kind, time) in [(TCA_NETEM_LATENCY64, self.delay), (TCA_NETEM_JITTER64, self.jitter)] {
            // The fields for ticks of 64 ns stay 0.
            if !time.is_zero() {
                a.u64(kind, nanos(time));
            }
        }
        if let Some(slot) = self.slot {
            let mut fields = [0; 40];
            let (delays, rest) = fields.split_at_mut(16);
            for (field, delay) in delays.chunks_exact_mut(8).zip([slot.min_delay, slot.max_delay]) {
                field.copy_from_slice(&nanos(delay).to_ne_bytes());
            }
            for (field, most) in rest.chunks_exact_mut(4).zip([slot.max_packets, slot.max_bytes]) {
                field.copy_from_slice(&most.to_ne_bytes());
            }
            a.bytes(TCA_NETEM_SLOT, &fields);
        }
        if let Some(seed) = self.seed {
            a.u64(TCA_NETEM_PRNG_SEED, seed);
        }
        // Nothing here is longer than an attribute.
        bytes.extend(attrs.finish().unwrap_or_default());
        w.bytes(TCA_OPTIONS, &bytes);
    }

    fn refusal(&self, _verb: TcVerb) -> Refusal {
        let slot = self.slot.unwrap_or_default();
        let times = [
            ("delay", self.delay),
            ("jitter", self.jitter),
            ("slot", slot.min_delay),
            ("slot", slot.max_delay),
        ];
        let positive = i32::MAX.unsigned_abs();
        times
            .into_iter()
            .find_map(|(name, time)| {
                let fits = i64::try_from(time.as_nanos()).is_ok();
                (!fits).then(|| format!("{name} {time:?}; {} ns are possible", i64::MAX).into())
            })
            .or_else(|| {
                let most = Duration::from_nanos(i32::MAX.unsigned_abs().into());
                (self.jitter > most)
                    .then(|| format!("jitter {:?}; {most:?} are possible", self.jitter).into())
            })
            .or_else(|| self.rate.and_then(|rate| rate.rate.refusal("rate")))
            .or_else(|| (slot.min_delay > slot.max_delay).then(|| "slot min_delay over max_delay".into()))
            .or_else(|| {
                (slot.max_packets > positive || slot.max_bytes > positive).then(|| {
                    format!("slot of more than {positive} packets or bytes, which is the most").into()
                })
            })
            .or_else(|| {
                (self.reorder != Probability::NEVER && self.delay.is_zero())
                    .then(|| "reorder without a delay, which it lets packets pass".into())
            })
            .or_else(|| {
                (self.reorder != Probability::NEVER && self.gap == 0)
                    .then(|| "reorder with gap 0; 1 is the least".into())
            })
            .or_else(|| {
                (self.reorder == Probability::NEVER && self.gap != 0)
                    .then(|| "gap without reorder, for how many packets?".into())
            })
            .or_else(|| match self.loss {
                NetemLoss::Random { probability: Probability::NEVER, .. } if self.ecn => {
                    Some("ecn without loss, which it replaces".into())
                }
                _ => None,
            })
    }

    fn kept(&self, current: &Self) -> Self {
        Self {
            rate: self.rate.or(current.rate),
            slot: self.slot.or(current.slot),
            seed: self.seed.or(current.seed),
            ..self.clone()
        }
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " limit {}", self.limit)?;
        if !self.delay.is_zero() {
            write!(f, " delay {}", Time(self.delay))?;
            if !self.jitter.is_zero() {
                write!(f, " {}", Time(self.jitter))?;
                correlated(f, self.delay_correlation)?;
            }
        }
        match self.loss {
            NetemLoss::NONE => {}
            NetemLoss::Random { probability, correlation } => {
                write!(f, " loss {probability}")?;
                correlated(f, correlation)?;
            }
            NetemLoss::State { p13, p31, p32, p14, p23 } => {
                write!(f, " loss state {p13} {p31} {p32} {p23} {p14}")?;
            }
            NetemLoss::GilbertElliott { p, r, bad, good } => {
                write!(f, " loss gemodel {p} {r} {bad} {good}")?;
            }
        }
        if self.ecn {
            f.write_str(" ecn")?;
        }
        let shares = [
            ("duplicate", self.duplicate, self.duplicate_correlation),
            ("reorder", self.reorder, self.reorder_correlation),
            ("corrupt", self.corrupt, self.corrupt_correlation),
        ];
        for (name, share, correlation) in shares {
            if share != Probability::NEVER {
                write!(f, " {name} {share}")?;
                correlated(f, correlation)?;
            }
        }
        if self.gap > 1 {
            write!(f, " gap {}", self.gap)?;
        }
        if let Some(NetemRate { rate, packet_overhead, cell_size, cell_overhead }) = self.rate {
            write!(f, " rate {}", Exact(rate))?;
            if (packet_overhead, cell_size, cell_overhead) != (0, 0, 0) {
                write!(f, " {packet_overhead} {cell_size} {cell_overhead}")?;
            }
        }
        if let Some(slot) = self.slot {
            write!(f, " slot {} {}", Time(slot.min_delay), Time(slot.max_delay))?;
            for (name, most) in [("packets", slot.max_packets), ("bytes", slot.max_bytes)] {
                if most != 0 {
                    write!(f, " {name} {most}")?;
                }
            }
        }
        self.seed.map_or(Ok(()), |seed| write!(f, " seed {seed}"))
    }
}

fn correlated(f: &mut fmt::Formatter<'_>, correlation: Probability) -> fmt::Result {
    if correlation == Probability::NEVER { Ok(()) } else { write!(f, " {correlation}") }
}

fn probability(f: &mut Fields<'_>) -> Result<Probability, DecodeError> {
    f.u32().map(Probability)
}

/// An attribute of 32-bit numbers, all of which are 0 unless something is wanted.
fn words(w: &mut AttrWriter<'_>, kind: u16, words: &[u32]) {
    if words.iter().any(|word| *word != 0) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        w.bytes(kind, &bytes);
    }
}

fn of_ticks(ticks: u32) -> Duration {
    Duration::from_nanos(u64::from(ticks) * NANOS_PER_TICK)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(0)
}

fn of_nanos(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

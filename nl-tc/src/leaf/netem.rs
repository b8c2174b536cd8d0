use std::fmt;
use std::time::Duration;

use nl_core::attr::{Attr, AttrBuf, AttrWriter, Attrs, DecodeError, Fields};
use nl_core::check::{Invalid, within};
use nl_core::error::Names;

use super::netem_distribution::NetemDistribution;
use super::netem_slot::{NetemSlot, check_jitter, check_nanos, nanos, of_nanos};
use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{NANOS_PER_TICK, Probability, Rate, Time, joined, word};

/// `sizeof(struct tc_netem_qopt)`, `include/uapi/linux/pkt_sched.h`
const QOPT_LEN: usize = 24;
const DEFAULT_LIMIT: u32 = 1000;
/// Of both distributions: options have 64 KiB.
const VALUES_MAX: usize = 32_000;

/// Emulates a network with delay, loss and more (`tc qdisc … netem`).
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
/// A change replaces the whole configuration, except that an unset [rate](Self::rate), [slot](Self::slot), loss model,
/// [distribution](Self::distribution) or [distribution of slots](Self::slot_distribution) stays unchanged.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NetemConfig {
    /// The number of packets queued (`limit`).
    pub limit: u32,
    /// The delay of a packet (`delay TIME`).
    pub delay: Duration,
    /// The maximum deviation from the delay (`delay TIME JITTER`).
    pub jitter: Duration,
    /// The correlation with the last delay (`delay TIME JITTER CORRELATION`).
    pub delay_correlation: Probability,
    /// How the delays are spread. Write only (`delay TIME JITTER distribution`).
    pub distribution: Option<NetemDistribution>,
    /// The packets that are dropped (`loss`).
    pub loss: NetemLoss,
    /// Whether packets are marked instead of dropped (`ecn`).
    pub ecn: bool,
    /// The probability that a packet is sent twice (`duplicate`).
    pub duplicate: Probability,
    /// The correlation with the last duplication (`duplicate PERCENT CORRELATION`).
    pub duplicate_correlation: Probability,
    /// The probability that a packet is sent without delay (`reorder`).
    pub reorder: Probability,
    /// The correlation with the last reordering (`reorder PERCENT CORRELATION`).
    pub reorder_correlation: Probability,
    /// The distance between reordered packets. At least 1 with [`reorder`](Self::reorder) (`gap`).
    pub gap: u32,
    /// The probability that a bit of a packet is flipped (`corrupt`).
    pub corrupt: Probability,
    /// The correlation with the last corruption (`corrupt PERCENT CORRELATION`).
    pub corrupt_correlation: Probability,
    /// The rate limit (`rate`).
    pub rate: Option<NetemRate>,
    /// Slots in which packets are sent together (`slot`).
    pub slot: Option<NetemSlot>,
    /// How the times between [slots](Self::slot) are spread. Write only, so that a configuration with it cannot be written as it was
    /// read (`slot distribution`).
    pub slot_distribution: Option<NetemDistribution>,
    /// The seed of the random numbers, on kernels that support it. Write only (`seed`).
    pub seed: Option<u64>,
    /// The seed in use, which the kernel chose if none was set. Read only: a configuration that is read and written to another
    /// device has random numbers of its own there.
    pub current_seed: Option<u64>,
}

/// The packets that are dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NetemLoss {
    /// Independent or correlated losses (`loss random`).
    #[non_exhaustive]
    Random {
        /// The probability that a packet is dropped.
        probability: Probability,
        /// The correlation with the last packet.
        correlation: Probability,
    },
    /// A Markov chain of four states (`loss state`).
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
    /// The Gilbert-Elliott model (`loss gemodel`).
    GilbertElliott {
        /// From good to bad.
        p: Probability,
        /// From bad to good.
        r: Probability,
        /// Loss in the bad state (`1-h`).
        bad: Probability,
        /// Loss in the good state (`1-k`).
        good: Probability,
    },
}

impl NetemLoss {
    /// No loss.
    pub const NONE: Self = Self::Random { probability: Probability::NEVER, correlation: Probability::NEVER };

    /// Independent losses (`loss PERCENT`).
    #[must_use]
    pub const fn random(probability: Probability) -> Self {
        Self::correlated(probability, Probability::NEVER)
    }

    /// Losses that correlate with the last packet (`loss PERCENT CORRELATION`).
    #[must_use]
    pub const fn correlated(probability: Probability, correlation: Probability) -> Self {
        Self::Random { probability, correlation }
    }
}

/// A rate limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NetemRate {
    /// The rate.
    pub rate: Rate,
    /// Bytes added to every packet. Can be negative.
    pub packet_overhead: i32,
    /// The size of a cell in bytes. 0 for no cells.
    pub cell_size: u32,
    /// Bytes added to every cell. Can be negative.
    pub cell_overhead: i32,
}

impl From<Rate> for NetemRate {
    fn from(rate: Rate) -> Self {
        Self { rate, ..Self::default() }
    }
}

impl NetemConfig {
    /// A qdisc that changes nothing and queues up to 1000 packets.
    #[must_use]
    pub const fn new() -> Self {
        const NEVER: Probability = Probability::NEVER;
        Self {
            limit: DEFAULT_LIMIT,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            delay_correlation: NEVER,
            distribution: None,
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
            slot_distribution: None,
            seed: None,
            current_seed: None,
        }
    }

    setters! {
        /// Sets the number of packets queued (`limit`).
        limit: u32;
        /// Sets the delay, in nanoseconds (`delay`).
        delay: Duration;
        /// Sets the maximum deviation from the delay, up to 2.147483647 s (`delay TIME JITTER`).
        jitter: Duration;
        /// Sets the correlation with the last delay (`delay TIME JITTER CORRELATION`).
        delay_correlation: Probability;
        /// Sets how the delays are spread. Needs a [jitter](Self::jitter) (`delay TIME JITTER distribution`).
        distribution: NetemDistribution => Some;
        /// Sets the packets that are dropped (`loss`).
        loss: NetemLoss;
        /// Sets whether packets are marked instead of dropped (`ecn`).
        ecn: bool;
        /// Sets the probability that a packet is sent twice (`duplicate`).
        duplicate: Probability;
        /// Sets the correlation with the last duplication (`duplicate PERCENT CORRELATION`).
        duplicate_correlation: Probability;
        /// Sets the correlation with the last reordering (`reorder PERCENT CORRELATION`).
        reorder_correlation: Probability;
        /// Sets the distance between reordered packets (`gap`).
        gap: u32;
        /// Sets the probability that a bit of a packet is flipped (`corrupt`).
        corrupt: Probability;
        /// Sets the correlation with the last corruption (`corrupt PERCENT CORRELATION`).
        corrupt_correlation: Probability;
        /// Sets the slots in which packets are sent together (`slot`).
        slot: NetemSlot => Some;
        /// Sets how the times between slots are spread. Needs [`NetemSlot::spread`] (`slot distribution`).
        slot_distribution: NetemDistribution => Some;
        /// Sets the seed of the random numbers (`seed`).
        seed: u64 => Some;
    }

    /// Sets the rate limit (`rate`).
    #[must_use]
    pub fn rate(mut self, rate: impl Into<NetemRate>) -> Self {
        self.rate = Some(rate.into());
        self
    }

    /// Sets the probability that a packet is sent without delay. Needs a [delay](Self::delay). Raises the [gap](Self::gap) to at
    /// least 1, as `tc` does (`reorder`).
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

    /// False if there is more than this type holds.
    fn decode_attr(&mut self, attr: Attr<'_>, rate64: &mut Option<u64>) -> Result<bool, DecodeError> {
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
            TCA_NETEM_DELAY_DIST => self.distribution = Some(NetemDistribution::decode(attr)?),
            TCA_NETEM_REORDER => {
                let mut f = attr.fields();
                (self.reorder, self.reorder_correlation) = (probability(&mut f)?, probability(&mut f)?);
            }
            TCA_NETEM_CORRUPT => {
                let mut f = attr.fields();
                (self.corrupt, self.corrupt_correlation) = (probability(&mut f)?, probability(&mut f)?);
            }
            TCA_NETEM_LOSS => return self.decode_loss(attr.attrs()),
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
            TCA_NETEM_LATENCY64 => match of_nanos(attr.i64()?) {
                Some(delay) => self.delay = delay,
                None => return Ok(false),
            },
            TCA_NETEM_JITTER64 => match of_nanos(attr.i64()?) {
                Some(jitter) => self.jitter = jitter,
                None => return Ok(false),
            },
            TCA_NETEM_SLOT => match NetemSlot::decode(attr)? {
                Some(slot) => self.slot = Some(slot),
                None => return Ok(false),
            },
            TCA_NETEM_SLOT_DIST => self.slot_distribution = Some(NetemDistribution::decode(attr)?),
            TCA_NETEM_PRNG_SEED => self.current_seed = Some(attr.u64()?),
            TCA_NETEM_PAD => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn decode_loss(&mut self, models: Attrs<'_>) -> Result<bool, DecodeError> {
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
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl Default for NetemConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Config for NetemConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        if has_two_losses(options) {
            return Ok(None);
        }
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
            if !c.decode_attr(attr?, &mut rate64)? {
                return Ok(None);
            }
        }
        if let (Some(rate), Some(_)) = (&mut c.rate, rate64) {
            rate.rate = joined(rate.rate, rate64);
        }
        // The kernel reports a rate of 0 and slots of no time if there are none.
        let unlimited = NetemRate { rate: Rate::ZERO, packet_overhead: 0, cell_size: 0, cell_overhead: 0 };
        match c.rate {
            Some(rate) if rate == unlimited => c.rate = None,
            // Nothing uses these sizes, but they would be lost.
            Some(rate) if rate.rate.is_zero() => return Ok(None),
            _ => {}
        }
        c.slot = c.slot.filter(|slot| *slot != NetemSlot::default());
        Ok(Some(c))
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
        if let Some(distribution) = &self.distribution {
            a.bytes(TCA_NETEM_DELAY_DIST, &distribution.bytes());
        }
        match self.loss {
            NetemLoss::Random { .. } => {}
            NetemLoss::State { p13, p31, p32, p14, p23 } => {
                let mut nest = a.nested(TCA_NETEM_LOSS);
                words(&mut nest, NETEM_LOSS_GI, &[p13.0, p31.0, p32.0, p14.0, p23.0]);
            }
            NetemLoss::GilbertElliott { p, r, bad, good } => {
                let mut nest = a.nested(TCA_NETEM_LOSS);
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
            a.opt(TCA_NETEM_RATE64, rate.wide(), AttrWriter::u64);
        }
        if self.ecn {
            a.u32(TCA_NETEM_ECN, 1);
        }
        for (kind, time) in [(TCA_NETEM_LATENCY64, self.delay), (TCA_NETEM_JITTER64, self.jitter)] {
            // The fields in ticks of 64 ns stay 0.
            if !time.is_zero() {
                a.u64(kind, nanos(time));
            }
        }
        if let Some(slot) = self.slot {
            a.bytes(TCA_NETEM_SLOT, &slot.bytes());
        }
        if let Some(distribution) = &self.slot_distribution {
            a.bytes(TCA_NETEM_SLOT_DIST, &distribution.bytes());
        }
        a.opt(TCA_NETEM_PRNG_SEED, self.seed, AttrWriter::u64);
        // All of these fit.
        bytes.extend(attrs.finish().unwrap_or_default());
        w.bytes(TCA_OPTIONS, &bytes);
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        check_nanos("delay", self.delay)?;
        check_jitter("jitter", self.jitter)?;
        let steady = self.distribution.is_some() && self.jitter.is_zero();
        Invalid::when(steady, "a distribution needs a jitter, which it spreads")?;
        let tables = [&self.distribution, &self.slot_distribution].map(Option::as_ref);
        tables.iter().flatten().try_for_each(|table| table.check())?;
        let values: usize = tables.iter().flatten().map(|table| table.values().len()).sum();
        within("values of both distributions", values, 0, VALUES_MAX)?;
        let slots = self.slot.is_some() || self.slot_distribution.is_none();
        Invalid::when(!slots, "a slot distribution needs slots, whose times it spreads")?;
        self.slot.map_or(Ok(()), |slot| slot.check(self.slot_distribution.as_ref()))?;
        self.rate.map_or(Ok(()), |rate| rate.rate.check("rate"))?;
        let reorders = self.reorder != Probability::NEVER;
        Invalid::when(reorders && self.delay.is_zero(), "reorder needs a delay")?;
        Invalid::when(reorders && self.gap == 0, "reorder with gap 0; 1 is the minimum")?;
        Invalid::when(!reorders && self.gap != 0, "gap needs reorder")?;
        let loses = !matches!(self.loss, NetemLoss::Random { probability: Probability::NEVER, .. });
        Invalid::when(self.ecn && !loses, "ecn needs loss, which it replaces")
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self {
            distribution: current.distribution.clone(),
            rate: self.rate.or(current.rate),
            slot: self.slot.or(current.slot),
            slot_distribution: current.slot_distribution.clone(),
            seed: None,
            current_seed: self.seed.or(current.current_seed),
            ..self.clone()
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "limit", Some(self.limit))?;
        if !self.delay.is_zero() {
            write!(f, " delay {}", Time(self.delay))?;
            if !self.jitter.is_zero() {
                write!(f, " {}", Time(self.jitter))?;
                correlated(f, self.delay_correlation)?;
                word(f, "distribution", self.distribution.as_ref())?;
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
        word(f, "gap", Some(self.gap).filter(|gap| *gap > 1))?;
        if let Some(NetemRate { rate, packet_overhead, cell_size, cell_overhead }) = self.rate {
            write!(f, " rate {rate}")?;
            if (packet_overhead, cell_size, cell_overhead) != (0, 0, 0) {
                write!(f, " {packet_overhead} {cell_size} {cell_overhead}")?;
            }
        }
        if let Some(slot) = self.slot {
            slot.write(self.slot_distribution.as_ref(), f)?;
        }
        word(f, "seed", self.seed.or(self.current_seed))
    }
}

/// Whether there are random losses beside a model of them, which are not held.
fn has_two_losses(options: &[u8]) -> bool {
    let Some((head, rest)) = options.split_first_chunk::<QOPT_LEN>() else { return false };
    let is_set = |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0));
    let (mut model, mut random) = (false, is_set(head.get(8..12)));
    for attr in Attrs::new(rest).map_while(Result::ok) {
        match attr.kind() {
            TCA_NETEM_LOSS => model = true,
            TCA_NETEM_CORR => random |= is_set(attr.value().get(4..8)),
            _ => {}
        }
    }
    model && random
}

fn correlated(f: &mut fmt::Formatter<'_>, correlation: Probability) -> fmt::Result {
    if correlation == Probability::NEVER { Ok(()) } else { write!(f, " {correlation}") }
}

fn probability(f: &mut Fields<'_>) -> Result<Probability, DecodeError> {
    f.u32().map(Probability)
}

/// Writes an attribute of 32-bit numbers, unless all of them are 0.
fn words(w: &mut AttrWriter<'_>, kind: u16, words: &[u32]) {
    if words.iter().any(|word| *word != 0) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        w.bytes(kind, &bytes);
    }
}

fn of_ticks(ticks: u32) -> Duration {
    Duration::from_nanos(u64::from(ticks) * NANOS_PER_TICK)
}

// `include/uapi/linux/pkt_sched.h`. They follow `struct tc_netem_qopt`. The kernel reports no offset among them.
kind_names! {
    TCA_NETEM_CORR = 1,
    TCA_NETEM_DELAY_DIST = 2,
    TCA_NETEM_REORDER = 3,
    TCA_NETEM_CORRUPT = 4,
    TCA_NETEM_LOSS = 5 { NETEM_LOSS_GI = 1, NETEM_LOSS_GE = 2 },
    TCA_NETEM_RATE = 6,
    TCA_NETEM_ECN = 7,
    TCA_NETEM_RATE64 = 8,
    TCA_NETEM_PAD = 9,
    TCA_NETEM_LATENCY64 = 10,
    TCA_NETEM_JITTER64 = 11,
    TCA_NETEM_SLOT = 12,
    TCA_NETEM_SLOT_DIST = 13,
    TCA_NETEM_PRNG_SEED = 14,
}

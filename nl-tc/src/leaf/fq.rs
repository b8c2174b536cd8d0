use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, opt_within, within};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Rate, Size, Time, micros, word};

const QUANTUM_MAX: u32 = 1 << 20;
/// `ilog2(256 * 1024)`, `net/sched/sch_fq.c`
const BUCKETS_LOG_MAX: u32 = 18;
/// Bands, from Linux 6.7 on.
const BANDS: u8 = 3;
/// `TC_PRIO_MAX` + 1, `include/uapi/linux/pkt_sched.h`
const PRIORITIES: usize = 16;
/// `sizeof(struct tc_prio_qopt)`
const PRIO_LEN: usize = 20;
const WEIGHT_MIN: i32 = 16_384;
/// The kernel counts the delay in timer ticks, of 10 ms at most.
const TICK_MAX: Duration = Duration::from_millis(10);

/// Fair queueing with pacing, for the traffic of this host (`tc qdisc … fq`).
///
/// ```
/// use nl_tc::Rate;
/// use nl_tc::leaf::FqConfig;
///
/// // tc qdisc add … fq maxrate 100mbit flow_limit 200
/// let qdisc = FqConfig::new().max_rate(Rate::mbit(100)).flow_limit(200);
/// ```
///
/// Unset options use the kernel's defaults in a new qdisc, and stay unchanged in a change. Needs the module `sch_fq`.
/// [`FqStats`](crate::stats::FqStats) are its counters. Header: `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FqConfig {
    /// The number of packets queued (`limit`).
    pub limit: Option<u32>,
    /// The number of packets queued per flow (`flow_limit`).
    pub flow_limit: Option<u32>,
    /// The number of bytes that a flow sends per round, 1 to 1048576 (`quantum`).
    pub quantum: Option<u32>,
    /// The number of bytes that a new flow sends at once (`initial_quantum`).
    pub initial_quantum: Option<u32>,
    /// Whether the rates that sockets ask for are kept (`pacing`, `nopacing`).
    pub pacing: Option<bool>,
    /// The highest rate of a flow, up to 34.3 Gbit/s. [`FqConfig::UNLIMITED`] for none (`maxrate`).
    pub max_rate: Option<Rate>,
    /// The number of buckets, as a power of two, 1 to 18: `buckets 1024` of `tc` is 10 here (`buckets`).
    pub buckets_log: Option<u32>,
    /// The time after which the credit of an idle flow is full, in whole microseconds (`refill_delay`).
    pub refill_delay: Option<Duration>,
    /// The bits of the hash of packets without a socket (`orphan_mask`).
    pub orphan_mask: Option<u32>,
    /// The rate below which a packet waits for its time one by one, up to 34.3 Gbit/s (`low_rate_threshold`).
    pub low_rate_threshold: Option<Rate>,
    /// The delay above which packets are marked, in whole microseconds (`ce_threshold`).
    pub ce_threshold: Option<Duration>,
    /// How much earlier a packet can be sent, up to 4.29 s (`timer_slack`).
    pub timer_slack: Option<Duration>,
    /// How far ahead the time of a packet can be, in whole microseconds (`horizon`).
    pub horizon: Option<Duration>,
    /// Whether packets beyond the horizon are dropped rather than sent earlier (`horizon_drop`, `horizon_cap`).
    pub horizon_drop: Option<bool>,
    /// The band of each of the 16 priorities, 0 to 2. Linux 6.7 and newer (`priomap`).
    pub priomap: Option<[u8; PRIORITIES]>,
    /// The bytes that each band sends per round, at least 16384. Linux 6.7 and newer (`weights`).
    pub weights: Option<[i32; 3]>,
    /// How early a packet is handed to a device that delays packets itself, in whole microseconds, up to what the device can. Linux 6.13
    /// and newer; an older kernel ignores it (`offload_horizon`).
    pub offload_horizon: Option<Duration>,
}

impl FqConfig {
    /// No limit of the rate of a flow.
    pub const UNLIMITED: Rate = Rate::bps(0xffff_ffff);

    /// A qdisc with the kernel's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the number of packets queued (`limit`).
        limit: u32 => Some;
        /// Sets the number of packets queued per flow (`flow_limit`).
        flow_limit: u32 => Some;
        /// Sets the number of bytes that a flow sends per round, 1 to 1048576 (`quantum`).
        quantum: impl Into<Size> => Size::some;
        /// Sets the number of bytes that a new flow sends at once (`initial_quantum`).
        initial_quantum: impl Into<Size> => Size::some;
        /// Sets whether the rates that sockets ask for are kept (`pacing`, `nopacing`).
        pacing: bool => Some;
        /// Sets the highest rate of a flow, [`FqConfig::UNLIMITED`] for none (`maxrate`).
        max_rate: Rate => Some;
        /// Sets the number of buckets, as a power of two, 1 to 18 (`buckets`).
        buckets_log: u32 => Some;
        /// Sets the time after which the credit of an idle flow is full (`refill_delay`).
        refill_delay: Duration => Some;
        /// Sets the bits of the hash of packets without a socket (`orphan_mask`).
        orphan_mask: u32 => Some;
        /// Sets the rate below which a packet waits for its time one by one (`low_rate_threshold`).
        low_rate_threshold: Rate => Some;
        /// Sets the delay above which packets are marked (`ce_threshold`).
        ce_threshold: Duration => Some;
        /// Sets how much earlier a packet can be sent (`timer_slack`).
        timer_slack: Duration => Some;
        /// Sets how far ahead the time of a packet can be (`horizon`).
        horizon: Duration => Some;
        /// Sets whether packets beyond the horizon are dropped rather than sent earlier (`horizon_drop`, `horizon_cap`).
        horizon_drop: bool => Some;
        /// Sets the band of each of the 16 priorities, 0 to 2. Linux 6.7 and newer (`priomap`).
        priomap: [u8; PRIORITIES] => Some;
        /// Sets the bytes that each band sends per round, at least 16384. Linux 6.7 and newer (`weights`).
        weights: [i32; 3] => Some;
        /// Sets how early a packet is handed to a device that delays packets itself, up to what the device can. Linux 6.13 and newer; an
        /// older kernel ignores it (`offload_horizon`).
        offload_horizon: Duration => Some;
    }

    fn numbers(&self) -> [(u16, Option<u32>); 7] {
        [
            (TCA_FQ_PLIMIT, self.limit),
            (TCA_FQ_FLOW_PLIMIT, self.flow_limit),
            (TCA_FQ_QUANTUM, self.quantum),
            (TCA_FQ_INITIAL_QUANTUM, self.initial_quantum),
            (TCA_FQ_RATE_ENABLE, self.pacing.map(u32::from)),
            (TCA_FQ_BUCKETS_LOG, self.buckets_log),
            (TCA_FQ_ORPHAN_MASK, self.orphan_mask),
        ]
    }

    fn rates(&self) -> [(u16, &'static str, Option<Rate>); 2] {
        [
            (TCA_FQ_FLOW_MAX_RATE, "maxrate", self.max_rate),
            (TCA_FQ_LOW_RATE_THRESHOLD, "low_rate_threshold", self.low_rate_threshold),
        ]
    }

    fn times(&self) -> [(u16, &'static str, Option<Duration>); 4] {
        [
            (TCA_FQ_FLOW_REFILL_DELAY, "refill_delay", self.refill_delay),
            (TCA_FQ_CE_THRESHOLD, "ce_threshold", self.ce_threshold),
            (TCA_FQ_HORIZON, "horizon", self.horizon),
            (TCA_FQ_OFFLOAD_HORIZON, "offload_horizon", self.offload_horizon),
        ]
    }
}

impl Config for FqConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut c = Self::new();
        for attr in Attrs::new(options) {
            let attr = attr?;
            let time = || attr.u32().map(|micros| Some(Duration::from_micros(micros.into())));
            let rate = || attr.u32().map(|bytes| Some(Rate::bps(bytes.into())));
            match attr.kind() {
                TCA_FQ_PLIMIT => c.limit = Some(attr.u32()?),
                TCA_FQ_FLOW_PLIMIT => c.flow_limit = Some(attr.u32()?),
                TCA_FQ_QUANTUM => c.quantum = Some(attr.u32()?),
                TCA_FQ_INITIAL_QUANTUM => c.initial_quantum = Some(attr.u32()?),
                TCA_FQ_RATE_ENABLE => c.pacing = Some(attr.u32()? != 0),
                TCA_FQ_FLOW_MAX_RATE => c.max_rate = rate()?,
                TCA_FQ_BUCKETS_LOG => c.buckets_log = Some(attr.u32()?),
                TCA_FQ_FLOW_REFILL_DELAY => c.refill_delay = time()?,
                TCA_FQ_ORPHAN_MASK => c.orphan_mask = Some(attr.u32()?),
                TCA_FQ_LOW_RATE_THRESHOLD => c.low_rate_threshold = rate()?,
                TCA_FQ_CE_THRESHOLD => c.ce_threshold = time()?,
                TCA_FQ_TIMER_SLACK => c.timer_slack = Some(Duration::from_nanos(attr.u32()?.into())),
                TCA_FQ_HORIZON => c.horizon = time()?,
                TCA_FQ_OFFLOAD_HORIZON => c.offload_horizon = time()?,
                TCA_FQ_HORIZON_DROP => c.horizon_drop = Some(attr.u8()? != 0),
                TCA_FQ_PRIOMAP => {
                    let mut f = attr.fields();
                    f.skip(PRIO_LEN - PRIORITIES)?;
                    c.priomap = Some(f.array()?);
                }
                TCA_FQ_WEIGHTS => {
                    let mut f = attr.fields();
                    c.weights = Some([f.i32()?, f.i32()?, f.i32()?]);
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(c))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        for (kind, value) in self.numbers() {
            options.opt(kind, value, AttrWriter::u32);
        }
        for (kind, _, rate) in self.rates() {
            options.opt(kind, rate.map(narrow), AttrWriter::u32);
        }
        for (kind, name, time) in self.times() {
            options.opt(kind, time.and_then(|time| micros(name, time).ok()), AttrWriter::u32);
        }
        // `check` refuses more.
        let slack = self.timer_slack.map(|slack| u32::try_from(slack.as_nanos()).unwrap_or(u32::MAX));
        options.opt(TCA_FQ_TIMER_SLACK, slack, AttrWriter::u32);
        options.opt(TCA_FQ_HORIZON_DROP, self.horizon_drop.map(u8::from), AttrWriter::u8);
        if let Some(priomap) = &self.priomap {
            let mut bytes = i32::from(BANDS).to_ne_bytes().to_vec();
            bytes.extend_from_slice(priomap);
            options.bytes(TCA_FQ_PRIOMAP, &bytes);
        }
        if let Some(weights) = self.weights {
            options.bytes(TCA_FQ_WEIGHTS, weights.map(i32::to_ne_bytes).as_flattened());
        }
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        opt_within("quantum", self.quantum, 1, QUANTUM_MAX)?;
        opt_within("buckets_log", self.buckets_log, 1, BUCKETS_LOG_MAX)?;
        for (_, name, rate) in self.rates() {
            let bytes = rate.map(Rate::bytes_per_second);
            opt_within(&format!("{name} in bytes per second"), bytes, 0, u32::MAX.into())?;
        }
        self.times()
            .into_iter()
            .try_for_each(|(_, name, time)| time.map_or(Ok(()), |time| micros(name, time).map(drop)))?;
        if let Some(slack) = self.timer_slack.filter(|slack| u32::try_from(slack.as_nanos()).is_err()) {
            return Err(format!("timer_slack {slack:?}; 4.294967295s are possible").into());
        }
        let mut bands = self.priomap.iter().flatten();
        bands.try_for_each(|band| within("priomap band", *band, 0, BANDS - 1))?;
        let mut weights = self.weights.iter().flatten();
        weights.try_for_each(|weight| within("weight", *weight, WEIGHT_MIN, i32::MAX))
    }

    fn as_read_back(&self, current: &Self) -> Self {
        // The kernel rounds to a timer tick, whose length it does not say.
        let refill_delay = match (self.refill_delay, current.refill_delay) {
            (Some(desired), Some(is)) if desired.abs_diff(is) < TICK_MAX => Some(is),
            (desired, is) => desired.or(is),
        };
        Self {
            limit: self.limit.or(current.limit),
            flow_limit: self.flow_limit.or(current.flow_limit),
            quantum: self.quantum.or(current.quantum),
            initial_quantum: self.initial_quantum.or(current.initial_quantum),
            pacing: self.pacing.or(current.pacing),
            max_rate: self.max_rate.or(current.max_rate),
            buckets_log: self.buckets_log.or(current.buckets_log),
            refill_delay,
            orphan_mask: self.orphan_mask.or(current.orphan_mask),
            low_rate_threshold: self.low_rate_threshold.or(current.low_rate_threshold),
            ce_threshold: self.ce_threshold.or(current.ce_threshold),
            timer_slack: self.timer_slack.or(current.timer_slack),
            horizon: self.horizon.or(current.horizon),
            horizon_drop: self.horizon_drop.or(current.horizon_drop),
            priomap: self.priomap.or(current.priomap),
            weights: self.weights.or(current.weights),
            offload_horizon: self.offload_horizon.or(current.offload_horizon),
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "limit", self.limit)?;
        word(f, "flow_limit", self.flow_limit)?;
        let buckets = self.buckets_log.and_then(|log| 1_u32.checked_shl(log));
        word(f, "buckets", buckets)?;
        word(f, "orphan_mask", self.orphan_mask)?;
        word(f, "quantum", self.quantum)?;
        word(f, "initial_quantum", self.initial_quantum)?;
        self.rates().into_iter().try_for_each(|(_, name, rate)| word(f, name, rate))?;
        self.times().into_iter().try_for_each(|(_, name, time)| word(f, name, time.map(Time)))?;
        word(f, "timer_slack", self.timer_slack.map(Time))?;
        match self.pacing {
            Some(true) => f.write_str(" pacing")?,
            Some(false) => f.write_str(" nopacing")?,
            None => {}
        }
        match self.horizon_drop {
            Some(true) => f.write_str(" horizon_drop")?,
            Some(false) => f.write_str(" horizon_cap")?,
            None => {}
        }
        if let Some(priomap) = &self.priomap {
            write!(f, " bands {BANDS} priomap")?;
            priomap.iter().try_for_each(|band| write!(f, " {band}"))?;
        }
        if let Some(weights) = &self.weights {
            f.write_str(" weights")?;
            weights.iter().try_for_each(|weight| write!(f, " {weight}"))?;
        }
        Ok(())
    }
}

/// A rate for a field of 32 bits. `check` refuses more.
fn narrow(rate: Rate) -> u32 {
    u32::try_from(rate.bytes_per_second()).unwrap_or(u32::MAX)
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_FQ_PLIMIT = 1,
    TCA_FQ_FLOW_PLIMIT = 2,
    TCA_FQ_QUANTUM = 3,
    TCA_FQ_INITIAL_QUANTUM = 4,
    TCA_FQ_RATE_ENABLE = 5,
    TCA_FQ_FLOW_MAX_RATE = 7,
    TCA_FQ_BUCKETS_LOG = 8,
    TCA_FQ_FLOW_REFILL_DELAY = 9,
    TCA_FQ_ORPHAN_MASK = 10,
    TCA_FQ_LOW_RATE_THRESHOLD = 11,
    TCA_FQ_CE_THRESHOLD = 12,
    TCA_FQ_TIMER_SLACK = 13,
    TCA_FQ_HORIZON = 14,
    TCA_FQ_HORIZON_DROP = 15,
    TCA_FQ_PRIOMAP = 16,
    TCA_FQ_WEIGHTS = 17,
    TCA_FQ_OFFLOAD_HORIZON = 18,
}

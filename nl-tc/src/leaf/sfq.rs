use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, DecodeError, Fields};
use nl_core::check::{Invalid, opt_within};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::{NAMES, TCA_OPTIONS};
use crate::setters::setters;
use crate::units::{Size, word};

/// `sizeof(struct tc_sfq_qopt_v1)`, which begins with `struct tc_sfq_qopt`: `include/uapi/linux/pkt_sched.h`
const QOPT_V1_LEN: usize = 72;
/// `sizeof(struct tc_sfqred_stats)`
const RED_STATS_LEN: usize = 24;
// `net/sched/sch_sfq.c`: the kernel lowers larger numbers to these.
const DEPTH_MAX: u32 = 127;
const FLOWS_MAX: u32 = 65_408;
const DEFAULT_FLOWS: u32 = 128;
const DIVISOR_MAX: u32 = 65_536;

/// Stochastic fairness queueing (`tc qdisc … sfq`).
///
/// Unset options use the kernel's defaults in a new qdisc, and stay unchanged in a change. [`perturb`](Self::perturb) and
/// [`headdrop`](Self::headdrop) are always sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SfqConfig {
    /// The number of bytes that a flow sends per round, up to 2³¹−1 (`quantum`).
    pub quantum: Option<u32>,
    /// How often the hash function changes, in whole seconds. 0 for never (`perturb`).
    pub perturb: Duration,
    /// The number of packets queued, at least 2 (`limit`).
    pub limit: Option<u32>,
    /// The size of the hash table, a power of two up to 65536 (`divisor`).
    pub divisor: Option<u32>,
    /// The number of flows, 1 to 65408. At most the limit and the size of the hash table (`flows`).
    pub flows: Option<u32>,
    /// The number of packets queued per flow, 1 to 127 (`depth`).
    pub depth: Option<u32>,
    /// Whether the oldest packet of a flow is dropped instead of the newest (`headdrop`).
    pub headdrop: bool,
    /// Early drops within a flow, as the kernel stores them (`redflowlimit` and more).
    pub red: Option<SfqRed>,
}

/// Early drops of SFQ, as the kernel stores them (`struct tc_sfq_qopt_v1`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SfqRed {
    /// The number of bytes queued per flow.
    pub limit: u32,
    /// The average queue length in bytes above which some packets are dropped, at least 1.
    pub min: u32,
    /// The average queue length in bytes above which all packets are dropped.
    pub max: u32,
    /// The weight of a packet in the average, as a power of two.
    pub wlog: u8,
    /// The logarithm of the scale of the probability.
    pub plog: u8,
    /// The logarithm of the cell size for idle time.
    pub scell_log: u8,
    /// `TC_RED_*` flags.
    pub flags: u8,
    /// The maximum probability, in 2³² steps.
    pub max_probability: u32,
}

impl SfqConfig {
    /// A qdisc with the kernel's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the number of bytes that a flow sends per round (`quantum`).
        quantum: impl Into<Size> => Size::some;
        /// Sets how often the hash function changes (`perturb`).
        perturb: Duration;
        /// Sets the number of packets queued (`limit`).
        limit: u32 => Some;
        /// Sets the size of the hash table (`divisor`).
        divisor: u32 => Some;
        /// Sets the number of flows (`flows`).
        flows: u32 => Some;
        /// Sets the number of packets queued per flow (`depth`).
        depth: u32 => Some;
        /// Sets whether the oldest packet is dropped instead of the newest (`headdrop`).
        headdrop: bool;
        /// Sets the early drops within a flow.
        red: SfqRed => Some;
    }
}

impl Config for SfqConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut f = Fields::of_attr(TCA_OPTIONS, options);
        let set = |n: u32| (n != 0).then_some(n);
        let quantum = set(f.u32()?);
        // No negative time is held.
        let Ok(perturb) = u64::try_from(f.i32()?).map(Duration::from_secs) else { return Ok(None) };
        let (limit, divisor, flows) = (set(f.u32()?), set(f.u32()?), set(f.u32()?));
        let mut config = Self { quantum, perturb, limit, divisor, flows, ..Self::default() };
        if options.len() >= QOPT_V1_LEN {
            config.depth = set(f.u32()?);
            config.headdrop = f.u32()? != 0;
            let red = SfqRed {
                limit: f.u32()?,
                min: f.u32()?,
                max: f.u32()?,
                wlog: f.u8()?,
                plog: f.u8()?,
                scell_log: f.u8()?,
                flags: f.u8()?,
                max_probability: f.u32()?,
            };
            config.red = (red.min != 0).then_some(red);
        }
        // The counters of the early drops.
        Ok((f.rest().len() <= RED_STATS_LEN).then_some(config))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let red = self.red.unwrap_or_default();
        let seconds = u32::try_from(self.perturb.as_secs()).unwrap_or(0);
        let words = [self.quantum, Some(seconds), self.limit, self.divisor, self.flows, self.depth];
        let mut bytes: Vec<u8> = words.into_iter().flat_map(|word| word.unwrap_or(0).to_ne_bytes()).collect();
        for word in [u32::from(self.headdrop), red.limit, red.min, red.max] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(&[red.wlog, red.plog, red.scell_log, red.flags]);
        bytes.extend_from_slice(&red.max_probability.to_ne_bytes());
        bytes.resize(QOPT_V1_LEN, 0);
        w.bytes(TCA_OPTIONS, &bytes);
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        opt_within("quantum", self.quantum, 1, i32::MAX.unsigned_abs())?;
        opt_within("limit", self.limit, 2, u32::MAX)?;
        opt_within("divisor", self.divisor, 1, DIVISOR_MAX)?;
        opt_within("flows", self.flows, 1, FLOWS_MAX)?;
        opt_within("depth", self.depth, 1, DEPTH_MAX)?;
        if let Some(divisor) = self.divisor.filter(|divisor| !divisor.is_power_of_two()) {
            return Err(format!("divisor {divisor}; powers of two up to {DIVISOR_MAX} are possible").into());
        }
        // The kernel lowers a larger limit to this product. A change does not know the current values.
        let given = |n: Option<u32>, default| n.or(verb.creates().then_some(default));
        let (flows, depth) = (given(self.flows, DEFAULT_FLOWS), given(self.depth, DEPTH_MAX));
        if let (Some(limit), Some(flows), Some(depth)) = (self.limit, flows, depth) {
            let room = depth * flows;
            if limit > room {
                return Err(format!("limit {limit}; up to flows times depth, {room}, are possible").into());
            }
        }
        if self.perturb.subsec_nanos() != 0 || i32::try_from(self.perturb.as_secs()).is_err() {
            let limit = i32::MAX;
            return Err(
                format!("perturb {:?}; whole seconds up to {limit} are possible", self.perturb).into()
            );
        }
        opt_within("red min", self.red.map(|red| red.min), 1, u32::MAX)
    }

    fn as_read_back(&self, current: &Self) -> Self {
        let (limit, divisor) = (self.limit.or(current.limit), self.divisor.or(current.divisor));
        let room = limit.unwrap_or(u32::MAX).min(divisor.unwrap_or(u32::MAX));
        Self {
            quantum: self.quantum.or(current.quantum),
            perturb: self.perturb,
            limit,
            divisor,
            flows: self.flows.map(|flows| flows.min(room)).or(current.flows),
            depth: self.depth.or(current.depth),
            headdrop: self.headdrop,
            red: self.red.or(current.red),
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "limit", self.limit)?;
        word(f, "quantum", self.quantum)?;
        word(f, "divisor", self.divisor)?;
        word(f, "flows", self.flows)?;
        word(f, "depth", self.depth)?;
        word(f, "perturb", Some(self.perturb.as_secs()).filter(|_| !self.perturb.is_zero()))?;
        f.write_str(if self.headdrop { " headdrop" } else { "" })
    }
}

use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, DecodeError, Fields};
use nl_core::error::Names;

use crate::TcVerb;
use crate::kind::{Config, setters, within};
use crate::message::{PLAIN, TCA_OPTIONS};
use crate::units::{Refusal, Size};

/// `struct tc_sfq_qopt`, of which `struct tc_sfq_qopt_v1` is a longer form: `include/uapi/linux/pkt_sched.h`.
const QOPT_V1_LEN: usize = 72;
// `net/sched/sch_sfq.c`: the kernel moves larger numbers to these.
const DEPTH_MAX: u32 = 127;
const FLOWS_MAX: u32 = 65_408;
const DEFAULT_FLOWS: u32 = 128;
const DIVISOR_MAX: u32 = 65_536;

/// Stochastic fairness queueing (`tc qdisc … sfq`).
///
/// What is not given is as the kernel has it, or stays as it is when changed; but [`perturb`](Self::perturb) and
/// [`headdrop`](Self::headdrop) are always said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SfqConfig {
    /// Bytes a flow sends in its turn, up to 2³¹−1 (`quantum`).
    pub quantum: Option<u32>,
    /// How often flows are told apart anew, in whole seconds; 0 for never (`perturb`).
    pub perturb: Duration,
    /// Packets held, at least 2 (`limit`).
    pub limit: Option<u32>,
    /// Size of the hash table, a power of two up to 65536 (`divisor`).
    pub divisor: Option<u32>,
    /// Flows told apart, 1 to 65408, but no more than there are packets and places in the hash table (`flows`).
    pub flows: Option<u32>,
    /// Packets held of a flow, 1 to 127 (`depth`).
    pub depth: Option<u32>,
    /// Drops the oldest packet of a flow and not the newest (`headdrop`).
    pub headdrop: bool,
    /// Early drops within a flow; read and written as it is (`redflowlimit` and more).
    pub red: Option<SfqRed>,
}

/// Early drops of SFQ, as the kernel has them (`struct tc_sfq_qopt_v1`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SfqRed {
    /// Bytes held of a flow.
    pub limit: u32,
    /// Bytes from which packets are dropped at times; at least 1.
    pub min: u32,
    /// Bytes from which packets are always dropped.
    pub max: u32,
    /// The weight of a packet in the average, as a power of two.
    pub wlog: u8,
    /// The logarithm of the probability's scale.
    pub plog: u8,
    /// The logarithm of the cells that idle time is reckoned in.
    pub scell_log: u8,
    /// `TC_RED_*` flags.
    pub flags: u8,
    /// The largest probability, in 2³² steps.
    pub max_probability: u32,
}

impl SfqConfig {
    /// As the kernel has it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Tells flows apart anew this often (`perturb`).
        perturb: Duration;
        /// Holds this many packets (`limit`).
        limit: u32 => Some;
        /// Uses a hash table of this size (`divisor`).
        divisor: u32 => Some;
        /// Tells this many flows apart (`flows`).
        flows: u32 => Some;
        /// Holds this many packets of a flow (`depth`).
        depth: u32 => Some;
        /// Drops the oldest packet, or the newest (`headdrop`).
        headdrop: bool;
        /// Drops packets early.
        red: SfqRed => Some;
    }

    /// Sends this many bytes of a flow in its turn (`quantum`).
    #[must_use]
    pub fn quantum(mut self, quantum: impl Into<Size>) -> Self {
        self.quantum = Some(quantum.into().0);
        self
    }
}

impl Config for SfqConfig {
    const NAMES: &'static Names = &PLAIN;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let mut f = Fields::of_attr(TCA_OPTIONS, options);
        let set = |n: u32| (n != 0).then_some(n);
        let quantum = set(f.u32()?);
        let perturb = Duration::from_secs(u64::try_from(f.i32()?).unwrap_or(0));
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
        Ok(config)
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

    fn refusal(&self, verb: TcVerb) -> Refusal {
        let bounds = [
            ("quantum", self.quantum, 1, i32::MAX.unsigned_abs()),
            ("limit", self.limit, 2, u32::MAX),
            ("divisor", self.divisor, 1, DIVISOR_MAX),
            ("flows", self.flows, 1, FLOWS_MAX),
            ("depth", self.depth, 1, DEPTH_MAX),
        ];
        bounds
            .into_iter()
            .find_map(|(name, value, low, high)| within(name, value?, low, high))
            .or_else(|| {
                let divisor = self.divisor.filter(|divisor| !divisor.is_power_of_two())?;
                Some(format!("divisor {divisor}; powers of two up to {DIVISOR_MAX} are possible").into())
            })
            .or_else(|| {
                // The kernel moves a larger limit to this; what is there already is not known when changing.
                let given = |n: Option<u32>, default| n.or(verb.creates().then_some(default));
                let (flows, depth) = (given(self.flows, DEFAULT_FLOWS)?, given(self.depth, DEPTH_MAX)?);
                let (limit, room) = (self.limit?, depth * flows);
                (limit > room).then(|| format!("limit {limit}; flows times depth is {room}").into())
            })
            .or_else(|| match (self.perturb.subsec_nanos(), i32::try_from(self.perturb.as_secs())) {
                (0, Ok(_)) => None,
                _ => Some(
                    format!("perturb {:?}; whole seconds up to {} are possible", self.perturb, i32::MAX)
                        .into(),
                ),
            })
            .or_else(|| (self.red?.min == 0).then(|| "red min 0; 1 is the least".into()))
    }

    fn kept(&self, current: &Self) -> Self {
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

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = [
            ("limit", self.limit),
            ("quantum", self.quantum),
            ("divisor", self.divisor),
            ("flows", self.flows),
            ("depth", self.depth),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        if !self.perturb.is_zero() {
            write!(f, " perturb {}", self.perturb.as_secs())?;
        }
        f.write_str(if self.headdrop { " headdrop" } else { "" })
    }
}

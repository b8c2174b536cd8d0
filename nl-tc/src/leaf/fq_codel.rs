use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::error::Names;

use crate::TcVerb;
use crate::kind::{Config, setters, within};
use crate::message::TCA_OPTIONS;
use crate::units::{Refusal, Size, Time, micros};

// `include/uapi/linux/pkt_sched.h`
const FLOWS_MAX: u32 = 65_536;
/// The kernel moves a smaller quantum to this.
const QUANTUM_MIN: u32 = 256;
const QUANTUM_MAX: u32 = 1 << 20;
/// The kernel moves a larger memory limit to this.
const MEMORY_MAX: u32 = 1 << 31;

attr_names! { OPTIONS {
    TCA_FQ_CODEL_TARGET = 1,
    TCA_FQ_CODEL_LIMIT = 2,
    TCA_FQ_CODEL_INTERVAL = 3,
    TCA_FQ_CODEL_ECN = 4,
    TCA_FQ_CODEL_FLOWS = 5,
    TCA_FQ_CODEL_QUANTUM = 6,
    TCA_FQ_CODEL_CE_THRESHOLD = 7,
    TCA_FQ_CODEL_DROP_BATCH_SIZE = 8,
    TCA_FQ_CODEL_MEMORY_LIMIT = 9,
    TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR = 10,
    TCA_FQ_CODEL_CE_THRESHOLD_MASK = 11,
} }

static NAMES: Names = crate::message::tca![OPTIONS];

/// Fair queueing with controlled delay (`tc qdisc … fq_codel`).
///
/// What is not given is as the kernel has it, or stays as it is when changed.
///
/// The kernel counts times in units of 1.024 µs and cuts them to microseconds when it tells them: of 5 ms it says 4.999 ms, and
/// of those written back 4.998 ms. So a time is read as the shortest that makes what the kernel says: here 5 ms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FqCodelConfig {
    /// Packets held (`limit`).
    pub limit: Option<u32>,
    /// Flows told apart, 1 to 65536; cannot be changed (`flows`).
    pub flows: Option<u32>,
    /// The delay that may last, in whole microseconds (`target`).
    pub target: Option<Duration>,
    /// How long it may last, in whole microseconds (`interval`).
    pub interval: Option<Duration>,
    /// Bytes a flow sends in its turn, 256 to 1048576 (`quantum`).
    pub quantum: Option<u32>,
    /// Marks packets instead of dropping them (`ecn`, `noecn`).
    pub ecn: Option<bool>,
    /// The delay from which all packets are marked, in whole microseconds (`ce_threshold`).
    pub ce_threshold: Option<Duration>,
    /// Which packets that is for, by their DS field: value and mask (`ce_threshold_selector`).
    pub ce_threshold_selector: Option<(u8, u8)>,
    /// Bytes of memory held, up to 2³¹ (`memory_limit`).
    pub memory_limit: Option<u32>,
    /// Packets dropped at once when the limit is hit, at least 1 (`drop_batch`).
    pub drop_batch: Option<u32>,
}

impl FqCodelConfig {
    /// As the kernel has it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Holds this many packets (`limit`).
        limit: u32 => Some;
        /// Tells this many flows apart, 1 to 65536 (`flows`).
        flows: u32 => Some;
        /// Lets this delay last (`target`).
        target: Duration => Some;
        /// Lets it last this long (`interval`).
        interval: Duration => Some;
        /// Marks instead of dropping, or not (`ecn`, `noecn`).
        ecn: bool => Some;
        /// Marks all packets from this delay on (`ce_threshold`).
        ce_threshold: Duration => Some;
        /// Marks only those whose DS field under the mask is the value (`ce_threshold_selector`).
        ce_threshold_selector: (u8, u8) => Some;
        /// Drops this many at once (`drop_batch`).
        drop_batch: u32 => Some;
    }

    /// Sends this many bytes of a flow in its turn, 256 to 1048576 (`quantum`).
    #[must_use]
    pub fn quantum(mut self, quantum: impl Into<Size>) -> Self {
        self.quantum = Some(quantum.into().0);
        self
    }

    /// Holds this many bytes of memory, up to 2³¹ (`memory_limit`).
    #[must_use]
    pub fn memory_limit(mut self, limit: impl Into<Size>) -> Self {
        self.memory_limit = Some(limit.into().0);
        self
    }

    fn times(&self) -> [(u16, &'static str, Option<Duration>); 3] {
        [
            (TCA_FQ_CODEL_TARGET, "target", self.target),
            (TCA_FQ_CODEL_INTERVAL, "interval", self.interval),
            (TCA_FQ_CODEL_CE_THRESHOLD, "ce_threshold", self.ce_threshold),
        ]
    }
}

/// The shortest time that becomes so many of the kernel's units, which are 1024 ns (`codel_time_t`).
const fn of_units(units: u64) -> Duration {
    Duration::from_micros((units * 1024).div_ceil(1000))
}

/// As the kernel tells it: so many units, cut to microseconds.
fn told(micros: u32) -> Duration {
    of_units((u64::from(micros) * 1000).div_ceil(1024))
}

fn kept_time(time: Duration) -> Duration {
    of_units(u64::try_from(time.as_nanos() >> 10).unwrap_or(u64::MAX >> 10))
}

impl Config for FqCodelConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let mut c = Self::default();
        let (mut selector, mut mask) = (None, None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_FQ_CODEL_TARGET => c.target = Some(told(attr.u32()?)),
                TCA_FQ_CODEL_LIMIT => c.limit = Some(attr.u32()?),
                TCA_FQ_CODEL_INTERVAL => c.interval = Some(told(attr.u32()?)),
                TCA_FQ_CODEL_ECN => c.ecn = Some(attr.u32()? != 0),
                TCA_FQ_CODEL_FLOWS => c.flows = Some(attr.u32()?),
                TCA_FQ_CODEL_QUANTUM => c.quantum = Some(attr.u32()?),
                TCA_FQ_CODEL_CE_THRESHOLD => c.ce_threshold = Some(told(attr.u32()?)),
                TCA_FQ_CODEL_DROP_BATCH_SIZE => c.drop_batch = Some(attr.u32()?),
                TCA_FQ_CODEL_MEMORY_LIMIT => c.memory_limit = Some(attr.u32()?),
                TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR => selector = Some(attr.u8()?),
                TCA_FQ_CODEL_CE_THRESHOLD_MASK => mask = Some(attr.u8()?),
                _ => {}
            }
        }
        c.ce_threshold_selector = selector.zip(mask);
        Ok(c)
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        let numbers = [
            (TCA_FQ_CODEL_LIMIT, self.limit),
            (TCA_FQ_CODEL_FLOWS, self.flows),
            (TCA_FQ_CODEL_QUANTUM, self.quantum),
            (TCA_FQ_CODEL_ECN, self.ecn.map(u32::from)),
            (TCA_FQ_CODEL_MEMORY_LIMIT, self.memory_limit),
            (TCA_FQ_CODEL_DROP_BATCH_SIZE, self.drop_batch),
        ];
        let times =
            self.times().map(|(kind, name, time)| (kind, time.and_then(|time| micros(name, time).ok())));
        for (kind, value) in numbers.into_iter().chain(times) {
            if let Some(value) = value {
                options.u32(kind, value);
            }
        }
        if let Some((selector, mask)) = self.ce_threshold_selector {
            options.u8(TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR, selector);
            options.u8(TCA_FQ_CODEL_CE_THRESHOLD_MASK, mask);
        }
    }

    fn refusal(&self, verb: TcVerb) -> Refusal {
        if verb == TcVerb::Change && self.flows.is_some() {
            return Some(
                "flows cannot be changed: leave them out, or replace the qdisc under another handle".into(),
            );
        }
        let bounds = [
            ("flows", self.flows, 1, FLOWS_MAX),
            ("quantum", self.quantum, QUANTUM_MIN, QUANTUM_MAX),
            ("memory_limit", self.memory_limit, 0, MEMORY_MAX),
            ("drop_batch", self.drop_batch, 1, u32::MAX),
        ];
        bounds
            .into_iter()
            .find_map(|(name, value, low, high)| within(name, value?, low, high))
            .or_else(|| self.times().into_iter().find_map(|(_, name, time)| micros(name, time?).err()))
    }

    fn kept(&self, current: &Self) -> Self {
        let time = |wanted: Option<Duration>, current| wanted.map(kept_time).or(current);
        Self {
            limit: self.limit.or(current.limit),
            flows: self.flows.or(current.flows),
            target: time(self.target, current.target),
            interval: time(self.interval, current.interval),
            quantum: self.quantum.or(current.quantum),
            ecn: self.ecn.or(current.ecn),
            ce_threshold: time(self.ce_threshold, current.ce_threshold),
            ce_threshold_selector: self.ce_threshold_selector.or(current.ce_threshold_selector),
            memory_limit: self.memory_limit.or(current.memory_limit),
            drop_batch: self.drop_batch.or(current.drop_batch),
        }
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in [("limit", self.limit), ("flows", self.flows), ("quantum", self.quantum)] {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        for (_, name, time) in self.times() {
            if let Some(time) = time {
                write!(f, " {name} {}", Time(time))?;
            }
        }
        if let Some((value, mask)) = self.ce_threshold_selector {
            write!(f, " ce_threshold_selector {value:#x}/{mask:#x}")?;
        }
        for (name, value) in [("memory_limit", self.memory_limit), ("drop_batch", self.drop_batch)] {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        match self.ecn {
            Some(true) => f.write_str(" ecn"),
            Some(false) => f.write_str(" noecn"),
            None => Ok(()),
        }
    }
}

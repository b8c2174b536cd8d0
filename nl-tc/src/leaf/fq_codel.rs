use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, opt_within};
use nl_core::error::Names;

use super::codel_time::{MICROSECOND, of_reported, stored};
use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Size, Time, micros, word};

const FLOWS_MAX: u32 = 65_536;
/// The kernel raises a smaller quantum to this.
const QUANTUM_MIN: u32 = 256;
const QUANTUM_MAX: u32 = 1 << 20;
/// The kernel lowers a larger memory limit to this.
const MEMORY_MAX: u32 = 1 << 31;

/// Fair queueing with controlled delay (`tc qdisc … fq_codel`).
///
/// Unset options use the kernel's defaults in a new qdisc, and stay unchanged in a change.
///
/// The kernel stores times in units of 1.024 µs and reports them rounded down to microseconds. It reports 5 ms as 4.999 ms; written
/// back, that would become 4.998 ms. So decoding returns the shortest time that the kernel reports as the received value: here
/// 5 ms. It reports a target or an interval of 1 µs as 0, which is decoded as 1 µs, because 0 is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FqCodelConfig {
    /// The number of packets queued, at least 1 (`limit`).
    pub limit: Option<u32>,
    /// The number of flows, 1 to 65536. Cannot be changed (`flows`).
    pub flows: Option<u32>,
    /// The acceptable standing delay, in whole microseconds, at least 1 (`target`).
    pub target: Option<Duration>,
    /// The time over which the minimum delay is measured, in whole microseconds, at least 1 (`interval`).
    pub interval: Option<Duration>,
    /// The number of bytes that a flow sends per round, 256 to 1048576 (`quantum`).
    pub quantum: Option<u32>,
    /// Whether packets are marked instead of dropped (`ecn`, `noecn`).
    pub ecn: Option<bool>,
    /// The delay above which all packets are marked, in whole microseconds (`ce_threshold`).
    pub ce_threshold: Option<Duration>,
    /// The packets to which `ce_threshold` applies, as value and mask of the DS field (`ce_threshold_selector`).
    pub ce_threshold_selector: Option<(u8, u8)>,
    /// The number of bytes of memory used, up to 2³¹ (`memory_limit`).
    pub memory_limit: Option<u32>,
    /// The number of packets dropped at once when the limit is reached, at least 1 (`drop_batch`).
    pub drop_batch: Option<u32>,
}

impl FqCodelConfig {
    /// A qdisc with the kernel's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the number of packets queued (`limit`).
        limit: u32 => Some;
        /// Sets the number of flows, 1 to 65536 (`flows`).
        flows: u32 => Some;
        /// Sets the acceptable standing delay (`target`).
        target: Duration => Some;
        /// Sets the time over which the minimum delay is measured (`interval`).
        interval: Duration => Some;
        /// Sets the number of bytes that a flow sends per round, 256 to 1048576 (`quantum`).
        quantum: impl Into<Size> => Size::some;
        /// Sets whether packets are marked instead of dropped (`ecn`, `noecn`).
        ecn: bool => Some;
        /// Sets the delay above which all packets are marked (`ce_threshold`).
        ce_threshold: Duration => Some;
        /// Limits `ce_threshold` to packets with this value of the DS field under this mask (`ce_threshold_selector`).
        ce_threshold_selector: (u8, u8) => Some;
        /// Sets the number of bytes of memory used, up to 2³¹ (`memory_limit`).
        memory_limit: impl Into<Size> => Size::some;
        /// Sets the number of packets dropped at once (`drop_batch`).
        drop_batch: u32 => Some;
    }

    fn times(&self) -> [(u16, &'static str, Option<Duration>); 3] {
        [
            (TCA_FQ_CODEL_TARGET, "target", self.target),
            (TCA_FQ_CODEL_INTERVAL, "interval", self.interval),
            (TCA_FQ_CODEL_CE_THRESHOLD, "ce_threshold", self.ce_threshold),
        ]
    }
}

impl Config for FqCodelConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut c = Self::default();
        let (mut selector, mut mask) = (None, None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_FQ_CODEL_TARGET => c.target = Some(of_reported(attr.u32()?).max(MICROSECOND)),
                TCA_FQ_CODEL_LIMIT => c.limit = Some(attr.u32()?),
                TCA_FQ_CODEL_INTERVAL => c.interval = Some(of_reported(attr.u32()?).max(MICROSECOND)),
                TCA_FQ_CODEL_ECN => c.ecn = Some(attr.u32()? != 0),
                TCA_FQ_CODEL_FLOWS => c.flows = Some(attr.u32()?),
                TCA_FQ_CODEL_QUANTUM => c.quantum = Some(attr.u32()?),
                TCA_FQ_CODEL_CE_THRESHOLD => c.ce_threshold = Some(of_reported(attr.u32()?)),
                TCA_FQ_CODEL_DROP_BATCH_SIZE => c.drop_batch = Some(attr.u32()?),
                TCA_FQ_CODEL_MEMORY_LIMIT => c.memory_limit = Some(attr.u32()?),
                TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR => selector = Some(attr.u8()?),
                TCA_FQ_CODEL_CE_THRESHOLD_MASK => mask = Some(attr.u8()?),
                _ => return Ok(None),
            }
        }
        c.ce_threshold_selector = selector.zip(mask);
        Ok(Some(c))
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
            options.opt(kind, value, AttrWriter::u32);
        }
        if let Some((selector, mask)) = self.ce_threshold_selector {
            options.u8(TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR, selector);
            options.u8(TCA_FQ_CODEL_CE_THRESHOLD_MASK, mask);
        }
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        let changed = verb == TcVerb::Change && self.flows.is_some();
        Invalid::when(
            changed,
            "flows cannot be changed: leave them unset, or replace the qdisc under another handle",
        )?;
        // With 0 packets or no time, every packet is dropped.
        opt_within("limit", self.limit, 1, u32::MAX)?;
        for (name, time) in [("target", self.target), ("interval", self.interval)] {
            if time == Some(Duration::ZERO) {
                return Err(format!("{name} 0; 1us is the minimum").into());
            }
        }
        opt_within("flows", self.flows, 1, FLOWS_MAX)?;
        opt_within("quantum", self.quantum, QUANTUM_MIN, QUANTUM_MAX)?;
        opt_within("memory_limit", self.memory_limit, 0, MEMORY_MAX)?;
        opt_within("drop_batch", self.drop_batch, 1, u32::MAX)?;
        self.times()
            .into_iter()
            .try_for_each(|(_, name, time)| time.map_or(Ok(()), |time| micros(name, time).map(drop)))
    }

    fn as_read_back(&self, current: &Self) -> Self {
        let time = |desired: Option<Duration>, current| desired.map(stored).or(current);
        Self {
            limit: self.limit.or(current.limit),
            flows: self.flows.or(current.flows),
            target: time(self.target, current.target).map(|time| time.max(MICROSECOND)),
            interval: time(self.interval, current.interval).map(|time| time.max(MICROSECOND)),
            quantum: self.quantum.or(current.quantum),
            ecn: self.ecn.or(current.ecn),
            ce_threshold: time(self.ce_threshold, current.ce_threshold),
            ce_threshold_selector: self.ce_threshold_selector.or(current.ce_threshold_selector),
            memory_limit: self.memory_limit.or(current.memory_limit),
            drop_batch: self.drop_batch.or(current.drop_batch),
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "limit", self.limit)?;
        word(f, "flows", self.flows)?;
        word(f, "quantum", self.quantum)?;
        self.times().into_iter().try_for_each(|(_, name, time)| word(f, name, time.map(Time)))?;
        if let Some((value, mask)) = self.ce_threshold_selector {
            write!(f, " ce_threshold_selector {value:#x}/{mask:#x}")?;
        }
        word(f, "memory_limit", self.memory_limit)?;
        word(f, "drop_batch", self.drop_batch)?;
        match self.ecn {
            Some(true) => f.write_str(" ecn"),
            Some(false) => f.write_str(" noecn"),
            None => Ok(()),
        }
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
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
}

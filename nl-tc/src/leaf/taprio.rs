use std::fmt;
use std::time::Duration;

use nl_core::attr::{Attr, AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, within};
use nl_core::error::Names;

use super::traffic_classes::TrafficClasses;
use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::word;

const TXTIME_ASSIST: u32 = 1;
const FULL_OFFLOAD: u32 = 1 << 1;
/// `TC_FP_PREEMPTIBLE`
const PREEMPTIBLE: u32 = 2;
const EXPRESS: u32 = 1;
/// `TC_QOPT_MAX_QUEUE`
const CLASSES_MAX: usize = 16;

/// Time-aware shaper: opens and closes the gates of traffic classes by a schedule (`tc qdisc … taprio`, IEEE 802.1Qbv).
///
/// ```
/// use std::time::Duration;
/// use nl_tc::leaf::{TaprioConfig, TrafficClasses};
///
/// // tc qdisc add … taprio num_tc 2 map 1 0 … queues 1@0 1@1 clockid CLOCK_TAI base-time 0
/// //    sched-entry S 01 300000 sched-entry S 02 700000
/// let mut map = [1; 16];
/// map[1] = 0;
/// let qdisc = TaprioConfig::new(TrafficClasses::new(2, map).queues([(1, 0), (1, 1)]))
///     .clock(TaprioConfig::CLOCK_TAI)
///     .set_gates(0b01, Duration::from_micros(300))
///     .set_gates(0b10, Duration::from_micros(700));
/// ```
///
/// The queues are the classes `X:1` to `X:n`, which exist from the beginning. It stands at the root of a device with several queues. A
/// change sets another schedule, which begins at its base time; reading returns the schedule that was set last. Neither the traffic
/// classes nor the flags can be changed. Needs the module `sch_taprio`. Header: `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TaprioConfig {
    /// The traffic classes (`num_tc`, `map`, `queues`).
    pub classes: TrafficClasses,
    /// The clock, such as [`CLOCK_TAI`](Self::CLOCK_TAI). Needed unless the hardware carries the schedule out (`clockid`).
    pub clock: Option<i32>,
    /// When the schedule begins, in nanoseconds of the clock. One in the past begins at the next cycle (`base-time`).
    pub base_time: i64,
    /// The time after which the schedule begins again. Unset: the sum of its intervals (`cycle-time`).
    pub cycle_time: Option<Duration>,
    /// By how much the last cycle may be longer before another schedule begins (`cycle-time-extension`).
    pub cycle_time_extension: Duration,
    /// The schedule, at least one entry (`sched-entry`).
    pub entries: Vec<TaprioEntry>,
    /// Whether the kernel sets the transmission times of packets, for a network card that keeps them (`flags 0x1`).
    pub txtime_assist: bool,
    /// Whether the hardware carries the schedule out (`flags 0x2`).
    pub full_offload: bool,
    /// The longest time from the qdisc to the network card, with [`txtime_assist`](Self::txtime_assist) (`txtime-delay`).
    pub txtime_delay: Option<Duration>,
    /// The longest frame of each traffic class, in bytes. 0 for no limit. Linux 6.1 and newer (`max-sdu`).
    pub max_sdu: Vec<u32>,
    /// The traffic classes whose frames can be preempted, as bits. Linux 6.4 and newer (`fp`).
    pub preemptible: u16,
}

/// Which gates are open, and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TaprioEntry {
    /// What is done: 0 sets the gates (`S`), 1 also holds preemptible frames back (`H`), 2 also releases them (`R`).
    pub command: u8,
    /// The traffic classes whose gate is open, as bits.
    pub gates: u32,
    /// How long, in nanoseconds up to 4.294967295 s.
    pub interval: Duration,
}

impl TaprioConfig {
    /// `CLOCK_TAI`, international atomic time.
    pub const CLOCK_TAI: i32 = 11;
    /// `CLOCK_REALTIME`, the time of day.
    pub const CLOCK_REALTIME: i32 = 0;
    /// `CLOCK_MONOTONIC`, the time since some point in the past.
    pub const CLOCK_MONOTONIC: i32 = 1;
    /// `CLOCK_BOOTTIME`, the time since the system was started.
    pub const CLOCK_BOOTTIME: i32 = 7;

    /// A qdisc with these traffic classes, which still needs a schedule.
    #[must_use]
    pub fn new(classes: TrafficClasses) -> Self {
        Self { classes, ..Self::default() }
    }

    setters! {
        /// Sets the clock (`clockid`).
        clock: i32 => Some;
        /// Sets when the schedule begins, in nanoseconds of the clock (`base-time`).
        base_time: i64;
        /// Sets the time after which the schedule begins again (`cycle-time`).
        cycle_time: Duration => Some;
        /// Sets by how much the last cycle may be longer (`cycle-time-extension`).
        cycle_time_extension: Duration;
        /// Sets whether the kernel sets the transmission times of packets (`flags 0x1`).
        txtime_assist: bool;
        /// Sets whether the hardware carries the schedule out (`flags 0x2`).
        full_offload: bool;
        /// Sets the longest time from the qdisc to the network card (`txtime-delay`).
        txtime_delay: Duration => Some;
        /// Sets the traffic classes whose frames can be preempted, as bits. Linux 6.4 and newer (`fp`).
        preemptible: u16;
    }

    /// Adds an entry to the schedule (`sched-entry`).
    #[must_use]
    pub fn entry(mut self, entry: TaprioEntry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Adds an entry with these gates open for this time (`sched-entry S GATES INTERVAL`).
    #[must_use]
    pub fn set_gates(self, gates: u32, interval: Duration) -> Self {
        self.entry(TaprioEntry { command: 0, gates, interval })
    }

    /// Sets the longest frame of each traffic class, in bytes. Linux 6.1 and newer (`max-sdu`).
    #[must_use]
    pub fn max_sdu(mut self, bytes: impl IntoIterator<Item = u32>) -> Self {
        self.max_sdu = bytes.into_iter().collect();
        self
    }

    fn flags(&self) -> u32 {
        let flag = |set, flag| if set { flag } else { 0 };
        flag(self.txtime_assist, TXTIME_ASSIST) | flag(self.full_offload, FULL_OFFLOAD)
    }

    /// The sum of the intervals.
    fn length(&self) -> Duration {
        self.entries.iter().map(|entry| entry.interval).fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Reads what belongs to a schedule: of the options, or of the schedule that is to come. False if there is more than this type
    /// holds.
    fn decode_schedule(&mut self, attr: Attr<'_>) -> Result<bool, DecodeError> {
        match attr.kind() {
            TCA_TAPRIO_ATTR_SCHED_BASE_TIME => self.base_time = attr.i64()?,
            TCA_TAPRIO_ATTR_SCHED_CYCLE_TIME => {
                self.cycle_time = nanos(attr)?;
                return Ok(self.cycle_time.is_some());
            }
            TCA_TAPRIO_ATTR_SCHED_CYCLE_TIME_EXTENSION => {
                let Some(extension) = nanos(attr)? else { return Ok(false) };
                self.cycle_time_extension = extension;
            }
            TCA_TAPRIO_ATTR_SCHED_ENTRY_LIST => {
                self.entries.clear();
                for entry in attr.attrs() {
                    match entry? {
                        entry if entry.kind() == TCA_TAPRIO_SCHED_ENTRY => {
                            let Some(entry) = TaprioEntry::decode(entry.attrs())? else { return Ok(false) };
                            self.entries.push(entry);
                        }
                        _ => return Ok(false),
                    }
                }
            }
            TCA_TAPRIO_ATTR_PAD => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// False if there is more than this type holds.
    fn decode_class(&mut self, attr: Attr<'_>) -> Result<bool, DecodeError> {
        let (mut class, mut longest, mut preemptible) = (0, 0, false);
        for attr in attr.attrs() {
            let attr = attr?;
            match attr.kind() {
                TCA_TAPRIO_TC_ENTRY_INDEX => class = attr.u32()?,
                TCA_TAPRIO_TC_ENTRY_MAX_SDU => longest = attr.u32()?,
                TCA_TAPRIO_TC_ENTRY_FP => match attr.u32()? {
                    EXPRESS => preemptible = false,
                    PREEMPTIBLE => preemptible = true,
                    _ => return Ok(false),
                },
                _ => return Ok(false),
            }
        }
        if let Some(bit) = 1_u16.checked_shl(class) {
            self.preemptible |= if preemptible { bit } else { 0 };
            let class = usize::try_from(class).unwrap_or(usize::MAX);
            if longest != 0 && class >= self.max_sdu.len() {
                self.max_sdu.resize(class + 1, 0);
            }
            if let Some(field) = self.max_sdu.get_mut(class) {
                *field = longest;
            }
        }
        Ok(true)
    }
}

impl TaprioEntry {
    /// `None` if there is more than this type holds.
    fn decode(attrs: Attrs<'_>) -> Result<Option<Self>, DecodeError> {
        let mut entry = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                TCA_TAPRIO_SCHED_ENTRY_CMD => entry.command = attr.u8()?,
                TCA_TAPRIO_SCHED_ENTRY_GATE_MASK => entry.gates = attr.u32()?,
                TCA_TAPRIO_SCHED_ENTRY_INTERVAL => entry.interval = Duration::from_nanos(attr.u32()?.into()),
                // The entries are in the order of their numbers.
                TCA_TAPRIO_SCHED_ENTRY_INDEX => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(entry))
    }
}

/// `S 01 300000`
impl fmt::Display for TaprioEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command {
            0 => f.write_str("S")?,
            1 => f.write_str("H")?,
            2 => f.write_str("R")?,
            other => write!(f, "{other}")?,
        }
        write!(f, " {:02x} {}", self.gates, self.interval.as_nanos())
    }
}

impl Config for TaprioConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut config = Self::default();
        let mut later = None;
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_TAPRIO_ATTR_PRIOMAP => {
                    if !TrafficClasses::is_whole(attr.value()) {
                        return Ok(None);
                    }
                    (config.classes, _) = TrafficClasses::decode(&mut attr.fields())?;
                }
                TCA_TAPRIO_ATTR_SCHED_CLOCKID => config.clock = Some(attr.i32()?),
                TCA_TAPRIO_ATTR_FLAGS => {
                    let flags = attr.u32()?;
                    if flags & !(TXTIME_ASSIST | FULL_OFFLOAD) != 0 {
                        return Ok(None);
                    }
                    config.txtime_assist = flags & TXTIME_ASSIST != 0;
                    config.full_offload = flags & FULL_OFFLOAD != 0;
                }
                TCA_TAPRIO_ATTR_TXTIME_DELAY => {
                    config.txtime_delay = Some(Duration::from_nanos(attr.u32()?.into()));
                }
                TCA_TAPRIO_ATTR_TC_ENTRY => {
                    if !config.decode_class(attr)? {
                        return Ok(None);
                    }
                }
                TCA_TAPRIO_ATTR_ADMIN_SCHED => later = Some(attr),
                _ => {
                    if !config.decode_schedule(attr)? {
                        return Ok(None);
                    }
                }
            }
        }
        // The schedule that was set last begins later than the one in use.
        if let Some(later) = later {
            for attr in later.attrs() {
                if !config.decode_schedule(attr?)? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(config))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        options.opt(TCA_TAPRIO_ATTR_SCHED_CLOCKID, self.clock, AttrWriter::i32);
        options.opt(TCA_TAPRIO_ATTR_FLAGS, Some(self.flags()).filter(|flags| *flags != 0), AttrWriter::u32);
        options.opt(TCA_TAPRIO_ATTR_TXTIME_DELAY, self.txtime_delay.map(narrow), AttrWriter::u32);
        options.bytes(TCA_TAPRIO_ATTR_SCHED_BASE_TIME, &self.base_time.to_ne_bytes());
        options.bytes(TCA_TAPRIO_ATTR_PRIOMAP, &self.classes.encode(0));
        options.opt(TCA_TAPRIO_ATTR_SCHED_CYCLE_TIME, self.cycle_time.map(wide), AttrWriter::u64);
        let extension = Some(self.cycle_time_extension).filter(|extension| !extension.is_zero());
        options.opt(TCA_TAPRIO_ATTR_SCHED_CYCLE_TIME_EXTENSION, extension.map(wide), AttrWriter::u64);
        let classes = match self.preemptible {
            0 => self.max_sdu.len(),
            _ => self.max_sdu.len().max(self.classes.count.into()),
        };
        for (class, index) in (0..classes).zip(0_u32..) {
            let mut entry = options.nested(TCA_TAPRIO_ATTR_TC_ENTRY);
            entry.u32(TCA_TAPRIO_TC_ENTRY_INDEX, index);
            entry.opt(TCA_TAPRIO_TC_ENTRY_MAX_SDU, self.max_sdu.get(class).copied(), AttrWriter::u32);
            if self.preemptible != 0 {
                let is = is_set(self.preemptible, index);
                entry.u32(TCA_TAPRIO_TC_ENTRY_FP, if is { PREEMPTIBLE } else { EXPRESS });
            }
        }
        let mut list = options.nested(TCA_TAPRIO_ATTR_SCHED_ENTRY_LIST);
        for entry in &self.entries {
            let mut nest = list.nested_unmarked(TCA_TAPRIO_SCHED_ENTRY);
            nest.u8(TCA_TAPRIO_SCHED_ENTRY_CMD, entry.command);
            nest.u32(TCA_TAPRIO_SCHED_ENTRY_GATE_MASK, entry.gates);
            nest.u32(TCA_TAPRIO_SCHED_ENTRY_INTERVAL, narrow(entry.interval));
        }
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        self.classes.check()?;
        Invalid::when(self.entries.is_empty(), "a schedule without entries; one is the minimum")?;
        for entry in &self.entries {
            check_narrow("interval", entry.interval)?;
            Invalid::when(entry.interval.is_zero(), "interval 0; 1 ns is the minimum")?;
        }
        for (name, time) in [
            ("cycle-time", self.cycle_time.unwrap_or_default()),
            ("cycle-time-extension", self.cycle_time_extension),
        ] {
            if i64::try_from(time.as_nanos()).is_err() {
                return Err(format!("{name} {time:?}; {} ns are possible", i64::MAX).into());
            }
        }
        check_narrow("txtime-delay", self.txtime_delay.unwrap_or_default())?;
        let alone = self.txtime_delay.is_some() && !self.txtime_assist;
        Invalid::when(alone, "txtime-delay needs txtime_assist (flags 0x1)")?;
        let both = self.txtime_assist && self.full_offload;
        Invalid::when(both, "txtime_assist and full_offload; one of them is possible")?;
        let clockless = self.clock.is_none() && !self.full_offload;
        let foreign = self.preemptible.checked_shr(self.classes.count.into()).unwrap_or(0) != 0;
        Invalid::when(foreign, "fp of a traffic class that does not exist")?;
        Invalid::when(clockless, "a schedule without a clock, which only the hardware can do (flags 0x2)")?;
        within("number of max-sdu", self.max_sdu.len(), 0, CLASSES_MAX)
    }

    fn as_read_back(&self, current: &Self) -> Self {
        let of = |class: usize| self.max_sdu.get(class).or(current.max_sdu.get(class)).copied().unwrap_or(0);
        let mut max_sdu: Vec<u32> = (0..CLASSES_MAX).map(of).collect();
        max_sdu.truncate(max_sdu.iter().rposition(|longest| *longest != 0).map_or(0, |last| last + 1));
        Self {
            classes: self.classes.as_read_back(&current.classes),
            cycle_time: self.cycle_time.filter(|time| !time.is_zero()).or_else(|| Some(self.length())),
            txtime_delay: self.txtime_delay.or(current.txtime_delay),
            max_sdu,
            clock: if self.full_offload { current.clock } else { self.clock },
            ..self.clone()
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.classes.write_options(f)?;
        if let Some(clock) = self.clock {
            match clock {
                Self::CLOCK_TAI => f.write_str(" clockid CLOCK_TAI")?,
                Self::CLOCK_REALTIME => f.write_str(" clockid CLOCK_REALTIME")?,
                Self::CLOCK_MONOTONIC => f.write_str(" clockid CLOCK_MONOTONIC")?,
                Self::CLOCK_BOOTTIME => f.write_str(" clockid CLOCK_BOOTTIME")?,
                other => write!(f, " clockid {other}")?,
            }
        }
        write!(f, " base-time {}", self.base_time)?;
        word(f, "cycle-time", self.cycle_time.map(|time| time.as_nanos()))?;
        let extension = Some(self.cycle_time_extension.as_nanos()).filter(|extension| *extension != 0);
        word(f, "cycle-time-extension", extension)?;
        self.entries.iter().try_for_each(|entry| write!(f, " sched-entry {entry}"))?;
        if self.flags() != 0 {
            write!(f, " flags {:#x}", self.flags())?;
        }
        word(f, "txtime-delay", self.txtime_delay.map(|delay| delay.as_nanos()))?;
        if !self.max_sdu.is_empty() {
            f.write_str(" max-sdu")?;
        }
        self.max_sdu.iter().try_for_each(|longest| write!(f, " {longest}"))?;
        if self.preemptible != 0 {
            f.write_str(" fp")?;
            for class in 0..u32::from(self.classes.count) {
                f.write_str(if is_set(self.preemptible, class) { " P" } else { " E" })?;
            }
        }
        Ok(())
    }
}

fn is_set(bits: u16, class: u32) -> bool {
    bits.checked_shr(class).unwrap_or(0) & 1 != 0
}

/// `check` refuses more than fits.
fn narrow(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

fn wide(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// `None` for a negative time.
fn nanos(attr: Attr<'_>) -> Result<Option<Duration>, DecodeError> {
    Ok(u64::try_from(attr.i64()?).ok().map(Duration::from_nanos))
}

fn check_narrow(name: &str, time: Duration) -> Result<(), Invalid> {
    match u32::try_from(time.as_nanos()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("{name} {time:?}; 4.294967295s are possible").into()),
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_TAPRIO_ATTR_PRIOMAP = 1,
    TCA_TAPRIO_ATTR_SCHED_ENTRY_LIST = 2 {
        TCA_TAPRIO_SCHED_ENTRY = 1 {
            TCA_TAPRIO_SCHED_ENTRY_INDEX = 1,
            TCA_TAPRIO_SCHED_ENTRY_CMD = 2,
            TCA_TAPRIO_SCHED_ENTRY_GATE_MASK = 3,
            TCA_TAPRIO_SCHED_ENTRY_INTERVAL = 4,
        },
    },
    TCA_TAPRIO_ATTR_SCHED_BASE_TIME = 3,
    TCA_TAPRIO_ATTR_SCHED_CLOCKID = 5,
    TCA_TAPRIO_ATTR_PAD = 6,
    TCA_TAPRIO_ATTR_ADMIN_SCHED = 7,
    TCA_TAPRIO_ATTR_SCHED_CYCLE_TIME = 8,
    TCA_TAPRIO_ATTR_SCHED_CYCLE_TIME_EXTENSION = 9,
    TCA_TAPRIO_ATTR_FLAGS = 10,
    TCA_TAPRIO_ATTR_TXTIME_DELAY = 11,
    TCA_TAPRIO_ATTR_TC_ENTRY = 12 {
        TCA_TAPRIO_TC_ENTRY_INDEX = 1,
        TCA_TAPRIO_TC_ENTRY_MAX_SDU = 2,
        TCA_TAPRIO_TC_ENTRY_FP = 3,
    },
}

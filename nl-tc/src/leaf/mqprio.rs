use std::fmt;

use nl_core::attr::{Attr, AttrBuf, AttrWriter, Attrs, DecodeError, Fields};
use nl_core::check::Invalid;
use nl_core::error::Names;

use super::traffic_classes::{QOPT_LEN, TrafficClasses};
use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::Rate;

/// `TC_FP_PREEMPTIBLE`
const PREEMPTIBLE: u32 = 2;
const EXPRESS: u32 = 1;

/// Traffic classes over the queues of a device (`tc qdisc … mqprio`).
///
/// ```
/// use nl_tc::leaf::{MqprioConfig, TrafficClasses};
///
/// // tc qdisc add … mqprio num_tc 3 map 2 2 1 0 2 2 2 2 2 2 2 2 2 2 2 2 queues 1@0 1@1 2@2 hw 0
/// let map = [2, 2, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2];
/// let qdisc = MqprioConfig::new(TrafficClasses::new(3, map).queues([(1, 0), (1, 1), (2, 2)]));
/// ```
///
/// The queues are the classes `X:1` to `X:n`, which exist from the beginning; each can have a qdisc. It stands at the root of a device
/// with several queues, and cannot be changed, only replaced under another handle. The verbs need the module `sch_mqprio`. Header:
/// `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MqprioConfig {
    /// The traffic classes (`num_tc`, `map`, `queues`).
    pub classes: TrafficClasses,
    /// Whether the hardware carries it out. What follows needs it (`hw`).
    pub offload: bool,
    /// How the hardware divides the queues: 0 as in data centre bridging, 1 in channels (`mode`).
    pub mode: Option<u16>,
    /// How the hardware limits the rates: 0 as in data centre bridging, 1 by the following rates (`shaper`).
    pub shaper: Option<u16>,
    /// The guaranteed rate of each traffic class. Needs the shaper 1 (`min_rate`).
    pub min_rates: Vec<Rate>,
    /// The maximum rate of each traffic class. Needs the shaper 1 (`max_rate`).
    pub max_rates: Vec<Rate>,
    /// The traffic classes whose frames can be preempted, as bits. Linux 6.4 and newer (`fp`).
    pub preemptible: u16,
}

impl MqprioConfig {
    /// The mode in which the hardware divides the queues into channels (`mode channel`).
    pub const CHANNEL: u16 = 1;
    /// The shaper with rates for the traffic classes (`shaper bw_rlimit`).
    pub const BW_RLIMIT: u16 = 1;

    /// A qdisc with these traffic classes, which the kernel carries out (`hw 0`).
    #[must_use]
    pub fn new(classes: TrafficClasses) -> Self {
        Self { classes, ..Self::default() }
    }

    setters! {
        /// Sets whether the hardware carries it out (`hw`).
        offload: bool;
        /// Sets how the hardware divides the queues (`mode`).
        mode: u16 => Some;
        /// Sets how the hardware limits the rates (`shaper`).
        shaper: u16 => Some;
        /// Sets the traffic classes whose frames can be preempted, as bits. Linux 6.4 and newer (`fp`).
        preemptible: u16;
    }

    /// Sets the guaranteed rate of each traffic class (`min_rate`).
    #[must_use]
    pub fn min_rates(mut self, rates: impl IntoIterator<Item = Rate>) -> Self {
        self.min_rates = rates.into_iter().collect();
        self
    }

    /// Sets the maximum rate of each traffic class (`max_rate`).
    #[must_use]
    pub fn max_rates(mut self, rates: impl IntoIterator<Item = Rate>) -> Self {
        self.max_rates = rates.into_iter().collect();
        self
    }

    fn rates(&self) -> [(u16, &'static str, &[Rate]); 2] {
        [
            (TCA_MQPRIO_MIN_RATE64, "min_rate", &self.min_rates),
            (TCA_MQPRIO_MAX_RATE64, "max_rate", &self.max_rates),
        ]
    }

    /// False if there is more than this type holds.
    fn decode_attr(&mut self, attr: Attr<'_>) -> Result<bool, DecodeError> {
        match attr.kind() {
            TCA_MQPRIO_MODE => self.mode = Some(attr.u16()?),
            TCA_MQPRIO_SHAPER => self.shaper = Some(attr.u16()?),
            TCA_MQPRIO_MIN_RATE64 | TCA_MQPRIO_MAX_RATE64 => {
                let mut rates = Vec::new();
                for rate in attr.attrs() {
                    match rate? {
                        rate if rate.kind() == attr.kind() => rates.push(Rate::bps(rate.u64()?)),
                        _ => return Ok(false),
                    }
                }
                match attr.kind() {
                    TCA_MQPRIO_MIN_RATE64 => self.min_rates = rates,
                    _ => self.max_rates = rates,
                }
            }
            TCA_MQPRIO_TC_ENTRY => match preempted(attr.attrs())? {
                Some(bit) => self.preemptible |= bit,
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Config for MqprioConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut f = Fields::of_attr(TCA_OPTIONS, options);
        // More traffic classes than there can be are not held, nor another kind of offload.
        if !TrafficClasses::is_whole(options) || options.get(17).is_some_and(|hw| *hw > 1) {
            return Ok(None);
        }
        let (classes, hw) = TrafficClasses::decode(&mut f)?;
        let mut config = Self { offload: hw != 0, ..Self::new(classes) };
        for attr in Attrs::new(behind(f.rest())) {
            if !config.decode_attr(attr?)? {
                return Ok(None);
            }
        }
        // `tc` sends rates for traffic classes that there are not.
        for rates in [&mut config.min_rates, &mut config.max_rates] {
            rates.truncate(config.classes.count.into());
        }
        Ok(Some(config))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut bytes = self.classes.encode(self.offload.into()).to_vec();
        let mut attrs = AttrBuf::new();
        let mut a = attrs.writer();
        a.opt(TCA_MQPRIO_MODE, self.mode, AttrWriter::u16);
        a.opt(TCA_MQPRIO_SHAPER, self.shaper, AttrWriter::u16);
        for (kind, _, rates) in self.rates().into_iter().filter(|(.., rates)| !rates.is_empty()) {
            let mut nest = a.nested(kind);
            for rate in rates {
                nest.u64(kind, rate.bytes_per_second());
            }
        }
        if self.preemptible != 0 {
            for class in 0..u32::from(self.classes.count) {
                let mut entry = a.nested(TCA_MQPRIO_TC_ENTRY);
                let is = u32::from(self.preemptible).checked_shr(class).unwrap_or(0) & 1 != 0;
                entry.u32(TCA_MQPRIO_TC_ENTRY_INDEX, class);
                entry.u32(TCA_MQPRIO_TC_ENTRY_FP, if is { PREEMPTIBLE } else { EXPRESS });
            }
        }
        // All of these fit. They begin at a multiple of four bytes.
        bytes.resize(QOPT_LEN.next_multiple_of(4), 0);
        bytes.extend(attrs.finish().unwrap_or_default());
        w.bytes(TCA_OPTIONS, &bytes);
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        let change = verb == TcVerb::Change;
        Invalid::when(change, "mqprio cannot be changed; replace the qdisc under another handle")?;
        self.classes.check()?;
        let count = self.classes.count;
        for (_, name, rates) in self.rates() {
            if rates.len() > usize::from(count) {
                return Err(format!("{} times {name}; {count} are possible", rates.len()).into());
            }
            let unlimited = !rates.is_empty() && self.shaper != Some(Self::BW_RLIMIT);
            if unlimited {
                return Err(format!("{name} without the shaper bw_rlimit").into());
            }
        }
        let foreign = self.preemptible.checked_shr(count.into()).unwrap_or(0) != 0;
        Invalid::when(foreign, "fp of a traffic class that does not exist")?;
        let options = self.mode.is_some() || self.shaper.is_some() || self.preemptible != 0;
        Invalid::when(options && !self.offload, "mode, shaper, rates and fp need hw 1")
    }

    fn as_read_back(&self, current: &Self) -> Self {
        let rates = |rates: &[Rate], current: &[Rate]| {
            if rates.is_empty() { current.to_vec() } else { rates.to_vec() }
        };
        Self {
            classes: self.classes.as_read_back(&current.classes),
            offload: self.offload,
            mode: self.mode.or(current.mode),
            shaper: self.shaper.or(current.shaper),
            min_rates: rates(&self.min_rates, &current.min_rates),
            max_rates: rates(&self.max_rates, &current.max_rates),
            preemptible: self.preemptible,
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.classes.write_options(f)?;
        write!(f, " hw {}", u8::from(self.offload))?;
        for (name, value, words) in
            [("mode", self.mode, ["dcb", "channel"]), ("shaper", self.shaper, ["dcb", "bw_rlimit"])]
        {
            match value.map(|value| (value, words.get(usize::from(value)))) {
                Some((_, Some(word))) => write!(f, " {name} {word}")?,
                Some((number, None)) => write!(f, " {name} {number}")?,
                None => {}
            }
        }
        for (_, name, rates) in self.rates().into_iter().filter(|(.., rates)| !rates.is_empty()) {
            write!(f, " {name}")?;
            rates.iter().try_for_each(|rate| write!(f, " {rate}"))?;
        }
        if self.preemptible != 0 {
            f.write_str(" fp")?;
            for class in 0..u32::from(self.classes.count) {
                let is = u32::from(self.preemptible).checked_shr(class).unwrap_or(0) & 1 != 0;
                f.write_str(if is { " P" } else { " E" })?;
            }
        }
        Ok(())
    }
}

/// The attributes behind the structure, which is padded to a multiple of four bytes.
fn behind(rest: &[u8]) -> &[u8] {
    rest.get(QOPT_LEN.next_multiple_of(4) - QOPT_LEN..).unwrap_or_default()
}

/// The bit of a traffic class whose frames can be preempted, and 0 if they cannot. `None` if there is more than that.
fn preempted(entry: Attrs<'_>) -> Result<Option<u16>, DecodeError> {
    let (mut class, mut preemptible) = (0, false);
    for attr in entry {
        let attr = attr?;
        match attr.kind() {
            TCA_MQPRIO_TC_ENTRY_INDEX => class = attr.u32()?,
            TCA_MQPRIO_TC_ENTRY_FP => match attr.u32()? {
                EXPRESS => preemptible = false,
                PREEMPTIBLE => preemptible = true,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }
    }
    Ok(1_u16.checked_shl(class).map(|bit| if preemptible { bit } else { 0 }))
}

// `include/uapi/linux/pkt_sched.h`. They follow `struct tc_mqprio_qopt`.
kind_names! {
    TCA_MQPRIO_MODE = 1,
    TCA_MQPRIO_SHAPER = 2,
    TCA_MQPRIO_MIN_RATE64 = 3,
    TCA_MQPRIO_MAX_RATE64 = 4,
    TCA_MQPRIO_TC_ENTRY = 5 { TCA_MQPRIO_TC_ENTRY_INDEX = 1, TCA_MQPRIO_TC_ENTRY_FP = 2 },
}

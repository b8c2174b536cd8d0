//! HTB, hierarchy token bucket: every class has a rate of its own and borrows what others leave, up to its ceiling.
//!
//! ```
//! use nl_tc::Rate;
//! use nl_tc::htb::{HtbClassConfig, HtbConfig};
//!
//! // tc qdisc add … htb default 20
//! let qdisc = HtbConfig::new().default_class(0x20);
//! // tc class add … htb rate 10mbit ceil 100mbit burst 15k prio 1
//! let class = HtbClassConfig::new(Rate::mbit(10)).ceil(Rate::mbit(100)).burst(15 * 1024).prio(1);
//! ```
//!
//! A class without children is a leaf and queues packets; at the first child it becomes an inner class, and what was queued in
//! it and the qdisc on it are gone. At most 8 levels. A packet that belongs to no leaf goes out unshaped
//! ([`HtbQdiscStats`](crate::stats::HtbQdiscStats) counts those).
//!
//! A change replaces the whole configuration of a class. It cannot move a class to another parent, and the kernel does not
//! say so: the [handle](crate::Tc) does. The qdisc itself cannot be changed, only replaced under another handle, which
//! removes all classes.
//!
//! No rate tables are sent: the kernel looks at them only where the link layer is not given, and here it always is.

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::error::Names;

use crate::kind::{Config, setters, within};
use crate::message::TCA_OPTIONS;
use crate::units::{Burst, Exact, LinkLayer, Overhead, Rate, Refusal, Size, joined};
use crate::{TcHandle, TcVerb};

// `include/uapi/linux/pkt_sched.h`
const PARMS_LEN: usize = 44;
const INIT_LEN: usize = 20;
/// The version requests are in. Answers have 0x30011.
const VERSION: u32 = 3;
const PRIO_MAX: u32 = 7;
const QUANTUM_MIN: u64 = 1000;
const QUANTUM_MAX: u64 = 200_000;
const DEFAULT_R2Q: u32 = 10;

attr_names! { OPTIONS {
    TCA_HTB_PARMS = 1,
    TCA_HTB_INIT = 2,
    TCA_HTB_DIRECT_QLEN = 5,
    TCA_HTB_RATE64 = 6,
    TCA_HTB_CEIL64 = 7,
    TCA_HTB_OFFLOAD = 9,
} }

static NAMES: Names = crate::message::tca![OPTIONS];

/// An HTB qdisc (`tc qdisc … htb`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HtbConfig {
    /// The minor number of the class for packets of no class (`default`), up to 0xffff; 0 for none.
    pub default_class: u32,
    /// A class's quantum is its rate divided by this, where it has none of its own (`r2q`).
    pub r2q: u32,
    /// Packets of no class that are held; without one the device's queue length (`direct_qlen`).
    pub direct_qlen: Option<u32>,
    /// Carried out by the hardware (`offload`).
    pub offload: bool,
}

impl HtbConfig {
    /// Without a default class.
    #[must_use]
    pub const fn new() -> Self {
        Self { default_class: 0, r2q: DEFAULT_R2Q, direct_qlen: None, offload: false }
    }

    /// Puts packets of no class into the one with this minor number (`default`). The words of `tc` are hexadecimal: its
    /// `default 20` is `0x20` here.
    #[must_use]
    pub fn default_class(mut self, minor: u16) -> Self {
        self.default_class = minor.into();
        self
    }

    setters! {
        /// Divides rates by this for a class's quantum, at least 1 (`r2q`).
        r2q: u32;
        /// Holds this many packets of no class (`direct_qlen`).
        direct_qlen: u32 => Some;
        /// Carried out by the hardware, or not (`offload`).
        offload: bool;
    }

    /// The quantum the kernel gives a class of this rate that has none of its own.
    #[must_use]
    pub fn quantum(&self, rate: Rate) -> u32 {
        let quantum = (rate.bytes_per_second() / u64::from(self.r2q.max(1))).clamp(QUANTUM_MIN, QUANTUM_MAX);
        u32::try_from(quantum).unwrap_or(u32::MAX)
    }
}

impl Default for HtbConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Config for HtbConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let (mut config, mut init) = (Self::new(), false);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_HTB_INIT => {
                    let mut f = attr.fields();
                    (_, config.r2q, config.default_class) = (f.u32()?, f.u32()?, f.u32()?);
                    init = true;
                }
                TCA_HTB_DIRECT_QLEN => config.direct_qlen = Some(attr.u32()?),
                TCA_HTB_OFFLOAD => config.offload = true,
                _ => {}
            }
        }
        if init { Ok(config) } else { Err(DecodeError::Missing(TCA_HTB_INIT)) }
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut init = [0; INIT_LEN];
        for (field, value) in init.chunks_exact_mut(4).zip([VERSION, self.r2q, self.default_class]) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
        let mut options = w.nested(TCA_OPTIONS);
        options.bytes(TCA_HTB_INIT, &init);
        if let Some(packets) = self.direct_qlen {
            options.u32(TCA_HTB_DIRECT_QLEN, packets);
        }
        if self.offload {
            options.flag(TCA_HTB_OFFLOAD);
        }
    }

    fn refusal(&self, _verb: TcVerb) -> Refusal {
        within("r2q", self.r2q, 1, u32::MAX)
            .or_else(|| within("default class", self.default_class, 0, u16::MAX.into()))
    }

    fn kept(&self, current: &Self) -> Self {
        Self { direct_qlen: self.direct_qlen.or(current.direct_qlen), ..self.clone() }
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.default_class != 0 {
            write!(f, " default {:x}", self.default_class)?;
        }
        if self.r2q != DEFAULT_R2Q {
            write!(f, " r2q {}", self.r2q)?;
        }
        if let Some(packets) = self.direct_qlen {
            write!(f, " direct_qlen {packets}")?;
        }
        f.write_str(if self.offload { " offload" } else { "" })
    }
}

/// An HTB class (`tc class … htb`).
///
/// What is read from the kernel says everything; what it does not say when it is written is as `tc` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HtbClassConfig {
    /// What the class may always send (`rate`).
    pub rate: Rate,
    /// What it may send at most, when it can borrow; without one the [rate](Self::rate) (`ceil`).
    pub ceil: Option<Rate>,
    /// How much of the rate may be sent at once (`burst`).
    pub burst: Burst,
    /// How much of the ceiling may be sent at once (`cburst`).
    pub cburst: Burst,
    /// Which leaf may borrow first: 0, the first, to 7 (`prio`). An inner class keeps what it had as a leaf.
    pub prio: u32,
    /// How many bytes a leaf sends before the next of its priority has its turn (`quantum`); without one,
    /// [`HtbConfig::quantum`]. An inner class keeps what it had as a leaf.
    pub quantum: Option<u32>,
    /// How a packet's length is reckoned (`overhead`, `mpu`, `linklayer`).
    pub overhead: Overhead,
    /// Carried out by the hardware; only read, it is the qdisc's.
    pub offload: bool,
}

impl HtbClassConfig {
    /// A class that may always send at this rate, and no faster.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            ceil: None,
            burst: Burst::default(),
            cburst: Burst::default(),
            prio: 0,
            quantum: None,
            overhead: Overhead::default(),
            offload: false,
        }
    }

    setters! {
        /// Lets it borrow up to this rate (`ceil`).
        ceil: Rate => Some;
        /// Lets it borrow earlier or later, 0 to 7 (`prio`).
        prio: u32;
    }

    /// Lets it send this much at the rate at once, bytes or a time (`burst`).
    #[must_use]
    pub fn burst(mut self, burst: impl Into<Burst>) -> Self {
        self.burst = burst.into();
        self
    }

    /// Lets it send this much at the ceiling at once, bytes or a time (`cburst`).
    #[must_use]
    pub fn cburst(mut self, burst: impl Into<Burst>) -> Self {
        self.cburst = burst.into();
        self
    }

    /// Sends this many bytes in a turn (`quantum`).
    #[must_use]
    pub fn quantum(mut self, quantum: impl Into<Size>) -> Self {
        self.quantum = Some(quantum.into().0);
        self
    }

    /// Reckons bursts that are not given with packets of this many bytes instead of 1600 (`mtu`).
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        for burst in [&mut self.burst, &mut self.cburst] {
            if matches!(burst, Burst::Mtu(_)) {
                *burst = Burst::Mtu(mtu);
            }
        }
        self
    }

    /// Adds this many bytes to every packet (`overhead`).
    #[must_use]
    pub fn overhead(mut self, bytes: u16) -> Self {
        self.overhead.bytes = bytes;
        self
    }

    /// Takes no packet for less than this many bytes (`mpu`).
    #[must_use]
    pub fn mpu(mut self, bytes: u16) -> Self {
        self.overhead.mpu = bytes;
        self
    }

    /// Reckons in cells, or not (`linklayer`).
    #[must_use]
    pub fn link_layer(mut self, link_layer: LinkLayer) -> Self {
        self.overhead.link_layer = link_layer;
        self
    }

    /// The rate it may send at when it can borrow.
    #[must_use]
    pub fn ceiling(&self) -> Rate {
        self.ceil.unwrap_or(self.rate)
    }
}

impl Config for HtbClassConfig {
    const NAMES: &'static Names = &NAMES;

    #[inline]
    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let (mut config, mut ceil, mut parms) = (Self::new(Rate::ZERO), Rate::ZERO, false);
        let (mut rate64, mut ceil64) = (None, None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_HTB_PARMS => {
                    let mut f = attr.fields();
                    (config.overhead, config.rate) = Overhead::from_ratespec(f.array()?);
                    (_, ceil) = Overhead::from_ratespec(f.array()?);
                    (config.burst, config.cburst) = (Burst::of_ticks(f.u32()?), Burst::of_ticks(f.u32()?));
                    config.quantum = Some(f.u32()?).filter(|quantum| *quantum != 0);
                    let _level = f.u32()?;
                    config.prio = f.u32()?;
                    parms = true;
                }
                TCA_HTB_RATE64 => rate64 = Some(attr.u64()?),
                TCA_HTB_CEIL64 => ceil64 = Some(attr.u64()?),
                TCA_HTB_OFFLOAD => config.offload = true,
                _ => {}
            }
        }
        config.rate = joined(config.rate, rate64);
        config.ceil = Some(joined(ceil, ceil64));
        if parms { Ok(config) } else { Err(DecodeError::Missing(TCA_HTB_PARMS)) }
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let (rate, ceil) = (self.rate, self.ceiling());
        // What cannot be held is refused and not sent.
        let ticks = |burst: Burst, rate| burst.ticks(rate).unwrap_or(0);
        let words =
            [ticks(self.burst, rate), ticks(self.cburst, ceil), self.quantum.unwrap_or(0), 0, self.prio];
        let mut parms = [0; PARMS_LEN];
        let (head, tail) = parms.split_at_mut(24);
        for (field, spec) in head.chunks_exact_mut(12).zip([rate, ceil]) {
            field.copy_from_slice(&self.overhead.ratespec(spec));
        }
        for (field, value) in tail.chunks_exact_mut(4).zip(words) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
        let mut options = w.nested(TCA_OPTIONS);
        options.bytes(TCA_HTB_PARMS, &parms);
        if let Some(rate) = rate.wide() {
            options.u64(TCA_HTB_RATE64, rate);
        }
        if let Some(ceil) = ceil.wide() {
            options.u64(TCA_HTB_CEIL64, ceil);
        }
    }

    fn refusal(&self, _verb: TcVerb) -> Refusal {
        self.rate
            .refusal("rate")
            .or_else(|| self.ceiling().refusal("ceil"))
            .or_else(|| self.burst.refusal("burst", self.rate))
            .or_else(|| self.cburst.refusal("cburst", self.ceiling()))
            .or_else(|| within("prio", self.prio, 0, PRIO_MAX))
            .or_else(|| match self.quantum {
                Some(0) => {
                    Some("quantum 0; 1 is the least, and without one the kernel takes the rate by r2q".into())
                }
                _ => None,
            })
            .or_else(|| self.overhead.refusal())
    }

    fn kept(&self, current: &Self) -> Self {
        Self {
            ceil: Some(self.ceiling()),
            burst: self.burst.kept(self.rate),
            cburst: self.cburst.kept(self.ceiling()),
            quantum: self.quantum.or(current.quantum),
            offload: current.offload,
            ..self.clone()
        }
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " rate {}", Exact(self.rate))?;
        if let Some(ceil) = self.ceil {
            write!(f, " ceil {}", Exact(ceil))?;
        }
        for (name, burst, rate) in [("burst", self.burst, self.rate), ("cburst", self.cburst, self.ceiling())]
        {
            if burst != Burst::default() {
                write!(f, " {name} {}b", burst.bytes(rate))?;
            }
        }
        if self.prio != 0 {
            write!(f, " prio {}", self.prio)?;
        }
        if let Some(quantum) = self.quantum {
            write!(f, " quantum {quantum}")?;
        }
        self.overhead.write_words(f)
    }
}

/// Whether a name can be that of an HTB class. `X:0` can, but then every class made under the qdisc is made under it.
pub(crate) fn check_handle(handle: TcHandle) -> Refusal {
    (handle.minor() == 0).then(|| {
        format!("class {handle}; minors 1 to ffff are possible, for one called {handle} would take over the qdisc's children")
            .into()
    })
}

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, within};
use nl_core::error::Names;

use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Rate, word};
use crate::{TcHandle, TcVerb};

/// `sizeof(struct tc_htb_glob)`, `include/uapi/linux/pkt_sched.h`
const INIT_LEN: usize = 20;
/// The version of requests. Answers have 0x30011.
const VERSION: u32 = 3;
const QUANTUM_MIN: u64 = 1000;
const QUANTUM_MAX: u64 = 200_000;
const DEFAULT_R2Q: u32 = 10;

/// An HTB qdisc (`tc qdisc … htb`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HtbConfig {
    /// The minor number of the class for packets that match no class, up to 0xffff. 0 for none (`default`).
    pub default_class: u32,
    /// The divisor that turns the rate of a class into its quantum, if it has no quantum (`r2q`).
    pub r2q: u32,
    /// The number of packets without a class that are queued. Unset: the queue length of the device (`direct_qlen`).
    pub direct_qlen: Option<u32>,
    /// Whether the hardware carries it out (`offload`).
    pub offload: bool,
}

impl HtbConfig {
    /// A qdisc without a default class.
    #[must_use]
    pub const fn new() -> Self {
        Self { default_class: 0, r2q: DEFAULT_R2Q, direct_qlen: None, offload: false }
    }

    setters! {
        /// Sets the class for packets that match no class, by its minor number. `tc` reads hexadecimal: its `default 20` is
        /// `0x20` here (`default`).
        default_class: u16 => Into::into;
        /// Sets the divisor that turns rates into quanta, at least 1 (`r2q`).
        r2q: u32;
        /// Sets the number of packets without a class that are queued (`direct_qlen`).
        direct_qlen: u32 => Some;
        /// Sets whether the hardware carries it out (`offload`).
        offload: bool;
    }

    /// Sets the class for packets that match no class, by its classid, whose minor number is used. It reads like `tc`: the class of
    /// its `default 20` is `"1:20".parse()?`, or `qdisc.class(0x20)` (`default`).
    #[must_use]
    pub fn default_classid(mut self, class: TcHandle) -> Self {
        self.default_class = class.minor().into();
        self
    }

    /// The quantum that the kernel gives a class of this rate without a quantum.
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

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
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
                _ => return Ok(None),
            }
        }
        if init { Ok(Some(config)) } else { Err(DecodeError::Missing(TCA_HTB_INIT)) }
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut init = [0; INIT_LEN];
        for (field, value) in init.chunks_exact_mut(4).zip([VERSION, self.r2q, self.default_class]) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
        let mut options = w.nested(TCA_OPTIONS);
        options.bytes(TCA_HTB_INIT, &init);
        options.opt(TCA_HTB_DIRECT_QLEN, self.direct_qlen, AttrWriter::u32);
        if self.offload {
            options.flag(TCA_HTB_OFFLOAD);
        }
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        within("r2q", self.r2q, 1, u32::MAX)?;
        within("default class", self.default_class, 0, u16::MAX.into())
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self { direct_qlen: self.direct_qlen.or(current.direct_qlen), ..self.clone() }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.default_class != 0 {
            write!(f, " default {:x}", self.default_class)?;
        }
        word(f, "r2q", Some(self.r2q).filter(|r2q| *r2q != DEFAULT_R2Q))?;
        word(f, "direct_qlen", self.direct_qlen)?;
        f.write_str(if self.offload { " offload" } else { "" })
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_HTB_INIT = 2,
    TCA_HTB_DIRECT_QLEN = 5,
    TCA_HTB_OFFLOAD = 9,
}

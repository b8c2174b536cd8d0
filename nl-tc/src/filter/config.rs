use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError, HEADER_LEN};
use nl_core::check::Invalid;
use nl_core::error::Names;

use super::bpf::{self, Bpf};
use super::flower::{self, Flower};
use super::fw::{self, Fw};
use super::matchall::{self, Matchall};
use super::shared::REPORTED;
use super::u32::{self, U32};
use super::u32_table::U32Table;
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;
use crate::message;

/// The configuration of a filter, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FilterConfig {
    /// What a BPF program chooses (`bpf`).
    Bpf(Bpf),
    /// Packets with certain fields (`flower`).
    Flower(Flower),
    /// Packets with a mark (`fw`).
    Fw(Fw),
    /// Every packet (`matchall`).
    Matchall(Matchall),
    /// Packets with certain header bits (`u32 match …`).
    U32(U32),
    /// A hash table for them (`u32 divisor`).
    U32Table(U32Table),
    /// Another kind, or options that the kind's type does not hold whole, with the value of its `TCA_OPTIONS`.
    Other {
        /// The name of the kind, up to 15 bytes.
        kind: String,
        /// The options as bytes; `None` if the message has none.
        options: Option<Vec<u8>>,
    },
}

impl FilterConfig {
    /// The name of the kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Bpf(_) => "bpf",
            Self::Flower(_) => "flower",
            Self::Fw(_) => "fw",
            Self::Matchall(_) => "matchall",
            Self::U32(_) | Self::U32Table(_) => "u32",
            Self::Other { kind, .. } => kind,
        }
    }

    /// No configuration, which is enough to delete a filter.
    pub(super) const fn unset() -> Self {
        Self::Other { kind: String::new(), options: None }
    }

    pub(super) fn decode(kind: &str, options: Option<&[u8]>) -> Result<Self, DecodeError> {
        let bytes = options.unwrap_or_default();
        let known = match kind {
            "bpf" => Bpf::decode(bytes)?.map(Self::Bpf),
            "flower" => Flower::decode(bytes)?.map(Self::Flower),
            "fw" => Fw::decode(bytes)?.map(Self::Fw),
            "matchall" => Matchall::decode(bytes)?.map(Self::Matchall),
            "u32" => match U32::decode(bytes)? {
                Some(u32) => Some(Self::U32(u32)),
                None => U32Table::decode(bytes)?.map(Self::U32Table),
            },
            _ => None,
        };
        Ok(known
            .unwrap_or_else(|| Self::Other { kind: kind.to_owned(), options: options.map(<[u8]>::to_vec) }))
    }

    /// `protocol` is that of the filter.
    pub(super) fn encode(&self, protocol: u16, w: &mut AttrWriter<'_>) {
        match self {
            Self::Bpf(bpf) => bpf.encode(w),
            Self::Flower(flower) => flower.encode(protocol, w),
            Self::Fw(fw) => fw.encode(w),
            Self::Matchall(matchall) => matchall.encode(w),
            Self::U32(u32) => u32.encode(w),
            Self::U32Table(table) => table.encode(w),
            Self::Other { kind, options } => {
                let options = options.as_ref().map(|options| without_report(kind, options.clone()));
                w.opt(message::TCA_OPTIONS, options.as_deref(), AttrWriter::bytes);
            }
        }
    }

    /// `protocol` is that of the filter.
    pub(super) fn check(&self, protocol: u16) -> Result<(), Invalid> {
        match self {
            Self::Bpf(bpf) => bpf.check(),
            Self::Flower(flower) => flower.check(protocol),
            Self::Fw(fw) => fw.check(),
            Self::Matchall(matchall) => matchall.check(),
            Self::U32(u32) => u32.check(),
            Self::U32Table(table) => table.check(),
            Self::Other { kind, .. } => Invalid::when(kind.is_empty(), "a configuration is needed"),
        }
    }

    /// Whether a filter that reads as `current` already has this configuration. Allows for the kernel's rounding.
    #[must_use]
    pub fn is_met_by(&self, current: &Self) -> bool {
        match (self, current) {
            (Self::Bpf(desired), Self::Bpf(current)) => desired.is_met_by(current),
            (Self::Flower(desired), Self::Flower(current)) => desired.is_met_by(current),
            (Self::Fw(desired), Self::Fw(current)) => desired.is_met_by(current),
            (Self::Matchall(desired), Self::Matchall(current)) => desired.is_met_by(current),
            (Self::U32(desired), Self::U32(current)) => desired.is_met_by(current),
            (desired, current) => desired == current,
        }
    }

    /// The class into which the filter sends packets. [`NONE`](TcHandle::NONE) for none, and for what is not known.
    #[must_use]
    pub const fn classid(&self) -> TcHandle {
        match self {
            Self::Bpf(bpf) => bpf.classid,
            Self::Flower(flower) => flower.classid,
            Self::Fw(fw) => fw.classid,
            Self::Matchall(matchall) => matchall.classid,
            Self::U32(u32) => u32.classid,
            Self::U32Table(_) | Self::Other { .. } => TcHandle::NONE,
        }
    }

    /// The actions.
    #[cfg(feature = "action")]
    pub(super) fn actions(&self) -> &[Action] {
        match self {
            Self::Bpf(bpf) => &bpf.actions,
            Self::Flower(flower) => &flower.actions,
            Self::Fw(fw) => &fw.actions,
            Self::Matchall(matchall) => &matchall.actions,
            Self::U32(u32) => &u32.actions,
            Self::U32Table(_) | Self::Other { .. } => &[],
        }
    }

    /// The actions, for which a handle puts the indexes of devices in place of their names.
    #[cfg(feature = "action")]
    pub(crate) fn actions_mut(&mut self) -> &mut [Action] {
        match self {
            Self::Bpf(bpf) => &mut bpf.actions,
            Self::Flower(flower) => &mut flower.actions,
            Self::Fw(fw) => &mut fw.actions,
            Self::Matchall(matchall) => &mut matchall.actions,
            Self::U32(u32) => &mut u32.actions,
            Self::U32Table(_) | Self::Other { .. } => &mut [],
        }
    }

    pub(super) const fn names(&self) -> &'static Names {
        match self {
            Self::Bpf(_) => &bpf::NAMES,
            Self::Flower(_) => &flower::NAMES,
            Self::Fw(_) => &fw::NAMES,
            Self::Matchall(_) => &matchall::NAMES,
            Self::U32(_) | Self::U32Table(_) => &u32::NAMES,
            Self::Other { .. } => &message::NAMES,
        }
    }
}

/// Options that were read, without the flags that the kernel reports and refuses in a request: whether the filter is in the hardware
/// (`tc_flags_valid`, `include/net/pkt_cls.h`).
fn without_report(kind: &str, mut options: Vec<u8>) -> Vec<u8> {
    let flags = match kind {
        "bpf" => bpf::TCA_BPF_FLAGS_GEN,
        "flower" => flower::TCA_FLOWER_FLAGS,
        "matchall" => matchall::TCA_MATCHALL_FLAGS,
        "u32" => u32::TCA_U32_FLAGS,
        _ => return options,
    };
    let mut at = 0_usize;
    while let Some([a, b, c, d]) = options.get(at..).and_then(|rest| rest.first_chunk()).copied() {
        let len = usize::from(u16::from_ne_bytes([a, b]));
        if len < HEADER_LEN {
            break;
        }
        if u16::from_ne_bytes([c, d]) == flags
            && let Some(value) = options.get_mut(at + HEADER_LEN..).and_then(|rest| rest.first_chunk_mut())
        {
            *value = (u32::from_ne_bytes(*value) & !REPORTED).to_ne_bytes();
        }
        at += len.next_multiple_of(HEADER_LEN);
    }
    options
}

/// The kind and its options in the words of `tc`.
impl fmt::Display for FilterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Bpf(bpf) => bpf.write_options(f),
            Self::Flower(flower) => flower.write_options(f),
            Self::Fw(fw) => fw.write_options(f),
            Self::Matchall(matchall) => matchall.write_options(f),
            Self::U32(u32) => u32.write_options(f),
            Self::U32Table(table) => table.write_options(f),
            Self::Other { .. } => Ok(()),
        }
    }
}

impl From<Bpf> for FilterConfig {
    fn from(bpf: Bpf) -> Self {
        Self::Bpf(bpf)
    }
}

impl From<Flower> for FilterConfig {
    fn from(flower: Flower) -> Self {
        Self::Flower(flower)
    }
}

impl From<Fw> for FilterConfig {
    fn from(fw: Fw) -> Self {
        Self::Fw(fw)
    }
}

impl From<Matchall> for FilterConfig {
    fn from(matchall: Matchall) -> Self {
        Self::Matchall(matchall)
    }
}

impl From<U32> for FilterConfig {
    fn from(u32: U32) -> Self {
        Self::U32(u32)
    }
}

impl From<U32Table> for FilterConfig {
    fn from(table: U32Table) -> Self {
        Self::U32Table(table)
    }
}

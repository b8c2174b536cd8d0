use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;
use nl_core::error::Names;

use super::flags::is_status;
use super::u32::{self, U32};
use crate::message::kind_names;
use crate::{TcHandle, message};

/// The configuration of a filter, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FilterConfig {
    /// Every packet (`matchall classid`).
    Matchall(Matchall),
    /// Packets with certain header bits (`u32 match … classid`).
    U32(U32),
    /// Another kind, or options that the kind's type does not hold whole, with the value of its `TCA_OPTIONS`.
    Other {
        /// The name of the kind, up to 15 bytes.
        kind: String,
        /// The options as bytes; `None` if the message has none.
        options: Option<Vec<u8>>,
    },
}

/// Sends every packet into a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Matchall {
    /// The class (`classid`, `flowid`).
    pub classid: TcHandle,
}

impl Matchall {
    /// Every packet, into this class.
    #[must_use]
    pub const fn new(classid: TcHandle) -> Self {
        Self { classid }
    }

    /// `None` if there is no class, or if there is more than this type holds, such as an action.
    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut classid = None;
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_MATCHALL_CLASSID => classid = Some(TcHandle::from_bits(attr.u32()?)),
                TCA_MATCHALL_FLAGS if is_status(attr.u32()?) => {}
                // Counters.
                TCA_MATCHALL_PCNT | TCA_MATCHALL_PAD => {}
                _ => return Ok(None),
            }
        }
        Ok(classid.map(Self::new))
    }
}

impl FilterConfig {
    /// The name of the kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Matchall(_) => "matchall",
            Self::U32(_) => "u32",
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
            "matchall" => Matchall::decode(bytes)?.map(Self::Matchall),
            "u32" => U32::decode(bytes)?.map(Self::U32),
            _ => None,
        };
        Ok(known
            .unwrap_or_else(|| Self::Other { kind: kind.to_owned(), options: options.map(<[u8]>::to_vec) }))
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        match self {
            Self::Matchall(matchall) => {
                w.nested(TCA_OPTIONS).u32(TCA_MATCHALL_CLASSID, matchall.classid.bits());
            }
            Self::U32(u32) => u32.encode(w),
            Self::Other { options, .. } => {
                w.opt(TCA_OPTIONS, options.as_deref(), AttrWriter::bytes);
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Matchall(Matchall { classid }) | Self::U32(U32 { classid, .. })
                if classid.minor() == 0 || classid.is_root() =>
            {
                Err(format!("classid {classid}; a classid like 1:10 is needed").into())
            }
            Self::U32(u32) => u32.check(),
            Self::Other { kind, .. } => Invalid::when(kind.is_empty(), "a configuration is needed"),
            Self::Matchall(_) => Ok(()),
        }
    }

    pub(super) const fn names(&self) -> &'static Names {
        match self {
            Self::Matchall(_) => &NAMES,
            Self::U32(_) => &u32::NAMES,
            Self::Other { .. } => &message::NAMES,
        }
    }
}

/// The kind and its options in the words of `tc`.
impl fmt::Display for FilterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Matchall(matchall) => write!(f, " classid {}", matchall.classid),
            Self::U32(u32) => u32.write_options(f),
            Self::Other { .. } => Ok(()),
        }
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

// `include/uapi/linux/pkt_cls.h`
kind_names! {
    TCA_MATCHALL_CLASSID = 1,
    TCA_MATCHALL_FLAGS = 3,
    TCA_MATCHALL_PCNT = 4,
    TCA_MATCHALL_PAD = 5,
}

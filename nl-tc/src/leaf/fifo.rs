use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError, Fields};
use nl_core::error::Names;

use crate::TcVerb;
use crate::kind::{Config, setters};
use crate::message::{PLAIN, TCA_OPTIONS};
use crate::units::{Refusal, Size};

/// First in, first out, so many packets (`tc qdisc … pfifo`).
///
/// A leaf class has one of these from the beginning, which is not listed unless asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PfifoConfig {
    /// Packets held; without one the device's queue length (`limit`).
    pub limit: Option<u32>,
}

/// First in, first out, so many bytes (`tc qdisc … bfifo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BfifoConfig {
    /// Bytes held; without one the device's queue length times its packet (`limit`).
    pub limit: Option<u32>,
}

impl PfifoConfig {
    /// As long as the device's queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { limit: None }
    }

    setters! {
        /// Holds this many packets (`limit`).
        limit: u32 => Some;
    }
}

impl BfifoConfig {
    /// As long as the device's queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { limit: None }
    }

    /// Holds this many bytes (`limit`).
    #[must_use]
    pub fn limit(mut self, limit: impl Into<Size>) -> Self {
        self.limit = Some(limit.into().0);
        self
    }
}

macro_rules! fifo {
    ($($name:ident)+) => {$(
        impl Config for $name {
            const NAMES: &'static Names = &PLAIN;

            fn decode(options: &[u8]) -> Result<Self, DecodeError> {
                let limit = match options {
                    [] => None,
                    options => Some(Fields::of_attr(TCA_OPTIONS, options).u32()?),
                };
                Ok(Self { limit })
            }

            fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
                // `struct tc_fifo_qopt`
                if let Some(limit) = self.limit {
                    w.u32(TCA_OPTIONS, limit);
                }
            }

            fn refusal(&self, _verb: TcVerb) -> Refusal {
                None
            }

            fn kept(&self, current: &Self) -> Self {
                Self { limit: self.limit.or(current.limit) }
            }

            fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.limit.map_or(Ok(()), |limit| write!(f, " limit {limit}"))
            }
        }
    )+};
}

fifo!(PfifoConfig BfifoConfig);

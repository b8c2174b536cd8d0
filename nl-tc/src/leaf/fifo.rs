use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError, Fields};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::{NAMES, TCA_OPTIONS};
use crate::setters::setters;
use crate::units::{Size, word};

/// A FIFO with a limit in packets (`tc qdisc … pfifo`).
///
/// A new leaf class has one. The kernel lists it only if asked for invisible qdiscs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PfifoConfig {
    /// The number of packets queued. Unset: the queue length of the device (`limit`).
    pub limit: Option<u32>,
}

/// A FIFO with a limit in bytes (`tc qdisc … bfifo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BfifoConfig {
    /// The number of bytes queued. Unset: the queue length of the device times its packet size (`limit`).
    pub limit: Option<u32>,
}

impl PfifoConfig {
    setters! {
        /// Sets the number of packets queued (`limit`).
        limit: u32 => Some;
    }
}

impl BfifoConfig {
    setters! {
        /// Sets the number of bytes queued (`limit`).
        limit: impl Into<Size> => Size::some;
    }
}

macro_rules! fifo {
    ($($name:ident)+) => {$(
        impl $name {
            /// A FIFO as long as the queue of the device.
            #[must_use]
            pub const fn new() -> Self {
                Self { limit: None }
            }
        }

        impl Config for $name {
            const NAMES: &'static Names = &NAMES;

            fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
                if options.is_empty() {
                    return Ok(Some(Self { limit: None }));
                }
                let mut f = Fields::of_attr(TCA_OPTIONS, options);
                let limit = Some(f.u32()?);
                Ok(f.rest().is_empty().then_some(Self { limit }))
            }

            fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
                // `struct tc_fifo_qopt`
                w.opt(TCA_OPTIONS, self.limit, AttrWriter::u32);
            }

            fn as_read_back(&self, current: &Self) -> Self {
                Self { limit: self.limit.or(current.limit) }
            }

            fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                word(f, "limit", self.limit)
            }
        }
    )+};
}

fifo!(PfifoConfig BfifoConfig);

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, within};

use super::u32::{TCA_OPTIONS, TCA_U32_DIVISOR};

const BUCKETS_MAX: u32 = 256;

/// A hash table for filters of [`U32`](super::U32) (`u32 divisor`). Its [handle](super::Filter::handle) is its number; the priority and
/// the protocol are those of the filters in it.
///
/// ```
/// use nl_tc::filter::{Filter, IPV4, U32Table};
/// use nl_tc::TcHandle;
///
/// // tc filter add dev … parent 1: prio 5 protocol ip handle 2: u32 divisor 256
/// let table = Filter::new(5, TcHandle::new(1, 0), U32Table::new(256)).priority(5).protocol(IPV4);
/// let table = table.handle(U32Table::number(2));
/// assert_eq!(U32Table::bucket(2, 0x1f), 0x0021_f000);
/// ```
///
/// The kernel has a table of its own for each priority, with one bucket, whose number is 0x800 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct U32Table {
    /// The number of buckets, a power of two up to 256 (`divisor`).
    pub buckets: u32,
}

impl U32Table {
    /// A table with this number of buckets, a power of two up to 256.
    #[must_use]
    pub const fn new(buckets: u32) -> Self {
        Self { buckets }
    }

    /// The handle of the table with this number, up to 0x7ff (`2:`).
    #[must_use]
    pub const fn number(number: u16) -> u32 {
        (number as u32) << 20
    }

    /// A bucket of the table with this number, for [`U32::table`](super::U32::table) (`2:1f:`).
    #[must_use]
    pub const fn bucket(number: u16, bucket: u8) -> u32 {
        Self::number(number) | (bucket as u32) << 12
    }

    /// `None` if these are not the options of a table.
    pub(super) fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut table = None;
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_U32_DIVISOR => table = Some(Self::new(attr.u32()?)),
                _ => return Ok(None),
            }
        }
        Ok(table)
    }

    pub(super) fn encode(self, w: &mut AttrWriter<'_>) {
        w.nested(TCA_OPTIONS).u32(TCA_U32_DIVISOR, self.buckets);
    }

    pub(super) fn check(self) -> Result<(), Invalid> {
        within("divisor", self.buckets, 1, BUCKETS_MAX)?;
        match self.buckets.is_power_of_two() {
            true => Ok(()),
            false => {
                let buckets = self.buckets;
                Err(format!("divisor {buckets}; powers of two up to {BUCKETS_MAX} are possible").into())
            }
        }
    }

    pub(super) fn write_options(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " divisor {}", self.buckets)
    }
}

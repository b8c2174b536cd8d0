//! Ranges of VNIs, and arguments that are checked in the verb.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use nl_core::Error;
use nl_core::check::{Invalid, within};

use crate::types::{VlanId, VlanRange, Vni};

/// One VNI or several in a row, written `10010` or `10010-10019`.
///
/// ```
/// use nl_bridge::VniRange;
///
/// let range = VniRange::new(10010, 10019)?;
/// assert_eq!((range.len(), range.to_string()), (10, "10010-10019".to_owned()));
/// assert_eq!("10010-10019".parse::<VniRange>()?, range);
/// assert!(VniRange::new(1, 1 << 24).is_err());
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// The kernel checks no VNI, so one that was read can be over [`Vni::MAX`]. It is kept, and refused where it is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VniRange {
    first: u32,
    last: u32,
}

impl VniRange {
    /// The VNIs from `first` to `last`, both included.
    ///
    /// # Errors
    /// One has more than 24 bits, or `last` is below `first`.
    pub fn new(first: u32, last: u32) -> Result<Self, Invalid> {
        let range = Self { first, last };
        range.check()?;
        match first <= last {
            true => Ok(range),
            false => {
                Err(format!("vni range {first}-{last} is reversed; the first has to be the smallest").into())
            }
        }
    }

    /// As read from the kernel, which may have larger numbers; `None` if it is reversed.
    #[cfg(feature = "vni")]
    pub(crate) fn read(first: u32, last: u32) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Refuses numbers of more than 24 bits.
    pub(crate) fn check(self) -> Result<(), Invalid> {
        within("vni", self.first, 0, Vni::MAX.get())?;
        within("vni", self.last, 0, Vni::MAX.get())
    }

    /// The first VNI.
    #[must_use]
    pub const fn first(self) -> u32 {
        self.first
    }

    /// The last VNI.
    #[must_use]
    pub const fn last(self) -> u32 {
        self.last
    }

    /// How many VNIs it is, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> usize {
        (self.last - self.first) as usize + 1
    }

    /// Whether it is one VNI.
    #[must_use]
    pub const fn is_single(self) -> bool {
        self.first == self.last
    }

    /// Whether this VNI is in it.
    #[must_use]
    pub const fn contains(self, vni: u32) -> bool {
        self.first <= vni && vni <= self.last
    }

    /// The VNIs, one by one.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = u32> {
        self.first..=self.last
    }
}

impl From<Vni> for VniRange {
    fn from(vni: Vni) -> Self {
        Self { first: vni.get(), last: vni.get() }
    }
}

impl TryFrom<u32> for VniRange {
    type Error = Invalid;

    fn try_from(vni: u32) -> Result<Self, Invalid> {
        Self::new(vni, vni)
    }
}

impl TryFrom<RangeInclusive<u32>> for VniRange {
    type Error = Invalid;

    fn try_from(range: RangeInclusive<u32>) -> Result<Self, Invalid> {
        Self::new(*range.start(), *range.end())
    }
}

impl fmt::Display for VniRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_single() {
            true => self.first.fmt(f),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for VniRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once('-') {
            None => text.parse().map(Vni::into),
            Some((first, last)) => {
                let (first, last): (Vni, Vni) = (first.parse()?, last.parse()?);
                Ok(Self::new(first.get(), last.get())?)
            }
        }
    }
}

/// An argument that is checked when the verb runs, so that no builder needs a `?` in its middle.
///
/// ```
/// use nl_bridge::{Checked, VlanRange, VniRange};
///
/// fn vlans(vlans: impl Into<Checked<VlanRange>>) -> Checked<VlanRange> {
///     vlans.into()
/// }
/// assert!(vlans(10).check().is_ok() && vlans(10..=19).check().is_ok());
/// assert_eq!(vlans(4095).check().unwrap_err().to_string(), "vlan 4095; 1 to 4094 are possible");
/// assert!(Checked::<VniRange>::from(10010..=10019).check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked<T>(Result<T, Invalid>);

impl<T: Copy> Checked<T> {
    /// The value.
    ///
    /// # Errors
    /// The argument is bad input; the limit is in the text.
    pub fn check(&self) -> Result<T, Invalid> {
        self.0.clone()
    }
}

macro_rules! checked {
    ($($range:ident: $number:ident, $single:ident;)+) => {$(
        impl From<$range> for Checked<$range> {
            fn from(range: $range) -> Self {
                Self(Ok(range))
            }
        }

        impl From<$single> for Checked<$range> {
            fn from(single: $single) -> Self {
                Self(Ok(single.into()))
            }
        }

        impl From<$number> for Checked<$range> {
            fn from(number: $number) -> Self {
                Self($range::try_from(number))
            }
        }

        impl From<RangeInclusive<$number>> for Checked<$range> {
            fn from(range: RangeInclusive<$number>) -> Self {
                Self($range::try_from(range))
            }
        }
    )+};
}
checked! {
    VlanRange: u16, VlanId;
    VniRange: u32, Vni;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_vnis_is_in_order_and_has_24_bits() {
        let text = |range: Result<VniRange, Invalid>| range.unwrap_err().to_string();
        assert_eq!(text(VniRange::new(7, 6)), "vni range 7-6 is reversed; the first has to be the smallest");
        assert_eq!(text(VniRange::new(7, 0x100_0000)), "vni 16777216; 0 to 16777215 are possible");
        for text in ["6-5", "1-16777216", "-4", "4-", ""] {
            assert!(text.parse::<VniRange>().unwrap_err().is_usage(), "{text}");
        }
        assert_eq!("0-16777215".parse::<VniRange>().unwrap().len(), 1 << 24);
        let raw = VniRange { first: u32::MAX, last: u32::MAX };
        assert!(raw.check().is_err());
    }
}

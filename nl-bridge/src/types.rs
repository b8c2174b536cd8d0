//! Numbers that several objects share: VLANs and VNIs, checked once.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use nl_core::Error;
use nl_core::check::{Invalid, within};

/// A VLAN that a port can be in: 1 to 4094.
///
/// ```
/// use nl_bridge::VlanId;
///
/// assert_eq!(VlanId::new(10)?.get(), 10);
/// assert_eq!(VlanId::new(4095).unwrap_err().to_string(), "vlan 4095; 1 to 4094 are possible");
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "u16"))]
pub struct VlanId(u16);

impl VlanId {
    /// The smallest VLAN.
    pub const MIN: Self = Self(1);
    /// The largest VLAN; 4095 is reserved.
    pub const MAX: Self = Self(4094);

    /// The VLAN of this number.
    ///
    /// # Errors
    /// The number is 0 or over 4094.
    pub fn new(vlan: u16) -> Result<Self, Invalid> {
        within("vlan", vlan, Self::MIN.0, Self::MAX.0)?;
        Ok(Self(vlan))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for VlanId {
    type Error = Invalid;

    fn try_from(vlan: u16) -> Result<Self, Invalid> {
        Self::new(vlan)
    }
}

impl From<VlanId> for u16 {
    fn from(vlan: VlanId) -> Self {
        vlan.0
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VlanId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = text.parse().map_err(|_| {
            Error::usage(format!("\"{text}\" is no VLAN: a number from {} to {}", Self::MIN, Self::MAX))
        })?;
        Ok(Self::new(number)?)
    }
}

/// One VLAN or several in a row, written `10` or `10-20`.
///
/// ```
/// use nl_bridge::VlanRange;
///
/// let range = VlanRange::new(4, 6)?;
/// assert_eq!(range.iter().map(u16::from).collect::<Vec<_>>(), [4, 5, 6]);
/// assert_eq!("4-6".parse::<VlanRange>()?, range);
/// assert_eq!(VlanRange::try_from(4..=6)?, range);
/// assert!(VlanRange::new(6, 4).is_err());
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VlanRange {
    first: VlanId,
    last: VlanId,
}

impl VlanRange {
    /// Every VLAN: 1 to 4094.
    pub const ALL: Self = Self { first: VlanId::MIN, last: VlanId::MAX };

    /// The VLANs from `first` to `last`, both included.
    ///
    /// # Errors
    /// One is 0 or over 4094, or `last` is below `first`.
    pub fn new(first: u16, last: u16) -> Result<Self, Invalid> {
        if let Some(range) = Self::checked(first, last) {
            return Ok(range);
        }
        let (first, last) = (VlanId::new(first)?, VlanId::new(last)?);
        Err(format!("vlan range {first}-{last} is reversed; the first has to be the smallest").into())
    }

    /// The same, without a reason where it is none: the kernel reports thousands.
    #[inline]
    pub(crate) const fn checked(first: u16, last: u16) -> Option<Self> {
        match VlanId::MIN.0 <= first && first <= last && last <= VlanId::MAX.0 {
            true => Some(Self { first: VlanId(first), last: VlanId(last) }),
            false => None,
        }
    }

    /// The first VLAN.
    #[must_use]
    pub const fn first(self) -> VlanId {
        self.first
    }

    /// The last VLAN.
    #[must_use]
    pub const fn last(self) -> VlanId {
        self.last
    }

    /// How many VLANs it is, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> usize {
        (self.last.0 - self.first.0) as usize + 1
    }

    /// Whether it is one VLAN.
    #[must_use]
    pub const fn is_single(self) -> bool {
        self.first.0 == self.last.0
    }

    /// Whether this VLAN is in it.
    #[must_use]
    pub const fn contains(self, vlan: VlanId) -> bool {
        self.first.0 <= vlan.0 && vlan.0 <= self.last.0
    }

    /// Whether a VLAN is in both.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.first.0 <= other.last.0 && other.first.0 <= self.last.0
    }

    /// The VLANs, one by one.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = VlanId> + ExactSizeIterator {
        (self.first.0..self.last.0 + 1).map(VlanId)
    }
}

impl From<VlanId> for VlanRange {
    fn from(vlan: VlanId) -> Self {
        Self { first: vlan, last: vlan }
    }
}

impl TryFrom<u16> for VlanRange {
    type Error = Invalid;

    fn try_from(vlan: u16) -> Result<Self, Invalid> {
        VlanId::new(vlan).map(Self::from)
    }
}

impl TryFrom<RangeInclusive<u16>> for VlanRange {
    type Error = Invalid;

    fn try_from(range: RangeInclusive<u16>) -> Result<Self, Invalid> {
        Self::new(*range.start(), *range.end())
    }
}

impl fmt::Display for VlanRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_single() {
            true => self.first.fmt(f),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for VlanRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once('-') {
            None => text.parse().map(VlanId::into),
            Some((first, last)) => {
                let (first, last): (VlanId, VlanId) = (first.parse()?, last.parse()?);
                Ok(Self::new(first.get(), last.get())?)
            }
        }
    }
}

/// The number of a VXLAN segment (virtual network identifier): 0 to 16777215.
///
/// ```
/// use nl_bridge::Vni;
///
/// assert_eq!(Vni::new(1000)?.get(), 1000);
/// assert!(Vni::new(1 << 24).is_err());
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "u32"))]
pub struct Vni(u32);

impl Vni {
    /// The largest VNI: it has 24 bits.
    pub const MAX: Self = Self(0xff_ffff);

    /// The VNI of this number.
    ///
    /// # Errors
    /// The number has more than 24 bits.
    pub fn new(vni: u32) -> Result<Self, Invalid> {
        within("vni", vni, 0, Self::MAX.0)?;
        Ok(Self(vni))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Vni {
    type Error = Invalid;

    fn try_from(vni: u32) -> Result<Self, Invalid> {
        Self::new(vni)
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> Self {
        vni.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Vni {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = text
            .parse()
            .map_err(|_| Error::usage(format!("\"{text}\" is no VNI: a number from 0 to {}", Self::MAX)))?;
        Ok(Self::new(number)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_is_from_1_to_4094() {
        for vlan in [0, 4095, u16::MAX] {
            assert!(VlanId::new(vlan).is_err(), "{vlan}");
            assert!(VlanRange::try_from(vlan).is_err(), "{vlan}");
        }
        assert_eq!((VlanId::new(1), VlanId::new(4094)), (Ok(VlanId::MIN), Ok(VlanId::MAX)));
        assert!("4095".parse::<VlanId>().unwrap_err().is_usage());
        assert!("ten".parse::<VlanId>().unwrap_err().is_usage());
    }

    #[test]
    fn a_range_is_in_order() {
        assert_eq!(VlanRange::ALL.len(), 4094);
        assert_eq!(VlanRange::new(7, 7).unwrap().to_string(), "7");
        assert_eq!(VlanRange::ALL.iter().next_back(), Some(VlanId::MAX));
        for text in ["0-4", "6-4", "4-4095", "4-", "-4", "4-5-6", ""] {
            assert!(text.parse::<VlanRange>().unwrap_err().is_usage(), "{text}");
        }
        let range = |first, last| VlanRange::new(first, last).unwrap();
        assert!(range(1, 5).overlaps(range(5, 9)) && range(5, 9).overlaps(range(1, 5)));
        assert!(!range(1, 5).overlaps(range(6, 9)));
        assert!(range(1, 5).contains(VlanId(5)) && !range(1, 5).contains(VlanId(6)));
    }

    #[test]
    fn a_vni_has_24_bits() {
        assert_eq!(Vni::new(0x100_0000).unwrap_err().to_string(), "vni 16777216; 0 to 16777215 are possible");
        assert_eq!("16777215".parse::<Vni>().unwrap(), Vni::MAX);
    }
}

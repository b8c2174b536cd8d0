use std::fmt;

use nl_core::attr::{Attr, AttrWriter, DecodeError};
use nl_core::check::{Invalid, within};
use nl_core::link::AttrValue;

/// An association number (AN): which of the four associations of a secure channel.
///
/// Made from a `u8`. A number over 3 is refused by the verb it is used in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct An(u8);

impl An {
    /// The four that there are.
    pub const ALL: [Self; 4] = [Self(0), Self(1), Self(2), Self(3)];

    /// This number, which has to be 0 to 3 where it is used.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The one behind it; 0 follows 3.
    #[must_use]
    pub const fn next(self) -> Self {
        Self((self.0 % 4 + 1) % 4)
    }

    pub(crate) fn check(self) -> Result<(), Invalid> {
        within("association number", self.0, 0, 3)
    }
}

impl AttrValue for An {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.u8(kind, self.0);
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.u8().map(Self)
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}

impl From<u8> for An {
    fn from(number: u8) -> Self {
        Self(number)
    }
}

impl fmt::Display for An {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

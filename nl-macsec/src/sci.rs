use std::fmt;
use std::str::FromStr;

use nl_core::attr::{Attr, AttrWriter, DecodeError};
use nl_core::check::Invalid;
use nl_core::link::AttrValue;
use nl_core::{Error, MacAddr, Result};

use crate::hex;

/// A secure channel identifier (SCI): the MAC address of a port and a number, 8 bytes in the order of the wire.
///
/// ```
/// use nl_macsec::Sci;
///
/// let sci = Sci::new("1c:ed:de:ad:be:ef".parse()?, 1234);
/// assert_eq!(sci.to_string(), "1ceddeadbeef04d2");
/// assert_eq!(sci, "1ceddeadbeef04d2".parse()?);
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sci([u8; 8]);

impl Sci {
    /// Of this address and port.
    #[must_use]
    pub const fn new(address: MacAddr, port: u16) -> Self {
        let ([a, b, c, d, e, f], [g, h]) = (address.octets(), port.to_be_bytes());
        Self([a, b, c, d, e, f, g, h])
    }

    /// From its bytes, in the order of the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Its bytes, in the order of the wire.
    #[must_use]
    pub const fn bytes(self) -> [u8; 8] {
        self.0
    }

    /// The address.
    #[must_use]
    pub const fn address(self) -> MacAddr {
        let [a, b, c, d, e, f, ..] = self.0;
        MacAddr::new([a, b, c, d, e, f])
    }

    /// The port.
    #[must_use]
    pub const fn port(self) -> u16 {
        let [.., a, b] = self.0;
        u16::from_be_bytes([a, b])
    }

    pub(crate) fn read_attr(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.array().map(Self)
    }

    pub(crate) fn check(self) -> Result<(), Invalid> {
        Invalid::when(
            self.0 == [0xff; 8],
            "SCI ffffffffffffffff, by which the kernel means that none is given",
        )
    }
}

impl AttrValue for Sci {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.bytes(kind, &self.0);
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Self::read_attr(attr)
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}

/// The 16 hexadecimal digits that iproute2 shows.
impl fmt::Display for Sci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for Sci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sci {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; 8];
        match hex::read(text, &mut bytes) {
            Some(8) => Ok(Self(bytes)),
            _ => Err(Error::usage(format!("\"{text}\" is no SCI: 16 hexadecimal digits"))),
        }
    }
}

/// The digits that iproute2 shows.
#[cfg(feature = "serde")]
impl serde::Serialize for Sci {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From the digits.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Sci {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use nl_core::{Error, Result};

/// The id of an address on one side of a connection, and of an endpoint (Address ID of RFC 8684).
/// Endpoints have ids 1 to 255. In a connection, id 0 is the address of the initial subflow on that side.
///
/// ```
/// use nl_mptcp::AddressId;
///
/// assert_eq!(AddressId::from(7).to_string(), "7");
/// assert!(AddressId::INITIAL.is_initial());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AddressId(u8);

impl AddressId {
    /// The address of the initial subflow.
    pub const INITIAL: Self = Self(0);

    /// From the number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether it is the address of the initial subflow.
    #[must_use]
    pub const fn is_initial(self) -> bool {
        self.0 == 0
    }
}

impl From<u8> for AddressId {
    fn from(number: u8) -> Self {
        Self(number)
    }
}

impl fmt::Display for AddressId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The local token of a connection (RFC 8684), which identifies it within its namespace.
///
/// The two ends of a connection have different tokens. Written as in `ip mptcp monitor`: eight hexadecimal digits.
///
/// ```
/// use nl_mptcp::Token;
///
/// let token: Token = "0a1b2c3d".parse()?;
/// assert_eq!(token, Token::new(0x0a1b_2c3d));
/// assert_eq!(token.to_string(), "0a1b2c3d");
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u32);

impl Token {
    /// From the number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl From<u32> for Token {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
        match u32::from_str_radix(digits, 16) {
            Ok(number) if hexadecimal => Ok(Self(number)),
            _ => Err(Error::usage(format!(
                "\"{text}\" is not a token: one to eight hexadecimal digits are needed"
            ))),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Token {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether two addresses are the same: an IPv4 address equals its IPv4-mapped IPv6 address.
pub(crate) fn same(a: IpAddr, b: IpAddr) -> bool {
    a.to_canonical() == b.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_parses_from_its_display() {
        for token in [0, 1, 0x0a1b_2c3d, u32::MAX].map(Token::new) {
            assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
        }
        assert_eq!("0x1f".parse::<Token>().unwrap(), Token::new(0x1f));
    }

    #[test]
    fn malformed_token_is_refused() {
        for text in ["", "0x", "+1", "-1", "1234567890", "g"] {
            assert!(text.parse::<Token>().unwrap_err().is_usage(), "{text:?} was accepted");
        }
    }
}

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::check::Invalid;
use crate::error::{Error, Result};
use crate::message::{AF_INET, AF_INET6};

/// An IP address and how many of its bits name the network, written `192.0.2.0/24`.
///
/// The bits behind the length may be set, as in the address of a device. A route or a rule refuses such a prefix.
///
/// ```
/// use nl_core::addr::IpPrefix;
///
/// let prefix: IpPrefix = "192.0.2.0/24".parse()?;
/// assert_eq!((prefix.len(), prefix.to_string().as_str()), (24, "192.0.2.0/24"));
/// // A bare address is one of 32 or 128 bits.
/// assert_eq!("2001:db8::1".parse::<IpPrefix>()?.len(), 128);
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpPrefix {
    addr: IpAddr,
    len: u8,
}

#[expect(clippy::len_without_is_empty, reason = "a number of bits, not of elements")]
impl IpPrefix {
    /// The first `len` bits of `addr`.
    ///
    /// # Errors
    /// A length over 32 for IPv4 or over 128 for IPv6.
    pub fn new(addr: IpAddr, len: u8) -> Result<Self, Invalid> {
        let max = Self::host(addr).len;
        match len <= max {
            true => Ok(Self { addr, len }),
            false => Err(format!("prefix {addr}/{len}; the length is 0 to {max}").into()),
        }
    }

    /// All bits of `addr`: `/32` or `/128`.
    #[must_use]
    pub const fn host(addr: IpAddr) -> Self {
        let len = if addr.is_ipv4() { 32 } else { 128 };
        Self { addr, len }
    }

    /// All addresses of a family: `0.0.0.0/0` or `::/0`, the destination of a default route.
    ///
    /// ```
    /// use nl_core::{IpFamily, IpPrefix};
    ///
    /// let gateway: std::net::IpAddr = "192.0.2.1".parse()?;
    /// assert_eq!(IpPrefix::default_of(IpFamily::of(&gateway)).to_string(), "0.0.0.0/0");
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub const fn default_of(family: IpFamily) -> Self {
        let addr = match family {
            IpFamily::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpFamily::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { addr, len: 0 }
    }

    /// The address, with all of its bits.
    #[must_use]
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// How many bits name the network.
    #[must_use]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether it is all of IPv4 or of IPv6: `0.0.0.0/0` or `::/0`.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.len == 0
    }

    /// The address without the bits behind the length.
    #[must_use]
    pub fn network(&self) -> IpAddr {
        match self.addr {
            IpAddr::V4(addr) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.len)).unwrap_or(0);
                Ipv4Addr::from(u32::from(addr) & mask).into()
            }
            IpAddr::V6(addr) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.len)).unwrap_or(0);
                Ipv6Addr::from(u128::from(addr) & mask).into()
            }
        }
    }

    /// Becomes a prefix that was read; without bytes it is all zeros. In place, because an address that is moved is written and
    /// read in pieces of different sizes, which stalls the processor.
    #[cfg(feature = "route")]
    #[inline]
    pub(crate) fn read(&mut self, is_ipv4: bool, bytes: &[u8], len: u8) -> Result<(), &'static str> {
        const FAMILY: &str = "an address of another family";
        match (is_ipv4, bytes) {
            (true, []) => self.addr = IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            (false, []) => self.addr = IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            (true, bytes) => {
                let octets: [u8; 4] = bytes.try_into().map_err(|_| FAMILY)?;
                self.addr = IpAddr::V4(Ipv4Addr::from(octets));
            }
            (false, bytes) => {
                let octets: [u8; 16] = bytes.try_into().map_err(|_| FAMILY)?;
                self.addr = IpAddr::V6(Ipv6Addr::from(octets));
            }
        }
        self.len = len;
        if len <= if is_ipv4 { 32 } else { 128 } { Ok(()) } else { Err("a prefix longer than the address") }
    }

    /// Refuses bits behind the length; `what` is what the prefix is for.
    ///
    /// # Errors
    /// A bit behind the length is set.
    pub fn check_network(&self, what: &str) -> Result<(), Invalid> {
        let network = self.network();
        match network == self.addr {
            true => Ok(()),
            false => Err(format!(
                "{what} {self} has bits set behind its length of {}; the network is {network}/{}",
                self.len, self.len
            )
            .into()),
        }
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

impl fmt::Debug for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for IpPrefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!("\"{text}\" is no IP prefix: an address, or an address, '/' and a length"))
        };
        let (addr, len) = match text.split_once('/') {
            Some((addr, len)) => (addr, Some(len)),
            None => (text, None),
        };
        let addr: IpAddr = addr.parse().map_err(|_| bad())?;
        match len {
            None => Ok(Self::host(addr)),
            Some(len) if len.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self::new(addr, len.parse().map_err(|_| bad())?)?)
            }
            Some(_) => Err(bad()),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for IpPrefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From the text.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for IpPrefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum IpFamily {
    /// IPv4 (`AF_INET`).
    V4,
    /// IPv6 (`AF_INET6`).
    V6,
}

impl IpFamily {
    /// The family of an address.
    #[must_use]
    pub const fn of(addr: &IpAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The kernel's number for it, `AF_INET` or `AF_INET6`.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => AF_INET,
            Self::V6 => AF_INET6,
        }
    }
}

/// `IPv4` or `IPv6`.
impl fmt::Display for IpFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

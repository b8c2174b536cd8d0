//! Addresses and names that appear in more than one feature crate.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
#[cfg(feature = "route")]
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::str::FromStr;

use crate::attr::{Attr, DecodeError};
use crate::check::Invalid;
use crate::error::{Error, Result};

/// An Ethernet address, written `02:00:00:00:00:01`.
///
/// ```
/// use nl_core::addr::MacAddr;
///
/// let mac: MacAddr = "02:00:00:00:00:01".parse()?;
/// assert_eq!(mac, MacAddr::new([2, 0, 0, 0, 0, 1]));
/// assert!(!mac.is_multicast());
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// `00:00:00:00:00:00`: on a VXLAN device, the default destination.
    pub const ZERO: Self = Self([0; 6]);
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address with these octets, in the order they are written and sent.
    #[must_use]
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// The octets, in the order they are written and sent.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether it is a group address (multicast or broadcast).
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether it is all zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Reads an attribute of exactly six bytes.
    ///
    /// # Errors
    /// The attribute has another length.
    #[inline]
    pub fn from_attr(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.array().map(Self)
    }
}

impl From<[u8; 6]> for MacAddr {
    fn from(octets: [u8; 6]) -> Self {
        Self(octets)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!(
                "\"{text}\" is no MAC address: six two-digit hexadecimal octets, joined by ':'"
            ))
        };
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
            *octet = u8::from_str_radix(part.ok_or_else(bad)?, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Self(octets)) }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for MacAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An IP address and how many of its bits name the network, written `192.0.2.0/24`.
///
/// The bits behind the length may be set: the address of a device is written so. Who takes no such prefix refuses it.
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
    #[cfg(feature = "route")]
    pub(crate) fn network(&self) -> IpAddr {
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

    /// Refuses bits behind the length; `what` is what the prefix is for.
    #[cfg(feature = "route")]
    pub(crate) fn check_network(&self, what: &str) -> Result<(), Invalid> {
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

/// The longest interface name, without the terminating NUL (`IFNAMSIZ - 1`).
pub const IFNAME_MAX: usize = 15;

/// The longest alternative interface name, without the terminating NUL (`ALTIFNAMSIZ - 1`).
pub const ALTIFNAME_MAX: usize = 127;

/// A network device as a caller names it: by index, which is exact and costs nothing, or by name, which is looked up first.
///
/// ```
/// use nl_core::addr::Dev;
///
/// assert_eq!(Dev::from(5), Dev::Index(5));
/// assert_eq!(Dev::from("swp1").to_string(), "swp1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dev {
    /// The interface index, above 0.
    Index(u32),
    /// The interface name, up to 15 bytes, or an alternative name, up to 127.
    Name(DevName),
}

/// The name of a network device. One of up to 15 bytes takes no allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DevName(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Short([u8; IFNAME_MAX], u8),
    Long(Box<str>),
}

impl Deref for DevName {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Repr::Short(bytes, len) => {
                let bytes = bytes.get(..usize::from(*len)).unwrap_or_default();
                // They were text when they came in.
                std::str::from_utf8(bytes).unwrap_or_default()
            }
            Repr::Long(name) => name,
        }
    }
}

impl From<&str> for DevName {
    fn from(name: &str) -> Self {
        let mut bytes = [0; IFNAME_MAX];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(short), Ok(len)) => {
                short.copy_from_slice(name.as_bytes());
                Self(Repr::Short(bytes, len))
            }
            _ => Self(Repr::Long(name.into())),
        }
    }
}

impl fmt::Debug for DevName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Dev {
    /// Checks what can be checked before the kernel is asked.
    ///
    /// # Errors
    /// Index 0, an index over the kernel's limit of 2³¹−1, or a name that is empty, over 127 bytes, `.` or `..`,
    /// or holds a slash, a blank or a NUL.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Index(0) => Err(Error::usage("interface index 0; the first one is 1")),
            Self::Index(index) if i32::try_from(*index).is_err() => {
                Err(Error::usage(format!("interface index {index}; the largest is {}", i32::MAX)))
            }
            Self::Index(_) => Ok(()),
            Self::Name(name) => check_name(name),
        }
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > ALTIFNAME_MAX {
        let (name, len) = (escaped(name), name.len());
        return Err(Error::usage(format!(
            "interface name \"{name}\" has {len} bytes; 1 to {IFNAME_MAX} are possible, \
             or {ALTIFNAME_MAX} for an alternative name"
        )));
    }
    if matches!(name, "." | "..") || name.bytes().any(|b| matches!(b, b'/' | 0) || b.is_ascii_whitespace()) {
        return Err(Error::usage(format!(
            "invalid interface name {name:?}: no '/', blanks or NUL, not '.' or '..'"
        )));
    }
    Ok(())
}

/// A name from the kernel or a caller as it stands in a text: the kernel allows control characters in names of devices, and
/// a terminal would obey them.
pub(crate) fn escaped(name: &str) -> Cow<'_, str> {
    if name.chars().any(char::is_control) {
        let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        return name.chars().map(escape).collect::<String>().into();
    }
    name.into()
}

impl fmt::Display for Dev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "#{index}"),
            Self::Name(name) => f.write_str(&escaped(name)),
        }
    }
}

impl fmt::Debug for Dev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<u32> for Dev {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for Dev {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for Dev {
    fn from(name: String) -> Self {
        Self::Name(name.as_str().into())
    }
}

impl From<&Dev> for Dev {
    fn from(dev: &Dev) -> Self {
        dev.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_reads_back_as_it_prints() {
        let mac = MacAddr::new([0x02, 0xab, 0, 1, 0xff, 9]);
        assert_eq!(mac.to_string(), "02:ab:00:01:ff:09");
        assert_eq!(mac.to_string().parse::<MacAddr>().unwrap(), mac);
    }

    #[test]
    fn malformed_mac_addresses_are_refused() {
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:01:02",
            "02-00-00-00-00-01",
            "2:0:0:0:0:1",
            "+2:00:00:00:00:01",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_prefix_reads_back_as_it_prints() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "192.0.2.1/32", "192.0.2.1/24"] {
            assert_eq!(text.parse::<IpPrefix>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.1".parse::<IpPrefix>().unwrap().to_string(), "192.0.2.1/32");
        assert_eq!("::1".parse::<IpPrefix>().unwrap(), IpPrefix::host("::1".parse().unwrap()));
        assert!("::/0".parse::<IpPrefix>().unwrap().is_default());
    }

    #[test]
    fn malformed_prefixes_are_refused_with_the_limit_in_the_text() {
        for text in
            ["", "/", "192.0.2.0/", "192.0.2.0/+4", "192.0.2/24", "192.0.2.0/24/8", "192.0.2.0/256", "x/8"]
        {
            assert!(text.parse::<IpPrefix>().is_err(), "{text:?} was taken");
        }
        let error = "192.0.2.0/33".parse::<IpPrefix>().unwrap_err();
        assert_eq!(error.to_string(), "prefix 192.0.2.0/33; the length is 0 to 32");
        let error = IpPrefix::new("::".parse().unwrap(), 129).unwrap_err();
        assert_eq!(error.to_string(), "prefix ::/129; the length is 0 to 128");
    }

    #[cfg(feature = "route")]
    #[test]
    fn bits_behind_the_length_are_found() {
        for (text, good) in [
            ("192.0.2.0/24", true),
            ("192.0.2.1/24", false),
            ("192.0.2.1/32", true),
            ("0.0.0.1/0", false),
            ("::/0", true),
            ("::1/0", false),
            ("::1/128", true),
            ("2001:db8::1/64", false),
        ] {
            assert_eq!(text.parse::<IpPrefix>().unwrap().check_network("prefix").is_ok(), good, "{text}");
        }
    }

    #[test]
    fn impossible_devices_are_refused_with_the_limit_in_the_text() {
        let error = Dev::from("n".repeat(128)).check().unwrap_err();
        assert!(error.to_string().contains("15") && error.to_string().contains("127"), "{error}");
        for dev in [
            Dev::from(""),
            Dev::from("a/b"),
            Dev::from("a b"),
            Dev::from(".."),
            Dev::from(0),
            Dev::from(1 << 31),
        ] {
            assert!(dev.check().is_err(), "{dev:?} was taken");
        }
        for dev in [Dev::from("fifteen-bytes-x"), Dev::from("lo:5"), Dev::from("n".repeat(127))] {
            dev.check().unwrap();
        }
    }

    #[test]
    fn control_characters_of_a_name_are_escaped_in_texts() {
        assert_eq!(Dev::from("a\x1b[31mb").to_string(), "a\\u{1b}[31mb");
        assert_eq!(Dev::from("größe").to_string(), "größe");
    }
}

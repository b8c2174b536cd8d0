use std::fmt;
use std::time::Duration;

use bitflags::bitflags;

use crate::attr::{DecodeError, Fields};
use crate::message::FixedHeader;

/// `struct ifaddrmsg` of address messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IfAddrMsg {
    /// Address family: [`AF_INET`](crate::message::AF_INET) or [`AF_INET6`](crate::message::AF_INET6).
    pub family: u8,
    /// How many bits of the address, or of the peer's, name the network.
    pub prefix_len: u8,
    /// The lower eight `IFA_F_*` bits; `IFA_FLAGS` has all of them.
    pub flags: u8,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// The interface.
    pub index: u32,
}

impl FixedHeader for IfAddrMsg {
    const LEN: usize = 8;
    const NAME: &'static str = "ifaddrmsg";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.family, self.prefix_len, self.flags, self.scope]);
        out.extend_from_slice(&self.index.to_ne_bytes());
    }

    #[inline]
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut f = Fields::named(Self::NAME, payload);
        let header =
            Self { family: f.u8()?, prefix_len: f.u8()?, flags: f.u8()?, scope: f.u8()?, index: f.u32()? };
        Ok((header, f.rest()))
    }
}

bitflags! {
    /// Flags of an address (`IFA_F_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct AddressFlags: u32 {
        /// IPv4: not the first address of its network on the device. IPv6 (`temporary`): made for privacy. Only read.
        const SECONDARY = 0x01;
        /// IPv6: used without duplicate address detection (`nodad`).
        const NODAD = 0x02;
        /// IPv6: used while the network is still asked (`optimistic`).
        const OPTIMISTIC = 0x04;
        /// IPv6: duplicate address detection found another host with it (`dadfailed`); only read.
        const DADFAILED = 0x08;
        /// IPv6: a home address of Mobile IPv6 (`home`).
        const HOME = 0x10;
        /// Its preferred lifetime is over (`deprecated`); only read.
        const DEPRECATED = 0x20;
        /// IPv6: duplicate address detection is running (`tentative`); only read.
        const TENTATIVE = 0x40;
        /// Without a limited lifetime; `ip` prints `dynamic` where the flag is missing. Only read.
        const PERMANENT = 0x80;
        /// IPv6: a template for temporary addresses (`mngtmpaddr`).
        const MANAGETEMPADDR = 0x100;
        /// Without the route to its network that the kernel makes otherwise (`noprefixroute`).
        const NOPREFIXROUTE = 0x200;
        /// A multicast address whose group the kernel joins (`autojoin`).
        const MCAUTOJOIN = 0x400;
        /// IPv6: its interface identifier is stable and opaque, RFC 7217 (`stable-privacy`); only read.
        const STABLE_PRIVACY = 0x800;
        const _ = !0;
    }
}

impl AddressFlags {
    /// What the kernel sets itself, and is not written back.
    pub(super) const READ_ONLY: Self = Self::SECONDARY
        .union(Self::DADFAILED)
        .union(Self::DEPRECATED)
        .union(Self::TENTATIVE)
        .union(Self::PERMANENT)
        .union(Self::STABLE_PRIVACY);

    /// The words of `ip address`, each with a blank in front; unknown bits as a number.
    pub(super) fn write_words(self, f: &mut impl fmt::Write) -> fmt::Result {
        const WORDS: [(AddressFlags, &str); 11] = [
            (AddressFlags::SECONDARY, " secondary"),
            (AddressFlags::NODAD, " nodad"),
            (AddressFlags::OPTIMISTIC, " optimistic"),
            (AddressFlags::DADFAILED, " dadfailed"),
            (AddressFlags::HOME, " home"),
            (AddressFlags::DEPRECATED, " deprecated"),
            (AddressFlags::TENTATIVE, " tentative"),
            (AddressFlags::MANAGETEMPADDR, " mngtmpaddr"),
            (AddressFlags::NOPREFIXROUTE, " noprefixroute"),
            (AddressFlags::MCAUTOJOIN, " autojoin"),
            (AddressFlags::STABLE_PRIVACY, " stable-privacy"),
        ];
        let mut unknown = self - Self::PERMANENT;
        for (flag, word) in WORDS {
            if self.contains(flag) {
                f.write_str(word)?;
            }
            unknown -= flag;
        }
        if unknown.is_empty() { Ok(()) } else { write!(f, " flags {:#x}", unknown.bits()) }
    }
}

/// How far an address is valid (`RT_SCOPE_*`). The kernel computes that of an IPv6 address itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum AddressScope {
    /// Everywhere (`global`).
    #[default]
    Global,
    /// In this host (`host`).
    Host,
    /// On this link (`link`).
    Link,
    /// Nowhere (`nowhere`).
    Nowhere,
    /// Another one, by number.
    Other(u8),
    /// IPv6: in this site (`site`).
    Site,
}

impl From<u8> for AddressScope {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Global,
            200 => Self::Site,
            253 => Self::Link,
            254 => Self::Host,
            255 => Self::Nowhere,
            other => Self::Other(other),
        }
    }
}

impl From<AddressScope> for u8 {
    fn from(scope: AddressScope) -> Self {
        match scope {
            AddressScope::Global => 0,
            AddressScope::Host => 254,
            AddressScope::Link => 253,
            AddressScope::Nowhere => 255,
            AddressScope::Other(number) => number,
            AddressScope::Site => 200,
        }
    }
}

/// The word of `ip`, or the number where it has none.
impl fmt::Display for AddressScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "global",
            Self::Host => "host",
            Self::Link => "link",
            Self::Nowhere => "nowhere",
            Self::Other(number) => return write!(f, "{number}"),
            Self::Site => "site",
        })
    }
}

/// For how long an address is valid or preferred, from now on, in whole seconds.
///
/// ```
/// use std::time::Duration;
///
/// use nl_core::address::Lifetime;
///
/// assert!(Lifetime::from(Duration::from_secs(60)) < Lifetime::Forever);
/// assert_eq!(Lifetime::For(Duration::from_secs(60)).to_string(), "60");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Lifetime {
    /// For this long, in whole seconds up to 4,294,967,294.
    For(Duration),
    /// Forever.
    Forever,
}

impl Lifetime {
    pub(super) fn from_seconds(seconds: u32) -> Self {
        match seconds {
            u32::MAX => Self::Forever,
            seconds => Self::For(Duration::from_secs(seconds.into())),
        }
    }

    /// The kernel's number for it; `None` if that has no room for it.
    pub(super) fn seconds(self) -> Option<u32> {
        match self {
            Self::Forever => Some(u32::MAX),
            Self::For(time) if time.subsec_nanos() != 0 => None,
            Self::For(time) => u32::try_from(time.as_secs()).ok().filter(|seconds| *seconds != u32::MAX),
        }
    }
}

impl From<Duration> for Lifetime {
    fn from(time: Duration) -> Self {
        Self::For(time)
    }
}

/// `forever`, or the seconds.
impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(time) if time.subsec_nanos() == 0 => write!(f, "{}", time.as_secs()),
            Self::For(time) => write!(f, "{time:?}"),
            Self::Forever => f.write_str("forever"),
        }
    }
}

crate::serialize_bits! { AddressFlags: serialize_u32; }

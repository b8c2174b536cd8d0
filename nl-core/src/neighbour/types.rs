use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bitflags::bitflags;

use crate::addr::MacAddr;
use crate::attr::{Attr, DecodeError};
use crate::check::Invalid;
use crate::error::{Error, Result};

bitflags! {
    /// The state of an entry (`NUD_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct NeighbourState: u16 {
        /// Being asked for the first time.
        const INCOMPLETE = 0x01;
        /// Known to be reachable, for a while.
        const REACHABLE = 0x02;
        /// Not heard of for a while; used as it is and checked when it is used.
        const STALE = 0x04;
        /// Used while stale; checked soon if nothing is heard of it.
        const DELAY = 0x08;
        /// Being checked.
        const PROBE = 0x10;
        /// Did not answer.
        const FAILED = 0x20;
        /// Needs no resolution, such as multicast, and is never checked.
        const NOARP = 0x40;
        /// Set by hand, and never checked or removed by the kernel.
        const PERMANENT = 0x80;
        const _ = !0;
    }
}

impl NeighbourState {
    /// The states in which the link-layer address is known (`NUD_VALID`).
    pub const VALID: Self = Self::PERMANENT
        .union(Self::NOARP)
        .union(Self::REACHABLE)
        .union(Self::PROBE)
        .union(Self::STALE)
        .union(Self::DELAY);
}

/// The words of `ip neighbour` for its bits, `none` for none, a number for unknown ones, joined by commas.
impl fmt::Display for NeighbourState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [(NeighbourState, &str); 8] = [
            (NeighbourState::INCOMPLETE, "incomplete"),
            (NeighbourState::REACHABLE, "reachable"),
            (NeighbourState::STALE, "stale"),
            (NeighbourState::DELAY, "delay"),
            (NeighbourState::PROBE, "probe"),
            (NeighbourState::FAILED, "failed"),
            (NeighbourState::NOARP, "noarp"),
            (NeighbourState::PERMANENT, "permanent"),
        ];
        if self.is_empty() {
            return f.write_str("none");
        }
        let (mut rest, mut sep) = (*self, "");
        for (bit, word) in WORDS {
            if self.contains(bit) {
                write!(f, "{sep}{word}")?;
                (rest, sep) = (rest - bit, ",");
            }
        }
        if rest.is_empty() { Ok(()) } else { write!(f, "{sep}{:#x}", rest.bits()) }
    }
}

bitflags! {
    /// Flags of an entry (`NTF_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct NeighbourFlags: u8 {
        /// The kernel is to resolve it now, as if a packet were sent (`use`); only written.
        const USE = 0x01;
        /// The host answers for the address in place of its owner (`proxy`).
        const PROXY = 0x08;
        /// Put there by a control plane (`extern_learn`): not collected by the kernel.
        const EXT_LEARNED = 0x10;
        /// In hardware (`offload`); only read.
        const OFFLOADED = 0x20;
        /// IPv6: a router (`router`).
        const ROUTER = 0x80;
        const _ = !0;
    }
}

bitflags! {
    /// Further flags of an entry (`NTF_EXT_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct NeighbourFlagsExt: u32 {
        /// Kept resolved by the kernel (`managed`, Linux 5.16).
        const MANAGED = 0x1;
        /// Of forwarding databases only: seen on a locked port.
        const LOCKED = 0x2;
        /// Validated by a control plane (`extern_valid`): the kernel checks it but does not remove it (Linux 6.17).
        const EXT_VALIDATED = 0x4;
        const _ = !0;
    }
}

/// How long ago an entry was used and updated, to a hundredth of a second (`struct nda_cacheinfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NeighbourAges {
    /// Since it was confirmed to be reachable.
    pub confirmed: Duration,
    /// Since it was last used.
    pub used: Duration,
    /// Since its state or its address last changed.
    pub updated: Duration,
    /// References held to it.
    pub references: u32,
}

/// The longest link-layer address (`MAX_ADDR_LEN`).
const LINK_ADDR_MAX: usize = 32;

/// A link-layer address: six bytes on Ethernet, 1 to 32 on others, written as hexadecimal octets joined by `:`.
///
/// ```
/// use nl_core::MacAddr;
/// use nl_core::neighbour::LinkAddr;
///
/// let addr: LinkAddr = "02:00:00:00:00:01".parse()?;
/// assert_eq!(addr.mac(), Some(MacAddr::new([2, 0, 0, 0, 0, 1])));
/// assert_eq!(LinkAddr::new(&[192, 0, 2, 1])?.to_string(), "c0:00:02:01");
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkAddr {
    bytes: [u8; LINK_ADDR_MAX],
    len: u8,
}

impl LinkAddr {
    /// The address with these bytes.
    ///
    /// # Errors
    /// None, or more than 32 bytes.
    pub fn new(address: &[u8]) -> Result<Self, Invalid> {
        let mut bytes = [0; LINK_ADDR_MAX];
        match (bytes.get_mut(..address.len()), u8::try_from(address.len())) {
            (Some(room), Ok(len @ 1..)) => {
                room.copy_from_slice(address);
                Ok(Self { bytes, len })
            }
            _ => {
                let len = address.len();
                Err(format!("a link-layer address of {len} bytes; 1 to {LINK_ADDR_MAX} are possible").into())
            }
        }
    }

    /// The bytes, in the order they are written and sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The address as one of Ethernet, if it has six bytes.
    #[must_use]
    pub fn mac(&self) -> Option<MacAddr> {
        <[u8; 6]>::try_from(self.as_bytes()).ok().map(MacAddr::new)
    }

    pub(super) fn from_attr(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Self::new(attr.value()).map_err(|_| attr.invalid("not 1 to 32 bytes"))
    }
}

impl From<MacAddr> for LinkAddr {
    fn from(mac: MacAddr) -> Self {
        let mut bytes = [0; LINK_ADDR_MAX];
        for (byte, octet) in bytes.iter_mut().zip(mac.octets()) {
            *byte = octet;
        }
        Self { bytes, len: 6 }
    }
}

impl fmt::Display for LinkAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.as_bytes().iter().enumerate() {
            write!(f, "{}{byte:02x}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for LinkAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LinkAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let octet = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
            if digits { u8::from_str_radix(part, 16).ok() } else { None }
        };
        let Some(bytes) = text.split(':').map(octet).collect::<Option<Vec<_>>>() else {
            return Err(Error::usage(format!(
                "invalid link-layer address \"{text}\": two-digit hexadecimal octets, joined by ':'"
            )));
        };
        Ok(Self::new(&bytes)?)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for LinkAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

crate::serialize_bits! {
    NeighbourState: serialize_u16;
    NeighbourFlags: serialize_u8;
    NeighbourFlagsExt: serialize_u32;
}

use std::fmt;
use std::str::FromStr;

use nl_core::Error;
use nl_core::attr::{Attr, AttrWriter, DecodeError};
use nl_core::check::{Invalid, within};
use nl_core::link::AttrValue;

use crate::key::SecretKey;

// `include/uapi/linux/if_macsec.h`, in the machine's byte order
const GCM_AES_128: u64 = 0x0080_c200_0100_0001;
/// The identifier of the draft, which the kernel reports for GCM-AES-128 however the device was made.
const GCM_AES_128_DRAFT: u64 = 0x0080_0200_0100_0001;
const GCM_AES_256: u64 = 0x0080_c200_0100_0002;
const GCM_AES_XPN_128: u64 = 0x0080_c200_0100_0003;
const GCM_AES_XPN_256: u64 = 0x0080_c200_0100_0004;

/// A cipher suite. It is chosen when a device is made and cannot be changed.
///
/// The kernel knows GCM-AES-128 by two identifiers; both are read as [`GcmAes128`](Self::GcmAes128).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CipherSuite {
    /// GCM-AES-128: keys of 16 bytes, packet numbers of 32 bits. The kernel's default.
    #[default]
    GcmAes128,
    /// GCM-AES-256: keys of 32 bytes, packet numbers of 32 bits.
    GcmAes256,
    /// GCM-AES-XPN-128: keys of 16 bytes, extended packet numbers of 64 bits. Linux 5.7.
    GcmAesXpn128,
    /// GCM-AES-XPN-256: keys of 32 bytes, extended packet numbers of 64 bits. Linux 5.7.
    GcmAesXpn256,
    /// An identifier that this crate does not know.
    Other(u64),
}

impl CipherSuite {
    /// All that this crate knows.
    pub const ALL: [Self; 4] = [Self::GcmAes128, Self::GcmAes256, Self::GcmAesXpn128, Self::GcmAesXpn256];

    /// The identifier of IEEE 802.1AE.
    #[must_use]
    pub const fn id(self) -> u64 {
        match self {
            Self::GcmAes128 => GCM_AES_128,
            Self::GcmAes256 => GCM_AES_256,
            Self::GcmAesXpn128 => GCM_AES_XPN_128,
            Self::GcmAesXpn256 => GCM_AES_XPN_256,
            Self::Other(id) => id,
        }
    }

    /// Whether packet numbers have 64 bits, and associations a short SCI and a salt.
    #[must_use]
    pub const fn is_xpn(self) -> bool {
        matches!(self, Self::GcmAesXpn128 | Self::GcmAesXpn256)
    }

    /// The length of keys in bytes; `None` for a suite that this crate does not know.
    #[must_use]
    pub const fn key_len(self) -> Option<usize> {
        match self {
            Self::GcmAes128 | Self::GcmAesXpn128 => Some(16),
            Self::GcmAes256 | Self::GcmAesXpn256 => Some(32),
            Self::Other(_) => None,
        }
    }

    /// The largest packet number.
    #[must_use]
    pub const fn max_packet_number(self) -> u64 {
        if self.is_xpn() { u64::MAX } else { u32::MAX as u64 }
    }

    pub(crate) fn check_known(self) -> Result<(), Invalid> {
        match self {
            Self::Other(id) => Err(format!(
                "cipher suite {id:#018x}, of which neither the length of keys nor that of packet numbers is known"
            )
            .into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_key(self, key: &SecretKey) -> Result<(), Invalid> {
        match self.key_len() {
            Some(len) if len != key.len() => {
                Err(format!("a key of {} bytes; {self} needs {len}", key.len()).into())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_packet_number(self, number: u64) -> Result<(), Invalid> {
        within("packet number", number, 1, self.max_packet_number())
    }
}

impl From<u64> for CipherSuite {
    fn from(id: u64) -> Self {
        match id {
            GCM_AES_128 | GCM_AES_128_DRAFT => Self::GcmAes128,
            GCM_AES_256 => Self::GcmAes256,
            GCM_AES_XPN_128 => Self::GcmAesXpn128,
            GCM_AES_XPN_256 => Self::GcmAesXpn256,
            other => Self::Other(other),
        }
    }
}

impl AttrValue for CipherSuite {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.u64(kind, self.id());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.u64().map(Self::from)
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}

/// The name that iproute2 shows, or the identifier.
impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GcmAes128 => "GCM-AES-128",
            Self::GcmAes256 => "GCM-AES-256",
            Self::GcmAesXpn128 => "GCM-AES-XPN-128",
            Self::GcmAesXpn256 => "GCM-AES-XPN-256",
            Self::Other(id) => return write!(f, "{id:#018x}"),
        })
    }
}

/// The name that iproute2 shows.
#[cfg(feature = "serde")]
impl serde::Serialize for CipherSuite {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From the name that iproute2 shows or takes, in capital or small letters, or from the identifier.
impl FromStr for CipherSuite {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(suite) = Self::ALL.into_iter().find(|suite| suite.to_string().eq_ignore_ascii_case(text))
        {
            return Ok(suite);
        }
        let id = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        id.map(Self::from).ok_or_else(|| {
            let names = Self::ALL.map(|suite| suite.to_string()).join(", ");
            Error::usage(format!("cipher suite \"{text}\"; {names} are possible"))
        })
    }
}

/// From the name.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for CipherSuite {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

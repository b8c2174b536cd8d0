#[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
use std::fmt;

#[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
use nl_core::check::Invalid;

#[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
use super::{rate::Rate, words::word};

/// How the link layer frames packets, which changes their length on the wire (`linklayer`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum LinkLayer {
    /// Nothing but the [overhead](Overhead::bytes).
    #[default]
    Ethernet,
    /// ATM, ADSL: cells of 53 bytes, of which 48 carry data.
    Atm,
    /// Not specified (`TC_LINKLAYER_UNAWARE`). For a rate, the kernel then guesses from a rate table, which is never sent.
    Unaware,
    /// Another number.
    Other(u8),
}

impl LinkLayer {
    pub(crate) const fn from_wire(byte: u8) -> Self {
        match byte & 0xf {
            0 => Self::Unaware,
            1 => Self::Ethernet,
            2 => Self::Atm,
            other => Self::Other(other),
        }
    }

    pub(crate) const fn wire(self) -> u8 {
        match self {
            Self::Unaware => 0,
            Self::Ethernet => 1,
            Self::Atm => 2,
            Self::Other(byte) => byte,
        }
    }
}

/// How the length of a packet on the wire is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Overhead {
    /// Bytes added to every packet (`overhead`).
    pub bytes: u16,
    /// The minimum length of a packet in bytes (`mpu`).
    pub mpu: u16,
    /// The framing of the link layer (`linklayer`).
    pub link_layer: LinkLayer,
}

#[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
impl Overhead {
    /// Reads a `struct tc_ratespec`, `include/uapi/linux/pkt_sched.h`.
    pub(crate) fn from_ratespec(s: [u8; 12]) -> (Self, Rate) {
        let overhead = Self {
            bytes: u16::from_ne_bytes([s[2], s[3]]),
            mpu: u16::from_ne_bytes([s[6], s[7]]),
            link_layer: LinkLayer::from_wire(s[1]),
        };
        (overhead, Rate::bps(u32::from_ne_bytes([s[8], s[9], s[10], s[11]]).into()))
    }

    /// The `struct tc_ratespec` of a rate with this overhead.
    pub(crate) fn ratespec(self, rate: Rate) -> [u8; 12] {
        let ([a, b], [c, d]) = (self.bytes.to_ne_bytes(), self.mpu.to_ne_bytes());
        let [e, f, g, h] = rate.saturated().to_ne_bytes();
        [0, self.link_layer.wire(), a, b, 0, 0, c, d, e, f, g, h]
    }

    /// Whether two `struct tc_ratespec` in a row have the same overhead, so that one holds both.
    pub(crate) fn is_shared(specs: &[u8]) -> bool {
        let overhead = |at: usize| {
            let spec = specs.get(at..at + 12)?;
            Some((spec.get(1)? & 0xf, spec.get(2..4)?, spec.get(6..8)?))
        };
        overhead(0) == overhead(12) || overhead(12).is_none()
    }

    pub(crate) fn check(self) -> Result<(), Invalid> {
        match self.link_layer {
            LinkLayer::Other(byte) if byte > 0xf => {
                Err(format!("link layer {byte}; 0 to 15 are possible").into())
            }
            LinkLayer::Unaware => {
                Err("link layer unaware needs a rate table, which is not sent; Ethernet and ATM are possible"
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// The words of `tc`, each with a space in front.
    pub(crate) fn write_options(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "mpu", Some(self.mpu).filter(|mpu| *mpu != 0))?;
        word(f, "overhead", Some(self.bytes).filter(|bytes| *bytes != 0))?;
        match self.link_layer {
            LinkLayer::Ethernet => Ok(()),
            LinkLayer::Atm => f.write_str(" linklayer atm"),
            LinkLayer::Unaware => f.write_str(" linklayer unaware"),
            LinkLayer::Other(byte) => write!(f, " linklayer {byte}"),
        }
    }
}

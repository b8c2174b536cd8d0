//! What token buckets have in common on the wire.

use std::fmt;

use super::burst::time_of;
use super::{Burst, LinkLayer, Overhead, Rate, Refusal};

impl Rate {
    /// Why this is no rate for the field `name`, which has 64 bits.
    pub(crate) fn refusal(self, name: &str) -> Refusal {
        match self {
            Self::ZERO => {
                Some(format!("{name} 0bit; 8bit, which is one byte per second, is the least").into())
            }
            Self::MAX => {
                Some(format!("{name} over the limit; {} bytes per second are possible", u64::MAX - 1).into())
            }
            _ => None,
        }
    }

    /// For a 32-bit field that a 64-bit one goes with.
    pub(crate) fn saturated(self) -> u32 {
        u32::try_from(self.bytes_per_second()).unwrap_or(u32::MAX)
    }

    /// The 64-bit field, where the 32-bit one does not hold the rate.
    pub(crate) fn wide(self) -> Option<u64> {
        Some(self.bytes_per_second()).filter(|rate| *rate > u64::from(u32::MAX))
    }
}

/// The rate of both fields: the 64-bit one, where there is one, counts.
pub(crate) fn joined(narrow: Rate, wide: Option<u64>) -> Rate {
    Rate::bps(wide.unwrap_or(0).max(narrow.bytes_per_second()))
}

impl Burst {
    pub(crate) const fn of_ticks(ticks: u32) -> Self {
        Self::Time(time_of(ticks))
    }

    /// As it is kept, and read back.
    pub(crate) fn kept(self, rate: Rate) -> Self {
        self.ticks(rate).map_or(self, Self::of_ticks)
    }
}

impl Overhead {
    /// `struct tc_ratespec`, `include/uapi/linux/pkt_sched.h`.
    pub(crate) fn ratespec(self, rate: Rate) -> [u8; 12] {
        let ([a, b], [c, d]) = (self.bytes.to_ne_bytes(), self.mpu.to_ne_bytes());
        let [e, f, g, h] = rate.saturated().to_ne_bytes();
        [0, self.link_layer.wire(), a, b, 0, 0, c, d, e, f, g, h]
    }

    pub(crate) fn from_ratespec(s: [u8; 12]) -> (Self, Rate) {
        let overhead = Self {
            bytes: u16::from_ne_bytes([s[2], s[3]]),
            mpu: u16::from_ne_bytes([s[6], s[7]]),
            link_layer: LinkLayer::from_wire(s[1]),
        };
        (overhead, Rate::bps(u32::from_ne_bytes([s[8], s[9], s[10], s[11]]).into()))
    }

    pub(crate) fn refusal(self) -> Refusal {
        match self.link_layer {
            LinkLayer::Other(byte) if byte > 0xf => {
                Some(format!("link layer {byte}; 0 to 15 are possible").into())
            }
            LinkLayer::Unaware => {
                Some("an unaware link layer needs a rate table, which is not sent: ethernet or ATM".into())
            }
            _ => None,
        }
    }

    /// Further words of a `tc` command.
    pub(crate) fn write_words(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mpu != 0 {
            write!(f, " mpu {}", self.mpu)?;
        }
        if self.bytes != 0 {
            write!(f, " overhead {}", self.bytes)?;
        }
        match self.link_layer {
            LinkLayer::Ethernet => Ok(()),
            LinkLayer::Atm => f.write_str(" linklayer atm"),
            LinkLayer::Unaware => f.write_str(" linklayer unaware"),
            LinkLayer::Other(byte) => write!(f, " linklayer {byte}"),
        }
    }
}

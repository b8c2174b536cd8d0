use std::fmt;
use std::str::FromStr;

use nl_core::{Error, Result};

use super::{scaled, split_number};

/// A data rate. Whether a number is in bits or in bytes is said when it is made and never again.
///
/// ```
/// use nl_tc::Rate;
///
/// assert_eq!(Rate::mbit(8), Rate::mbps(1)); // tc's "mbps" are megabytes
/// assert_eq!("1.5mbit".parse::<Rate>()?.to_string(), "1500Kbit");
/// assert_eq!(Rate::gbit(10).bytes_per_second(), 1_250_000_000);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// The kernel counts whole bytes per second; a rate of other bits is rounded down to them, as `tc` does. A rate over
/// [`MAX`](Self::MAX) becomes that, and no verb takes it.
///
/// `Display` is `tc`'s: three digits at least, cut and not rounded (`1234567bit` prints as `1234Kbit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rate(u64);

macro_rules! rates {
    ($($name:ident $bits:literal $word:literal $doc:literal;)+) => {
        impl Rate {
            $(
                #[doc = concat!($doc, " per second (`", $word, "`).")]
                #[must_use]
                pub const fn $name(n: u64) -> Self {
                    Self::from_bits(n as u128 * $bits)
                }
            )+
        }

        /// The words of `tc` and the bits in each.
        const RATE_WORDS: &[(&str, u128)] = &[$(($word, $bits)),+];
    };
}

rates! {
    bit 1 "bit" "Bits";
    kbit 1_000 "kbit" "Thousands of bits";
    mbit 1_000_000 "mbit" "Millions of bits";
    gbit 1_000_000_000 "gbit" "10⁹ bits";
    tbit 1_000_000_000_000 "tbit" "10¹² bits";
    kibit 0x400 "kibit" "2¹⁰ bits";
    mibit 0x10_0000 "mibit" "2²⁰ bits";
    gibit 0x4000_0000 "gibit" "2³⁰ bits";
    tibit 0x100_0000_0000 "tibit" "2⁴⁰ bits";
    bps 8 "bps" "**Bytes**";
    kbps 8_000 "kbps" "Thousands of **bytes**";
    mbps 8_000_000 "mbps" "Millions of **bytes**";
    gbps 8_000_000_000 "gbps" "10⁹ **bytes**";
    tbps 8_000_000_000_000 "tbps" "10¹² **bytes**";
    kibps 0x2000 "kibps" "2¹⁰ **bytes**";
    mibps 0x80_0000 "mibps" "2²⁰ **bytes**";
    gibps 0x2_0000_0000 "gibps" "2³⁰ **bytes**";
    tibps 0x800_0000_0000 "tibps" "2⁴⁰ **bytes**";
}

impl Rate {
    /// No rate at all.
    pub const ZERO: Self = Self(0);
    /// More than any verb takes: 2⁶⁴−1 bytes per second.
    pub const MAX: Self = Self(u64::MAX);

    /// Whole bytes per second, as the kernel has it.
    #[must_use]
    pub const fn bytes_per_second(self) -> u64 {
        self.0
    }

    /// Bits per second.
    #[must_use]
    pub const fn bits_per_second(self) -> u128 {
        self.0 as u128 * 8
    }

    /// Whether it is no rate at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "compared before")]
    const fn from_bits(bits: u128) -> Self {
        let bytes = bits / 8;
        Self(if bytes > u64::MAX as u128 { u64::MAX } else { bytes as u64 })
    }
}

/// In the words of `tc`, such as `10Mbit`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [&str; 5] = ["", "K", "M", "G", "T"];
        let (mut n, mut unit) = (self.bits_per_second(), 0);
        while unit + 1 < WORDS.len() && n >= 1000 && (n % 1000 == 0 || n >= 1_000_000) {
            n /= 1000;
            unit += 1;
        }
        write!(f, "{n}{}bit", WORDS.get(unit).unwrap_or(&""))
    }
}

/// From the words of `tc`: `10mbit`, `1.5gbit`, `100kbps` (bytes), and without a unit bits. Upper and lower case are one.
impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!(
                "\"{text}\" is no rate: a number and bit, kbit, mbit, gbit or tbit, or bps to tbps for bytes, with an i for \
                 powers of 1024 (kibit)"
            ))
        };
        let (number, word) = split_number(text);
        let scale = match RATE_WORDS.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)) {
            Some((_, scale)) => *scale,
            None if word.is_empty() => 1,
            None => return Err(bad()),
        };
        let rate = match number.parse::<u64>() {
            Ok(whole) => Self::from_bits(u128::from(whole) * scale),
            Err(_) => Self::from_bits(scaled(number, scale).ok_or_else(bad)?),
        };
        match rate {
            Self::MAX => Err(Error::usage(format!(
                "rate {text}; up to {} bytes per second are possible",
                u64::MAX - 1
            ))),
            rate => Ok(rate),
        }
    }
}

impl From<Rate> for u64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

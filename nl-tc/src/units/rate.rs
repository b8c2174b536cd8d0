use std::fmt;
use std::str::FromStr;

#[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
use nl_core::check::Invalid;
use nl_core::{Error, Result};

use super::number::{is_zero, scaled, split_number};

/// A data rate. The constructor names the unit, so bits and bytes cannot be confused.
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
/// The kernel counts whole bytes per second. Other rates are rounded down, as `tc` does. A rate over [`MAX`](Self::MAX) becomes
/// `MAX`, which every verb refuses.
///
/// `Display` prints all digits in the words of `tc`, so that they parse to the same rate: `1234568bit`. `{:#}` prints like
/// `tc … show`: at least three digits, cut off and not rounded, `1234Kbit`.
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
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// 2⁶⁴−1 bytes per second, which every verb refuses.
    pub const MAX: Self = Self(u64::MAX);

    /// Whole bytes per second, the unit of the kernel.
    #[must_use]
    pub const fn bytes_per_second(self) -> u64 {
        self.0
    }

    /// Bits per second.
    #[must_use]
    pub const fn bits_per_second(self) -> u128 {
        self.0 as u128 * 8
    }

    /// Whether the rate is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The 64-bit field, if the 32-bit field cannot hold the rate.
    #[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
    pub(crate) fn wide(self) -> Option<u64> {
        Some(self.bytes_per_second()).filter(|rate| *rate > u64::from(u32::MAX))
    }

    /// The 32-bit field that goes with the [wide](Self::wide) one.
    #[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
    pub(crate) fn saturated(self) -> u32 {
        u32::try_from(self.bytes_per_second()).unwrap_or(u32::MAX)
    }

    /// Refuses a rate that the 64-bit field `name` cannot hold.
    #[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
    pub(crate) fn check(self, name: &str) -> Result<(), Invalid> {
        match self {
            Self::ZERO => Err(format!("{name} 0bit; 8bit, one byte per second, is the minimum").into()),
            Self::MAX => {
                Err(format!("{name} is too high; {} bytes per second are possible", u64::MAX - 1).into())
            }
            _ => Ok(()),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "compared before")]
    const fn from_bits(bits: u128) -> Self {
        let bytes = bits / 8;
        Self(if bytes > u64::MAX as u128 { u64::MAX } else { bytes as u64 })
    }
}

/// In the words of `tc`, such as `10Mbit`, with all digits; `{:#}` cuts them off as `tc … show` does.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [&str; 5] = ["", "K", "M", "G", "T"];
        let (mut n, mut unit) = (self.bits_per_second(), 0);
        let cut = f.alternate();
        while unit + 1 < WORDS.len() && n >= 1000 && (n.is_multiple_of(1000) || cut && n >= 1_000_000) {
            n /= 1000;
            unit += 1;
        }
        write!(f, "{n}{}bit", WORDS.get(unit).unwrap_or(&""))
    }
}

/// Parses the words of `tc`: `10mbit`, `1.5gbit`, `1e6bit`, `100kbps` (bytes). A number without a unit is in bits. Case is ignored.
///
/// A rate under 8 bits per second that is not 0 is an error, because the kernel counts whole bytes. A percentage is one too, because
/// it needs the speed of a device: [`Rate::parse_on`].
impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!(
                "\"{text}\" is not a rate: a number and bit, kbit, mbit, gbit or tbit, or bps to tbps for bytes, with an i for \
                 powers of 1024 (kibit)"
            ))
        };
        let (number, word) = split_number(text);
        let scale = match RATE_WORDS.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)) {
            Some((_, scale)) => *scale,
            None if word.is_empty() => 1,
            None if word == "%" => {
                return Err(Error::usage(format!(
                    "rate {text}; a percentage needs the speed of the device: Rate::parse_on()"
                )));
            }
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
            Self::ZERO if !is_zero(number) => {
                Err(Error::usage(format!("rate {text}; 8bit, one byte per second, is the minimum")))
            }
            rate => Ok(rate),
        }
    }
}

impl Rate {
    /// Parses a rate, which can be a percentage of the speed of a device: `10%`.
    ///
    /// ```
    /// use nl_tc::Rate;
    ///
    /// let speed = Rate::gbit(10);
    /// assert_eq!(Rate::parse_on("12.5%", speed)?, Rate::mbit(1250));
    /// assert_eq!(Rate::parse_on("1e6bit", speed)?, Rate::mbit(1));
    /// # Ok::<(), nl_core::Error>(())
    /// ```
    ///
    /// `tc` reads the speed from `/sys/class/net/DEV/speed`, in Mbit/s.
    ///
    /// # Errors
    /// The text is no rate; the percentage is over 100; the rate is not 0 and under 8 bits per second.
    pub fn parse_on(text: &str, speed: Self) -> Result<Self> {
        let Some(number) = text.strip_suffix('%') else { return text.parse() };
        let bad = || Error::usage(format!("\"{text}\" is not a percentage: 0% to 100% are possible"));
        let (digits, word) = split_number(number);
        // In units of 10⁻⁹ percent.
        let share = scaled(digits, 1_000_000_000).filter(|_| word.is_empty()).ok_or_else(bad)?;
        if share > 100_000_000_000 {
            return Err(bad());
        }
        match Self::from_bits(speed.bits_per_second() * share / 100_000_000_000) {
            Self::ZERO if !is_zero(digits) => Err(Error::usage(format!(
                "{text} of {speed} is less than 8bit, one byte per second, the minimum"
            ))),
            rate => Ok(rate),
        }
    }

    /// Millions of bits per second, rounded to 15 digits, for display and arithmetic.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "15 digits are enough for a rate")]
    pub fn to_mbit_f64(self) -> f64 {
        self.0 as f64 * 8.0 / 1e6
    }
}

impl From<Rate> for u64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

/// The rate of a 32-bit field and the 64-bit field that replaces it.
#[cfg(any(feature = "action", feature = "htb", feature = "leaf"))]
pub(crate) fn joined(narrow: Rate, wide: Option<u64>) -> Rate {
    Rate::bps(wide.unwrap_or(0).max(narrow.bytes_per_second()))
}

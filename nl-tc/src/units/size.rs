use std::fmt;
use std::str::FromStr;

use nl_core::{Error, Result};

use super::number::{is_zero, scaled, split_number};

/// A number of bytes, up to 4 GiB − 1: of a packet, a burst or a quantum.
///
/// ```
/// use nl_tc::Size;
///
/// assert_eq!("15k".parse::<Size>()?, Size::from(15 * 1024));
/// assert_eq!(Size::from(15 * 1024).to_string(), "15Kb");
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// `Display` prints like `tc`, which rounds a size that is close to a whole KiB or MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Size(pub u32);

#[cfg(any(feature = "action", feature = "drr", feature = "htb", feature = "leaf", feature = "qfq"))]
impl Size {
    /// For a field that may be unset.
    pub(crate) fn some(size: impl Into<Self>) -> Option<u32> {
        Some(size.into().0)
    }
}

impl From<u32> for Size {
    fn from(bytes: u32) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KIB: u64 = 1024;
        const MIB: u64 = 1024 * 1024;
        let n = u64::from(self.0);
        let near = |unit: u64| {
            // `tc` rounds ties to even, but a tie is too far from a whole unit to matter.
            let whole = (n + unit / 2) / unit;
            (whole, n.abs_diff(whole * unit))
        };
        match (near(MIB), near(KIB)) {
            ((whole, off), _) if n >= MIB && off < 1024 => write!(f, "{whole}Mb"),
            (_, (whole, off)) if n >= KIB && off < 16 => write!(f, "{whole}Kb"),
            _ => write!(f, "{n}b"),
        }
    }
}

/// Parses the words of `tc`: a number and `b`, `k` or `kb`, `m`, `g`, which are powers of 1024, or `kbit`, `mbit`, `gbit`.
impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!(
                "\"{text}\" is not a size: a number and b, k, m, g, kbit, mbit or gbit, under 4 GiB"
            ))
        };
        let (number, word) = split_number(text);
        let bytes: u128 = match word.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1 << 10,
            "m" | "mb" => 1 << 20,
            "g" | "gb" => 1 << 30,
            "kbit" => 1 << 7,
            "mbit" => 1 << 17,
            "gbit" => 1 << 27,
            _ => return Err(bad()),
        };
        match scaled(number, bytes).and_then(|n| u32::try_from(n).ok()).ok_or_else(bad)? {
            0 if !is_zero(number) => Err(Error::usage(format!("size {text}; 1 byte is the minimum"))),
            bytes => Ok(Self(bytes)),
        }
    }
}

use std::fmt;

use super::Rate;

/// A rate in the words of `tc`, with nothing cut off.
pub(crate) struct Exact(pub Rate);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.bits_per_second();
        match bits {
            // The words of these show every digit.
            0..1_000_000 => self.0.fmt(f),
            _ if bits.is_multiple_of(1_000) && bits < 1_000_000_000 => self.0.fmt(f),
            _ if bits.is_multiple_of(1_000_000) && bits < 1_000_000_000_000 => self.0.fmt(f),
            _ if bits.is_multiple_of(1_000_000_000) && bits < 1_000_000_000_000_000 => self.0.fmt(f),
            _ => write!(f, "{bits}bit"),
        }
    }
}

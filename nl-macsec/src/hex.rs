//! Hexadecimal text.

use std::fmt;

/// Writes bytes as hexadecimal digits.
pub(crate) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads hexadecimal digits into the start of `bytes`, and returns how many bytes they were.
pub(crate) fn read(text: &str, bytes: &mut [u8]) -> Option<usize> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() / 2 > bytes.len() {
        return None;
    }
    let mut read = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair.first()?, pair.last()?].map(|digit| char::from(*digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
        read += 1;
    }
    Some(read)
}

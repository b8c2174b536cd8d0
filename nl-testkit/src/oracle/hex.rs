//! Bytes in the notation of a hex dump.

/// Bytes from the notation of a hex dump: pairs of hexadecimal digits, with white space anywhere.
///
/// ```
/// use nl_testkit::oracle::unhex;
///
/// assert_eq!(unhex("14000000 1a 00\n0103"), [0x14, 0, 0, 0, 0x1a, 0, 1, 3]);
/// ```
///
/// # Panics
///
/// When there is anything else, or an odd number of digits.
#[must_use]
#[track_caller]
#[expect(clippy::panic, reason = "for constants of tests")]
pub fn unhex(text: &str) -> Vec<u8> {
    parse(text).unwrap_or_else(|| panic!("these are no hexadecimal bytes: {text:?}"))
}

pub(super) fn parse(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_byte_is_refused() {
        for text in ["0", "0g", "000", "0x00"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(""), Some(vec![]));
    }
}

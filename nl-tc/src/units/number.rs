use std::borrow::Cow;

/// No unit of `tc` needs more, and a text of a few bytes must not become a number of many.
const EXPONENT_MAX: usize = 60;

/// Splits a decimal number, which can have an exponent (`1.5e6`), from the word behind it.
pub(super) fn split_number(text: &str) -> (&str, &str) {
    let end = |text: &str, more: &dyn Fn(char) -> bool| {
        text.find(|c: char| !c.is_ascii_digit() && !more(c)).unwrap_or(text.len())
    };
    let mantissa = end(text, &|c| c == '.');
    let (_, rest) = text.split_at(mantissa);
    let exponent = rest.strip_prefix(['e', 'E']).map_or(0, |behind| {
        let digits = behind.strip_prefix(['+', '-']).unwrap_or(behind);
        match end(digits, &|_| false) {
            // An `e` without digits belongs to the word.
            0 => 0,
            len => rest.len() - digits.len() + len,
        }
    });
    text.split_at(mantissa + exponent)
}

/// The product of a decimal number and an integer, rounded down.
pub(super) fn scaled(number: &str, scale: u128) -> Option<u128> {
    let number = plain(number)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((&*number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Further digits cannot change a byte.
    let fraction = fraction.get(..fraction.len().min(18))?;
    let tenths = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.checked_mul(scale)?.checked_add(fraction.checked_mul(scale)? / tenths)
}

/// Whether a number is 0 before it is rounded.
pub(super) fn is_zero(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    mantissa.bytes().all(|b| matches!(b, b'0' | b'.'))
}

/// The number without an exponent: the point is moved.
fn plain(number: &str) -> Option<Cow<'_, str>> {
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else { return Some(number.into()) };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let (back, places) = match exponent.strip_prefix('-') {
        Some(places) => (true, places),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    let places: usize = places.parse().ok().filter(|places| *places <= EXPONENT_MAX)?;
    Some(if back {
        let padded = format!("{}{whole}", "0".repeat(places.saturating_sub(whole.len())));
        let (left, right) = padded.split_at(padded.len() - places);
        format!("{left}.{right}{fraction}").into()
    } else {
        let padded = format!("{fraction}{}", "0".repeat(places.saturating_sub(fraction.len())));
        let (left, right) = padded.split_at(places);
        format!("{whole}{left}.{right}").into()
    })
}

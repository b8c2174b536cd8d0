//! Rates, sizes, bursts and probabilities, in the words of `tc` and in the units of the kernel.

#[cfg(any(feature = "htb", feature = "leaf"))]
mod bucket;
mod burst;
mod overhead;
mod probability;
mod rate;
mod size;
#[cfg(any(feature = "hfsc", feature = "leaf"))]
mod time;
#[cfg(any(feature = "hfsc", feature = "htb", feature = "leaf"))]
mod words;

use std::borrow::Cow;

#[cfg(any(feature = "htb", feature = "leaf"))]
pub(crate) use bucket::joined;
pub use burst::Burst;
pub use overhead::{LinkLayer, Overhead};
pub use probability::Probability;
pub use rate::Rate;
pub use size::Size;
#[cfg(any(feature = "hfsc", feature = "leaf"))]
pub(crate) use time::{Time, micros};
#[cfg(any(feature = "hfsc", feature = "htb", feature = "leaf"))]
pub(crate) use words::Exact;

/// Why something cannot be, with the limit, if it cannot.
pub(crate) type Refusal = Option<Cow<'static, str>>;

/// The kernel's scheduling clock ticks every 64 ns, as `/proc/net/psched` tells.
pub(crate) const NANOS_PER_TICK: u64 = 64;

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// A decimal number times a whole one, cut to a whole one.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
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

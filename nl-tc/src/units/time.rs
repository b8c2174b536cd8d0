use std::fmt;
use std::str::FromStr;
use std::time::Duration;

#[cfg(any(feature = "hfsc", feature = "leaf"))]
use nl_core::check::Invalid;
use nl_core::{Error, Result};

use super::number::{is_zero, scaled, split_number};

/// A time in whole microseconds, for a field of 32 bits.
#[cfg(any(feature = "hfsc", feature = "leaf"))]
pub(crate) fn micros(name: &str, time: Duration) -> Result<u32, Invalid> {
    if !time.subsec_nanos().is_multiple_of(1000) {
        return Err(format!("{name} {time:?}; the kernel counts whole microseconds").into());
    }
    u32::try_from(time.as_micros()).map_err(|_| format!("{name} {time:?}; 4294.967295s are possible").into())
}

/// A time in the words of `tc`, as a text: options take a [`Duration`].
///
/// ```
/// use std::time::Duration;
/// use nl_tc::Time;
///
/// assert_eq!("1.5ms".parse::<Time>()?, Time(Duration::from_micros(1500)));
/// assert_eq!(Time(Duration::from_micros(1500)).to_string(), "1500us");
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// `Display` prints all digits, so that they parse to the same time. `tc … show` prints three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Time(pub Duration);

/// The words of `tc` and the nanoseconds in each.
const WORDS: &[(&[&str], u128)] = &[
    (&["s", "sec", "secs"], 1_000_000_000),
    (&["ms", "msec", "msecs"], 1_000_000),
    (&["us", "usec", "usecs"], 1_000),
    (&["ns", "nsec", "nsecs"], 1),
];

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        match nanos {
            n if n.is_multiple_of(1_000_000_000) => write!(f, "{}s", n / 1_000_000_000),
            n if n.is_multiple_of(1_000_000) => write!(f, "{}ms", n / 1_000_000),
            n if n.is_multiple_of(1_000) => write!(f, "{}us", n / 1_000),
            n => write!(f, "{n}ns"),
        }
    }
}

/// Parses the words of `tc`: a number and `s`, `ms`, `us` or `ns`, or a longer form such as `msecs`. Case is ignored. A number
/// without a unit is an error, unless it is 0, because `tc` reads it as microseconds in one place and as nanoseconds in another.
impl FromStr for Time {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, word) = split_number(text);
        let known = WORDS.iter().find(|(words, _)| words.iter().any(|w| w.eq_ignore_ascii_case(word)));
        let scale = match known {
            Some((_, scale)) => Some(*scale),
            None if word.is_empty() && is_zero(number) => Some(1),
            None => None,
        };
        let nanos = scale
            .and_then(|scale| scaled(number, scale))
            .ok_or_else(|| Error::usage(format!("\"{text}\" is not a time: a number and s, ms, us or ns")))?;
        match u64::try_from(nanos) {
            Ok(0) if !is_zero(number) => Err(Error::usage(format!("time {text}; 1ns is the minimum"))),
            Ok(nanos) => Ok(Self(Duration::from_nanos(nanos))),
            Err(_) => Err(Error::usage(format!("time {text}; {}ns are possible", u64::MAX))),
        }
    }
}

impl From<Duration> for Time {
    fn from(time: Duration) -> Self {
        Self(time)
    }
}

impl From<Time> for Duration {
    fn from(time: Time) -> Self {
        time.0
    }
}

use std::fmt;
use std::str::FromStr;

use nl_core::{Error, Result};

/// A probability, in 2³²−1 steps.
///
/// ```
/// use nl_tc::Probability;
///
/// assert_eq!(Probability::percent(100.0)?, Probability::ALWAYS);
/// assert_eq!(Probability::percent(0.1)?.to_string(), "0.1%");
/// assert!(Probability::percent(101.0).is_err());
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Probability(pub u32);

impl Probability {
    /// 0%.
    pub const NEVER: Self = Self(0);
    /// 100%.
    pub const ALWAYS: Self = Self(u32::MAX);

    /// The probability in percent, rounded to the nearest step of about 2.3 · 10⁻⁸ %.
    ///
    /// # Errors
    /// `percent` is below 0 or above 100, or not 0 and so small that it would become 0.
    pub fn percent(percent: f64) -> Result<Self> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(Error::usage(format!("{percent}%; 0 to 100 are possible")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
        let steps = (percent / 100.0 * f64::from(u32::MAX)).round_ties_even() as u32;
        if steps == 0 && percent > 0.0 {
            return Err(Error::usage(format!("{percent}%; 2.4e-8% is the minimum")));
        }
        Ok(Self(steps))
    }
}

/// Six significant digits, as `tc` prints.
impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = f64::from(self.0) / f64::from(u32::MAX) * 100.0;
        let digits = match percent {
            p if p >= 100.0 => 3,
            p if p >= 10.0 => 4,
            p if p >= 1.0 => 5,
            p if p >= 0.1 => 6,
            p if p >= 0.01 => 7,
            _ => 8,
        };
        let text = format!("{percent:.digits$}");
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Probability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_suffix('%').unwrap_or(text);
        let percent = number.parse().map_err(|_| Error::usage(format!("\"{text}\" is not a percentage")))?;
        Self::percent(percent)
    }
}

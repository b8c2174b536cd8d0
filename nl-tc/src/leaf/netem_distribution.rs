use std::fmt;
use std::path::Path;

use nl_core::attr::{Attr, DecodeError};
use nl_core::check::Invalid;
use nl_core::{Error, Result};

/// `NETEM_DIST_SCALE`, `include/uapi/linux/pkt_sched.h`: a value of one standard deviation.
const SCALE: f64 = 8192.0;
/// `NETEM_DIST_MAX`
const VALUES_MAX: usize = 16_384;
/// The shape of the Pareto distribution of `tc`.
const SHAPE: f64 = 3.0;
/// Into how many shares of the same probability the distributions of `tc` are divided. Each fourth one is used.
const SHARES: u32 = 16_384;
const USED: usize = 4;

/// How the delays of [netem](super::NetemConfig) are spread: a table of deviations, of which each is as likely as the others
/// (`delay TIME JITTER distribution NAME`).
///
/// ```
/// use nl_tc::leaf::NetemDistribution;
///
/// let normal = NetemDistribution::normal();
/// assert_eq!(normal.values().len(), 4096);
/// // The middle: no deviation. 8192 is the jitter.
/// assert!(normal.values()[2048].abs() < 8);
///
/// let own = NetemDistribution::parse("own", "# two values\n-8192 8192\n")?;
/// assert_eq!(own.values(), [-8192, 8192]);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// [`normal`](Self::normal), [`pareto`](Self::pareto) and [`paretonormal`](Self::paretonormal) are computed, and differ from the files of
/// `tc` by rounding at most. [`from_file`](Self::from_file) reads such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NetemDistribution(Box<Table>);

/// In a box, because few qdiscs have one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
struct Table {
    name: String,
    values: Vec<i16>,
}

impl NetemDistribution {
    /// A table of up to 16384 deviations, of which 8192 is the jitter, and its name for people.
    #[must_use]
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = i16>) -> Self {
        Self(Box::new(Table { name: name.into(), values: values.into_iter().collect() }))
    }

    /// The normal distribution (`distribution normal`).
    #[must_use]
    pub fn normal() -> Self {
        let quantiles = normal_quantiles();
        Self::new("normal", quantiles.iter().step_by(USED).map(|x| whole(x * SCALE)))
    }

    /// The Pareto distribution, with a long tail of large delays (`distribution pareto`).
    #[must_use]
    pub fn pareto() -> Self {
        let shares = (0..SHARES).step_by(USED);
        Self::new("pareto", shares.map(|share| whole(pareto(share))))
    }

    /// A quarter of the normal and three quarters of the Pareto distribution (`distribution paretonormal`).
    #[must_use]
    pub fn paretonormal() -> Self {
        let quantiles = normal_quantiles();
        let shares = (0..SHARES).zip(&quantiles).step_by(USED);
        let mixed = shares.map(|(share, x)| {
            let (normal, pareto) = ((x * SCALE).round_ties_even(), pareto(share).round_ties_even());
            whole(((normal + 3.0 * pareto) / 4.0).trunc())
        });
        Self::new("paretonormal", mixed)
    }

    /// Reads a file of `tc`, such as `/usr/lib/tc/experimental.dist`. Its name is that of the distribution.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else than numbers and comments.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::usage(format!("the distribution {}: {error}", path.display())))?;
        Self::parse(name, &text)
    }

    /// Reads the text of a file of `tc`: numbers, and lines that begin with `#`.
    ///
    /// # Errors
    /// A word that is no number from −32768 to 32767.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self> {
        let name = name.into();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.flat_map(str::split_whitespace).map(|word| {
            word.parse::<i16>().map_err(|_| {
                Error::usage(format!("\"{word}\" in the distribution {name}; -32768 to 32767 are possible"))
            })
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        Ok(Self::new(name, values))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The deviations, of which 8192 is the jitter.
    #[must_use]
    pub fn values(&self) -> &[i16] {
        &self.0.values
    }

    pub(super) fn decode(attr: Attr<'_>) -> std::result::Result<Self, DecodeError> {
        let values = attr.value().chunks_exact(2).map(|value| match value {
            [a, b] => i16::from_ne_bytes([*a, *b]),
            _ => 0,
        });
        Ok(Self::new("", values))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.values.iter().flat_map(|value| value.to_ne_bytes()).collect()
    }

    pub(super) fn check(&self) -> std::result::Result<(), Invalid> {
        match self.0.values.len() {
            1..=VALUES_MAX => Ok(()),
            values => {
                Err(format!("a distribution of {values} values; 1 to {VALUES_MAX} are possible").into())
            }
        }
    }
}

/// The name.
impl fmt::Display for NetemDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// The deviation of each share of the normal distribution, in standard deviations: the largest one that, on a grid of 0.00005, still
/// belongs to it when shares are rounded.
fn normal_quantiles() -> Vec<f64> {
    const STEP: f64 = 0.000_05;
    const STEPS: u32 = 401_000;
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let shares = f64::from(SHARES);
    let mut quantiles = vec![0.0; usize::try_from(SHARES).unwrap_or(0)];
    let (mut below, mut left) = (0.0, 0.0);
    for step in 0..=STEPS {
        let x = -10.0 + f64::from(step) * STEP;
        let right = density(x);
        if step != 0 {
            // Simpson's rule.
            below += STEP / 6.0 * (left + 4.0 * density(x - STEP / 2.0) + right);
        }
        left = right;
        if let Some(quantile) = quantiles.get_mut(place(below * shares)) {
            *quantile = x;
        }
    }
    quantiles
}

/// The deviation of a share of the Pareto distribution, in units of the table.
fn pareto(share: u32) -> f64 {
    let above = f64::from(SHARES - share) / f64::from(SHARES);
    // Its mean is 1.5, and its variance 3/4.
    let deviation = (above.powf(-1.0 / SHAPE) - 1.5) * (4.0 / 3.0) * SCALE;
    deviation.min(f64::from(i16::MAX))
}

/// Rounded, and cut off at the ends.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is meant")]
fn whole(value: f64) -> i16 {
    value.round_ties_even() as i16
}

#[expect(clippy::cast_possible_truncation, reason = "the number of a share")]
fn place(share: f64) -> usize {
    share.round_ties_even() as usize
}

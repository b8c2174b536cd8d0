use std::fmt;
use std::time::Duration;

use nl_core::check::Invalid;

/// A rate estimator: the kernel measures the rate of a class or qdisc as a moving average (`TCA_RATE`).
///
/// ```
/// use std::time::Duration;
/// use nl_tc::stats::Estimator;
///
/// // estimator 1sec 8sec
/// let estimator = Estimator::new(Duration::from_secs(1), Duration::from_secs(8));
/// assert_eq!((estimator.interval(), estimator.ewma_log()), (Some(Duration::from_secs(1)), Some(3)));
/// ```
///
/// The kernel does not report estimators. It keeps one until the class is deleted. The result is
/// [`Stats::measured`](super::Stats::measured).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Estimator {
    /// 2ⁿ seconds, from −2 to 3.
    code: Option<i8>,
    log: Option<u8>,
}

impl Estimator {
    /// Measures every `interval`, averaged over about `average`: `estimator INTERVAL AVERAGE` of `tc`.
    ///
    /// The interval is rounded up to 250 or 500 ms, 1, 2, 4 or 8 s. The average must be longer than the interval. It is rounded
    /// down to a value of the kernel, about 1, 3, 7, 15 … times the interval. The verb refuses what does not fit.
    #[must_use]
    pub fn new(interval: Duration, average: Duration) -> Self {
        let code = (-2..=3).find(|code| interval <= period(*code) && !interval.is_zero());
        let log = (1..=31_u8).find(|log| {
            let weight = 1.0 - 0.5_f64.powi((*log).into());
            interval.as_secs_f64() / -weight.ln() > average.as_secs_f64()
        });
        Self { code, log: log.map(|log| log - 1).filter(|log| (1..=30).contains(log)) }
    }

    /// The time between two measurements.
    #[must_use]
    pub fn interval(self) -> Option<Duration> {
        self.code.map(period)
    }

    /// The weight of a measurement is 1/2ⁿ, for this n from 1 to 30.
    #[must_use]
    pub const fn ewma_log(self) -> Option<u8> {
        self.log
    }

    pub(crate) fn from_wire([code, log]: [u8; 2]) -> Self {
        let code = i8::from_ne_bytes([code]);
        Self { code: (-2..=3).contains(&code).then_some(code), log: (1..=30).contains(&log).then_some(log) }
    }

    pub(crate) fn wire(self) -> [u8; 2] {
        let [code] = self.code.unwrap_or(i8::MAX).to_ne_bytes();
        [code, self.log.unwrap_or(0)]
    }

    pub(crate) fn check(self) -> Result<(), Invalid> {
        Invalid::when(self.code.is_none(), "estimator interval; over 0 and up to 8 s are possible")?;
        Invalid::when(
            self.log.is_none(),
            "estimator average; over 1.44 times and under 2³⁰ times the interval are possible",
        )
    }
}

impl fmt::Debug for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Estimator").field("interval", &self.interval()).field("ewma_log", &self.log).finish()
    }
}

fn period(code: i8) -> Duration {
    Duration::from_millis(250) * (1 << (code + 2).clamp(0, 5))
}

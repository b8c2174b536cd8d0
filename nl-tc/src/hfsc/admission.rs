use std::fmt;
use std::time::Duration;

use super::curve::ServiceCurve;
use crate::Rate;

/// Real-time curves that a link cannot guarantee together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overload {
    /// The time from which on more is guaranteed than the link can send, if all classes become busy at once. Rounded down to
    /// nanoseconds.
    pub from: Duration,
    /// The time when the link has caught up, rounded up. `None` if it never does.
    pub until: Option<Duration>,
    /// The maximum number of bytes by which the link falls behind. `None` if there is no maximum.
    pub behind: Option<u64>,
    /// The sum of the guarantees in the long run, in bytes per second.
    pub promised: u128,
}

/// Checks whether a link of this rate can guarantee all of these real-time curves.
///
/// ```
/// use std::time::Duration;
/// use nl_tc::Rate;
/// use nl_tc::hfsc::{ServiceCurve, admit};
///
/// let voice = ServiceCurve::delay(1500, Duration::from_millis(1), Rate::kbit(100)); // 12 Mbit/s for 1 ms
/// let data = ServiceCurve::rate(Rate::mbit(5));
/// admit(Rate::mbit(20), [voice, data]).unwrap();
/// let overload = admit(Rate::mbit(15), [voice, data]).unwrap_err();
/// assert_eq!(overload.from, Duration::ZERO);
/// ```
///
/// It can if the sum of the curves is nowhere above the curve of the link. Pass the real-time curves of the **leaves**. The kernel
/// does not check this. If the guarantees exceed the link, packets are late.
///
/// # Errors
/// The sum exceeds the link.
///
/// A curve that the kernel cannot hold, and that the verbs refuse, is ignored here; see [`ServiceCurve::two_pieces`].
pub fn admit(link: Rate, curves: impl IntoIterator<Item = ServiceCurve>) -> Result<(), Overload> {
    let link = i128::from(link.bytes_per_second());
    let mut pieces: Vec<[i128; 3]> =
        curves.into_iter().filter_map(|curve| curve.wire("").ok()).map(|wire| wire.map(i128::from)).collect();
    pieces.sort_unstable_by_key(|[_, d, _]| *d);
    // The lead of the guarantees over the link in millionths of a byte, and its growth in bytes per second.
    let (mut at, mut ahead) = (0, 0);
    let mut slope = pieces.iter().map(|[m1, d, m2]| if *d == 0 { m2 } else { m1 }).sum::<i128>() - link;
    let mut span = Span::default();
    for [m1, d, m2] in pieces.iter().filter(|[_, d, _]| *d != 0) {
        span.segment(at, ahead, slope, Some(*d));
        ahead += slope * (d - at);
        at = *d;
        slope += m2 - m1;
    }
    span.segment(at, ahead, slope, None);
    let Some(from) = span.from else { return Ok(()) };
    let promised = pieces.iter().map(|[_, _, m2]| m2).sum::<i128>();
    Err(Overload {
        from: nanos(from),
        until: span.until.map(nanos),
        behind: (!span.unbounded)
            .then(|| u64::try_from(span.behind.div_euclid(1_000_000)).unwrap_or(u64::MAX)),
        promised: promised.unsigned_abs(),
    })
}

/// The first period in which the guarantees lead, and their maximum lead.
#[derive(Default)]
struct Span {
    /// In nanoseconds.
    from: Option<i128>,
    until: Option<i128>,
    behind: i128,
    unbounded: bool,
}

impl Span {
    /// A period from `at` to `end` in microseconds in which the lead starts at `ahead` and grows with this slope.
    fn segment(&mut self, at: i128, ahead: i128, slope: i128, end: Option<i128>) {
        if end == Some(at) {
            return;
        }
        let last = end.map(|end| ahead + slope * (end - at));
        if self.from.is_none() && (last.is_some_and(|last| last > 0) || last.is_none() && slope > 0) {
            // The lead is at most 0 here, or an earlier period would have been the first.
            let after = if slope > 0 { -ahead * 1000 / slope } else { 0 };
            self.from = Some(at * 1000 + after);
        } else if self.from.is_some() && self.until.is_none() && ahead > 0 && slope < 0 {
            let after = (ahead * 1000 + (-slope - 1)) / -slope;
            if end.is_none_or(|end| at * 1000 + after <= end * 1000) {
                self.until = Some(at * 1000 + after);
            }
        }
        self.behind = self.behind.max(last.unwrap_or(ahead));
        self.unbounded |= end.is_none() && slope > 0;
    }
}

fn nanos(n: i128) -> Duration {
    Duration::from_nanos(u64::try_from(n).unwrap_or(u64::MAX))
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.promised * 8;
        write!(f, "more is guaranteed than the link can send, from {:?} on", self.from)?;
        match (self.until, self.behind) {
            (Some(until), Some(behind)) => write!(f, " until {until:?}, by up to {behind} bytes"),
            _ => write!(f, "; {bits} bit/s in the long run"),
        }
    }
}

impl std::error::Error for Overload {}

impl From<Overload> for nl_core::Error {
    fn from(overload: Overload) -> Self {
        Self::usage(overload.to_string())
    }
}

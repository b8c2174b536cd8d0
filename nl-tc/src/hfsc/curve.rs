use std::fmt;
use std::time::Duration;

use nl_core::check::Invalid;

use crate::units::{Rate, Size, Time, micros};

/// A service curve: how much can be sent by when. It is one rate for a time, then another.
///
/// ```
/// use std::time::Duration;
/// use nl_tc::Rate;
/// use nl_tc::hfsc::ServiceCurve;
///
/// // m1 2mbit d 10ms m2 1mbit
/// let curve = ServiceCurve::two_piece(Rate::mbit(2), Duration::from_millis(10), Rate::mbit(1));
/// // umax 1500 dmax 10ms rate 1mbit: 1500 bytes within 10 ms, which is 1.2 Mbit/s, then 1 Mbit/s
/// let delay = ServiceCurve::delay(1500, Duration::from_millis(10), Rate::mbit(1));
/// assert_eq!(delay.two_pieces(), Some((Rate::kbit(1200), Duration::from_millis(10), Rate::mbit(1))));
/// ```
///
/// The kernel has 32 bits for the bytes per second of a rate, so up to 34.36 Gbit/s, and 32 bits for the microseconds of a time,
/// so up to 4294 s. The verb refuses what does not fit.
///
/// Two curves are equal if they are the same to the kernel, whichever constructor made them.
#[derive(Clone, Copy, Debug)]
pub struct ServiceCurve(Form);

#[derive(Clone, Copy, Debug)]
enum Form {
    Pieces { m1: Rate, d: Duration, m2: Rate },
    Delay { umax: Size, dmax: Duration, rate: Rate },
}

impl ServiceCurve {
    /// One rate from the beginning (`rate RATE`, `m2 RATE`).
    #[must_use]
    pub const fn rate(rate: Rate) -> Self {
        Self::two_piece(Rate::ZERO, Duration::ZERO, rate)
    }

    /// `m1` for the time `d`, then `m2` (`m1 RATE d TIME m2 RATE`).
    #[must_use]
    pub const fn two_piece(m1: Rate, d: Duration, m2: Rate) -> Self {
        Self(Form::Pieces { m1, d, m2 })
    }

    /// `umax` bytes within the time `dmax`, and `rate` in the long run (`umax BYTES dmax TIME rate RATE`).
    ///
    /// If that is faster than `rate`, the curve starts with a burst. Otherwise it starts with a pause after which `rate` is just
    /// fast enough. Rounds as `tc` does: a rate up, a time down to microseconds. Some releases of `tc` compute in 32 bits and
    /// are wrong from 4295 bytes on.
    #[must_use]
    pub fn delay(umax: impl Into<Size>, dmax: Duration, rate: Rate) -> Self {
        Self(Form::Delay { umax: umax.into(), dmax, rate })
    }

    /// `m1`, `d` and `m2` as the kernel stores them; `None` if it cannot hold them.
    #[must_use]
    pub fn two_pieces(self) -> Option<(Rate, Duration, Rate)> {
        let [m1, d, m2] = self.wire("").ok()?;
        Some((Rate::bps(m1.into()), Duration::from_micros(d.into()), Rate::bps(m2.into())))
    }

    /// The curve of `m1` in bytes per second, `d` in microseconds and `m2` in bytes per second.
    pub(super) fn from_wire([m1, d, m2]: [u32; 3]) -> Self {
        Self::two_piece(Rate::bps(m1.into()), Duration::from_micros(d.into()), Rate::bps(m2.into()))
    }

    /// `m1` in bytes per second, `d` in microseconds, `m2` in bytes per second.
    pub(super) fn wire(self, name: &str) -> Result<[u32; 3], Invalid> {
        let wire = match self.0 {
            Form::Pieces { m1, d, m2 } => [
                narrow(m1, &format!("{name} m1"))?,
                micros(&format!("{name} d"), d)?,
                narrow(m2, &format!("{name} m2"))?,
            ],
            Form::Delay { umax, dmax, rate } => {
                let d = micros(&format!("{name} dmax"), dmax)?;
                let m2 = narrow(rate, &format!("{name} rate"))?;
                delay(name, umax.0, d, m2)?
            }
        };
        match wire {
            [0, _, 0] => {
                Err(format!("{name} curve of rate 0; the kernel ignores it, and cannot remove a curve")
                    .into())
            }
            wire => Ok(wire),
        }
    }

    /// The curve as the kernel reports it.
    pub(super) fn as_read_back(self) -> Self {
        self.two_pieces().map_or(self, |(m1, d, m2)| Self::two_piece(m1, d, m2))
    }
}

fn delay(name: &str, umax: u32, d: u32, m2: u32) -> Result<[u32; 3], Invalid> {
    if d == 0 && umax != 0 {
        return Err(format!("{name} umax {umax} without dmax; a time is needed").into());
    }
    if d == 0 {
        return Ok([0, 0, m2]);
    }
    let work = u64::from(umax) * 1_000_000;
    let m1 = work.div_ceil(d.into());
    if m1 > u64::from(m2) {
        let m1 = u32::try_from(m1).map_err(|_| {
            let limit = u32::MAX;
            format!("{name} {umax} bytes in {d} us is {m1} bytes per second; {limit} are possible")
        })?;
        return Ok([m1, d, m2]);
    }
    // `m2` is 0 only if `umax` is too.
    let sending = work.checked_div(m2.into()).unwrap_or(0);
    // It is at most `d`, for the rate is at least `m1`.
    Ok([0, d - u32::try_from(sending).unwrap_or(d).min(d), m2])
}

impl From<Rate> for ServiceCurve {
    fn from(rate: Rate) -> Self {
        Self::rate(rate)
    }
}

impl PartialEq for ServiceCurve {
    fn eq(&self, other: &Self) -> bool {
        match (self.wire(""), other.wire("")) {
            (Ok(a), Ok(b)) => a == b,
            _ => match (self.0, other.0) {
                (Form::Pieces { m1, d, m2 }, Form::Pieces { m1: m1b, d: db, m2: m2b }) => {
                    (m1, d, m2) == (m1b, db, m2b)
                }
                (Form::Delay { umax, dmax, rate }, Form::Delay { umax: ub, dmax: db, rate: rb }) => {
                    (umax, dmax, rate) == (ub, db, rb)
                }
                _ => false,
            },
        }
    }
}

impl Eq for ServiceCurve {}

/// The words of `tc`.
impl fmt::Display for ServiceCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Pieces { m1, d, m2 } if m1.is_zero() && d.is_zero() => write!(f, "m2 {m2}"),
            Form::Pieces { m1, d, m2 } => {
                write!(f, "m1 {m1} d {} m2 {m2}", Time(d))
            }
            Form::Delay { umax, dmax, rate } => {
                write!(f, "umax {}b dmax {} rate {rate}", umax.0, Time(dmax))
            }
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for ServiceCurve {
    /// The values of the kernel: bytes per second, microseconds, bytes per second.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error, SerializeStruct};
        let [m1, d, m2] = self.wire("curve").map_err(Error::custom)?;
        let mut out = serializer.serialize_struct("ServiceCurve", 3)?;
        out.serialize_field("m1", &m1)?;
        out.serialize_field("d", &d)?;
        out.serialize_field("m2", &m2)?;
        out.end()
    }
}

/// A rate for a field of 32 bits.
fn narrow(rate: Rate, name: &str) -> Result<u32, Invalid> {
    u32::try_from(rate.bytes_per_second()).map_err(|_| {
        format!("{name} {} bytes per second; {} (34.3Gbit) are possible", rate.bytes_per_second(), u32::MAX)
            .into()
    })
}

//! `umax`, `dmax` and `rate` become `m1`, `d` and `m2` as in `tc`.

use std::time::Duration;

use nl_tc::Rate;
use nl_tc::hfsc::ServiceCurve;
use proptest::prelude::*;

const MBIT: Rate = Rate::mbit(1);

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// In bytes per second and microseconds, each measured on a kernel.
#[test]
fn curve_converts_like_tc() {
    for (curve, m1, d, m2) in [
        (ServiceCurve::rate(MBIT), 0, 0, 125_000),
        (ServiceCurve::delay(1500, us(30_000), MBIT), 0, 18_000, 125_000),
        (ServiceCurve::delay(1500, us(10_000), MBIT), 150_000, 10_000, 125_000),
        (ServiceCurve::delay(4000, us(30_000), MBIT), 133_334, 30_000, 125_000),
        (ServiceCurve::delay(1, us(1), MBIT), 1_000_000, 1, 125_000),
        (ServiceCurve::delay(0, us(10_000), MBIT), 0, 10_000, 125_000),
        (ServiceCurve::two_piece(Rate::mbit(2), us(10_000), MBIT), 250_000, 10_000, 125_000),
        // Here `tc` overflows 32 bits and prints 54360.
        (ServiceCurve::delay(5000, us(60_000), MBIT), 0, 20_000, 125_000),
    ] {
        let pieces = (Rate::bps(m1), us(d), Rate::bps(m2));
        assert_eq!(curve.two_pieces(), Some(pieces), "{curve}");
        assert_eq!(curve, ServiceCurve::two_piece(pieces.0, pieces.1, pieces.2));
    }
}

#[test]
fn curve_beyond_the_kernels_fields_has_no_pieces() {
    for curve in [
        ServiceCurve::rate(Rate::gbit(35)),
        ServiceCurve::rate(Rate::ZERO),
        ServiceCurve::delay(1500, Duration::ZERO, MBIT),
        ServiceCurve::delay(0, us(10), Rate::ZERO),
        ServiceCurve::delay(5_000_000, us(1), MBIT),
        ServiceCurve::two_piece(MBIT, Duration::from_nanos(1500), MBIT),
        ServiceCurve::two_piece(MBIT, Duration::from_secs(4295), MBIT),
    ] {
        assert_eq!(curve.two_pieces(), None, "{curve}");
    }
    let limit = Rate::bps(u32::MAX.into());
    assert_eq!(ServiceCurve::rate(limit).two_pieces(), Some((Rate::ZERO, Duration::ZERO, limit)));
}

/// The guaranteed bytes × 10⁶ by a time in microseconds.
fn promised((m1, d, m2): (Rate, Duration, Rate), at: u128) -> u128 {
    let (m1, d, m2) = (u128::from(m1.bytes_per_second()), d.as_micros(), u128::from(m2.bytes_per_second()));
    if at <= d { at * m1 } else { d * m1 + (at - d) * m2 }
}

proptest! {
    /// The purpose of this form: `umax` bytes by `dmax`, with either shape of the curve.
    #[test]
    fn delay_curve_guarantees_umax_by_dmax(umax in 1..u32::MAX, dmax in 1..u32::MAX, rate in 1..u32::MAX) {
        let curve = ServiceCurve::delay(umax, us(dmax.into()), Rate::bps(rate.into()));
        if let Some(pieces) = curve.two_pieces() {
            prop_assert!(promised(pieces, dmax.into()) >= u128::from(umax) * 1_000_000 - u128::from(rate));
            prop_assert_eq!(pieces.2, Rate::bps(rate.into()));
        }
    }
}

//! Admission of real-time curves, compared with the sum of the curves.

use std::time::Duration;

use nl_tc::Rate;
use nl_tc::hfsc::{ServiceCurve, admit};
use proptest::collection::vec;
use proptest::prelude::*;

type Pieces = (u32, u32, u32);

fn curve((m1, d, m2): Pieces) -> ServiceCurve {
    ServiceCurve::two_piece(Rate::bps(m1.into()), Duration::from_micros(d.into()), Rate::bps(m2.into()))
}

/// The lead of the guarantees over the link in bytes × 10⁹, at a time in nanoseconds.
fn ahead(link: u64, curves: &[Pieces], at: i128) -> i128 {
    let promised = |&(m1, d, m2): &Pieces| {
        let (m1, d, m2) = (i128::from(m1), i128::from(d) * 1000, i128::from(m2));
        if at <= d { at * m1 } else { d * m1 + (at - d) * m2 }
    };
    curves.iter().map(promised).sum::<i128>() - at * i128::from(link)
}

fn any_curves() -> impl Strategy<Value = Vec<Pieces>> {
    vec((0..2000_u32, 0..20_u32, 1..1000_u32), 0..6)
}

proptest! {
    #[test]
    fn admit_accepts_curves_whose_sum_never_exceeds_the_link(link in 1..4000_u64, curves in any_curves()) {
        let verdict = admit(Rate::bps(link), curves.iter().map(|c| curve(*c)));
        // Linear pieces that end at whole microseconds below 20, and far later.
        let times = (0..=40).map(|us| us * 1000).chain([1_000_000_000_000]);
        let worst = times.map(|at| ahead(link, &curves, at)).max().unwrap();
        prop_assert_eq!(verdict.is_ok(), worst <= 0, "{:?} {}", verdict, worst);
    }

    #[test]
    fn overload_reports_when_the_sum_exceeds_the_link(link in 1..4000_u64, curves in any_curves()) {
        let Err(overload) = admit(Rate::bps(link), curves.iter().map(|c| curve(*c))) else { return Ok(()) };
        let at = |time: Duration| i128::try_from(time.as_nanos()).unwrap();
        let from = at(overload.from);
        for before in (0..=from).step_by(usize::try_from(from / 50 + 1).unwrap()) {
            prop_assert!(ahead(link, &curves, before) <= 0, "{overload:?} at {before}");
        }
        prop_assert!(ahead(link, &curves, from) <= 0);
        // It crosses between `from` and the next nanosecond, unless `until` is as close.
        prop_assert!(ahead(link, &curves, from + 2) > 0 || overload.until.is_some_and(|u| at(u) <= from + 2));
        match overload.until {
            Some(until) => prop_assert!(ahead(link, &curves, at(until)) <= 0, "{overload:?}"),
            None => prop_assert!(ahead(link, &curves, 1_000_000_000_000) > 0, "{overload:?}"),
        }
        if let Some(behind) = overload.behind {
            let most = (0..=20).map(|us| ahead(link, &curves, us * 1000)).max().unwrap();
            prop_assert_eq!(i128::from(behind), most / 1_000_000_000);
        }
    }
}

#[test]
fn admit_accepts_a_full_link_and_refuses_a_byte_more() {
    let half = ServiceCurve::rate(Rate::mbit(5));
    admit(Rate::mbit(10), [half, half]).unwrap();
    admit(Rate::mbit(10), []).unwrap();
    let more = ServiceCurve::rate(Rate::bps(625_001));
    let overload = admit(Rate::mbit(10), [half, more]).unwrap_err();
    assert_eq!((overload.from, overload.until, overload.behind), (Duration::ZERO, None, None));
    assert_eq!(overload.promised, 1_250_001);
}

#[test]
fn burst_on_a_full_link_is_reported_with_its_times() {
    // 2 Mbit/s for 10 ms, then 500 kbit/s, and another 500 kbit/s, on a link of 2 Mbit/s.
    let burst = ServiceCurve::two_piece(Rate::mbit(2), Duration::from_millis(10), Rate::kbit(500));
    let overload = admit(Rate::mbit(2), [burst, ServiceCurve::rate(Rate::kbit(500))]).unwrap_err();
    assert_eq!(overload.from, Duration::ZERO);
    // An excess of 500 kbit/s for 10 ms is 625 bytes, and 1 Mbit/s remains to catch up.
    assert_eq!((overload.behind, overload.until), (Some(625), Some(Duration::from_millis(15))));
    let text = overload.to_string();
    assert_eq!(text, "more is guaranteed than the link can send, from 0ns on until 15ms, by up to 625 bytes");
}

#[test]
fn late_curve_overloads_the_link_late() {
    let late = ServiceCurve::two_piece(Rate::ZERO, Duration::from_millis(10), Rate::mbit(2));
    let overload = admit(Rate::mbit(1), [late]).unwrap_err();
    assert_eq!((overload.from, overload.until), (Duration::from_millis(20), None));
}

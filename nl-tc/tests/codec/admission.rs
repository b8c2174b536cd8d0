//! Whether real-time curves can all be met, against the sum of the curves itself.

use std::time::Duration;

use nl_tc::Rate;
use nl_tc::hfsc::{ServiceCurve, admit};
use proptest::collection::vec;
use proptest::prelude::*;

type Pieces = (u32, u32, u32);

fn curve((m1, d, m2): Pieces) -> ServiceCurve {
    ServiceCurve::two_piece(Rate::bps(m1.into()), Duration::from_micros(d.into()), Rate::bps(m2.into()))
}

/// The bytes by which the promise is ahead of the link at a time in nanoseconds, times 10⁹.
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
    fn it_is_admitted_exactly_if_nowhere_is_more_promised(link in 1..4000_u64, curves in any_curves()) {
        let verdict = admit(Rate::bps(link), curves.iter().map(|c| curve(*c)));
        // Straight pieces that end at whole microseconds below 20, and far out.
        let times = (0..=40).map(|us| us * 1000).chain([1_000_000_000_000]);
        let worst = times.map(|at| ahead(link, &curves, at)).max().unwrap();
        prop_assert_eq!(verdict.is_ok(), worst <= 0, "{:?} {}", verdict, worst);
    }

    #[test]
    fn the_crossing_is_where_it_is_said_to_be(link in 1..4000_u64, curves in any_curves()) {
        let Err(overload) = admit(Rate::bps(link), curves.iter().map(|c| curve(*c))) else { return Ok(()) };
        let at = |time: Duration| i128::try_from(time.as_nanos()).unwrap();
        let from = at(overload.from);
        for before in (0..=from).step_by(usize::try_from(from / 50 + 1).unwrap()) {
            prop_assert!(ahead(link, &curves, before) <= 0, "{overload:?} at {before}");
        }
        prop_assert!(ahead(link, &curves, from) <= 0);
        // Between `from` and the next nanosecond it crosses, unless `until` is as near.
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
fn a_full_link_is_admitted_and_a_byte_more_is_not() {
    let half = ServiceCurve::rate(Rate::mbit(5));
    admit(Rate::mbit(10), [half, half]).unwrap();
    admit(Rate::mbit(10), []).unwrap();
    let more = ServiceCurve::rate(Rate::bps(625_001));
    let overload = admit(Rate::mbit(10), [half, more]).unwrap_err();
    assert_eq!((overload.from, overload.until, overload.behind), (Duration::ZERO, None, None));
    assert_eq!(overload.promised, 1_250_001);
}

#[test]
fn a_burst_on_top_of_a_full_link_is_told_with_its_times() {
    // 2 Mbit/s for 10 ms and then 500 kbit/s, beside 500 kbit/s, on a link of 2 Mbit/s.
    let burst = ServiceCurve::two_piece(Rate::mbit(2), Duration::from_millis(10), Rate::kbit(500));
    let overload = admit(Rate::mbit(2), [burst, ServiceCurve::rate(Rate::kbit(500))]).unwrap_err();
    assert_eq!(overload.from, Duration::ZERO);
    // 500 kbit/s too much for 10 ms is 625 bytes; 1 Mbit/s is left to catch up.
    assert_eq!((overload.behind, overload.until), (Some(625), Some(Duration::from_millis(15))));
    let text = overload.to_string();
    assert_eq!(text, "more is guaranteed than the link can send, from 0ns on until 15ms, by up to 625 bytes");
}

#[test]
fn a_curve_that_begins_late_overloads_late() {
    let late = ServiceCurve::two_piece(Rate::ZERO, Duration::from_millis(10), Rate::mbit(2));
    let overload = admit(Rate::mbit(1), [late]).unwrap_err();
    assert_eq!((overload.from, overload.until), (Duration::from_millis(20), None));
}

//! The words of `tc`, parsed and printed.

use std::time::Duration;

use nl_tc::stats::Estimator;
use nl_tc::{Burst, Probability, Rate, Size, TcHandle, Time};
use proptest::prelude::*;

#[test]
fn rate_parses_like_tc() {
    for (text, bytes) in [
        ("8bit", 1),
        ("8", 1),
        ("9bit", 1),
        ("0bit", 0),
        ("0.0", 0),
        ("1e6bit", 125_000),
        ("1.5E+3kbit", 187_500),
        ("15e-1mbit", 187_500),
        ("1kbit", 125),
        ("1Kbit", 125),
        ("1KBIT", 125),
        ("1mbit", 125_000),
        ("1.5mbit", 187_500),
        ("0.5gbit", 62_500_000),
        (".5gbit", 62_500_000),
        ("10gbit", 1_250_000_000),
        ("1tbit", 125_000_000_000),
        ("1kibit", 128),
        ("1mibit", 131_072),
        ("1gibit", 134_217_728),
        ("1tibit", 137_438_953_472),
        ("1bps", 1),
        ("1kbps", 1000),
        ("1mbps", 1_000_000),
        ("1gbps", 1_000_000_000),
        ("1tbps", 1_000_000_000_000),
        ("1kibps", 1024),
        ("1mibps", 1 << 20),
        ("1gibps", 1 << 30),
        ("1tibps", 1 << 40),
    ] {
        assert_eq!(text.parse::<Rate>().unwrap().bytes_per_second(), bytes, "{text}");
    }
    for text in [
        "",
        "mbit",
        "1xbit",
        "-1mbit",
        "1..5mbit",
        "1embit",
        "1e99bit",
        "7bit",
        "0.1bit",
        "50%",
        "1 mbit",
        "18446744073709551615tbit",
    ] {
        text.parse::<Rate>().unwrap_err();
    }
}

#[test]
fn rate_prints_like_tc() {
    for (rate, text) in [
        (Rate::ZERO, "0bit"),
        (Rate::bit(8), "8bit"),
        (Rate::bit(1000), "1Kbit"),
        (Rate::bit(1008), "1008bit"),
        (Rate::kbit(1), "1Kbit"),
        (Rate::kbit(1500), "1500Kbit"),
        (Rate::mbit(1), "1Mbit"),
        (Rate::mbit(1500), "1500Mbit"),
        (Rate::gbit(40), "40Gbit"),
        (Rate::tbit(3), "3Tbit"),
        (Rate::tbit(3000), "3000Tbit"),
    ] {
        assert_eq!((rate.to_string(), format!("{rate:#}")), (text.to_owned(), text.to_owned()));
    }
    for (rate, shown, exact) in
        [(Rate::bit(1_234_568), "1234Kbit", "1234568bit"), (Rate::mibit(1), "1048Kbit", "1048576bit")]
    {
        assert_eq!((format!("{rate:#}").as_str(), rate.to_string().as_str()), (shown, exact));
        assert_eq!(exact.parse::<Rate>().unwrap(), rate);
    }
}

#[test]
fn percentage_is_a_rate_of_a_known_speed() {
    let speed = Rate::mbit(100);
    for (text, rate) in [
        ("10%", Rate::mbit(10)),
        ("12.5%", Rate::kbit(12_500)),
        ("100%", speed),
        ("0%", Rate::ZERO),
        ("3mbit", Rate::mbit(3)),
    ] {
        assert_eq!(Rate::parse_on(text, speed).unwrap(), rate, "{text}");
    }
    for text in ["%", "101%", "-1%", "1e-9%", "10%%", "x%"] {
        Rate::parse_on(text, speed).unwrap_err();
    }
    let error = "10%".parse::<Rate>().unwrap_err();
    assert_eq!(error.to_string(), "rate 10%; a percentage needs the speed of the device: Rate::parse_on()");
    assert!((Rate::kbit(1500).to_mbit_f64() - 1.5).abs() < 1e-12);
}

#[test]
fn time_parses_like_tc_and_prints_all_digits() {
    let ns = Duration::from_nanos;
    for (text, time, printed) in [
        ("0", ns(0), "0s"),
        ("1s", ns(1_000_000_000), "1s"),
        ("2SECS", ns(2_000_000_000), "2s"),
        ("1.5ms", ns(1_500_000), "1500us"),
        ("70msec", ns(70_000_000), "70ms"),
        ("4999usecs", ns(4_999_000), "4999us"),
        ("1e3ns", ns(1000), "1us"),
        ("64nsec", ns(64), "64ns"),
    ] {
        let parsed: Time = text.parse().unwrap();
        assert_eq!((parsed, parsed.to_string().as_str()), (Time(time), printed), "{text}");
        assert_eq!(printed.parse::<Time>().unwrap(), parsed);
    }
    for text in ["", "5", "ms", "1min", "-1s", "0.1ns", "1e40s", "1 s"] {
        text.parse::<Time>().unwrap_err();
    }
}

#[test]
fn rate_distinguishes_bits_and_bytes() {
    assert_eq!(Rate::mbit(8), Rate::mbps(1));
    assert_eq!(Rate::kibit(8), Rate::kibps(1));
    assert_eq!(Rate::tbit(u64::MAX), Rate::MAX);
}

#[test]
fn size_parses_and_prints_like_tc() {
    for (text, bytes, printed) in [
        ("1500", 1500, "1500b"),
        ("1500b", 1500, "1500b"),
        ("15k", 15_360, "15Kb"),
        ("15kb", 15_360, "15Kb"),
        ("1.5k", 1536, "1536b"),
        ("1599", 1599, "1599b"),
        ("2040", 2040, "2Kb"),
        ("1m", 1 << 20, "1Mb"),
        ("10Mb", 10 << 20, "10Mb"),
        ("1g", 1 << 30, "1024Mb"),
        ("8kbit", 1024, "1Kb"),
        ("8mbit", 1 << 20, "1Mb"),
        ("1gbit", 1 << 27, "128Mb"),
    ] {
        let size: Size = text.parse().unwrap();
        assert_eq!((size, size.to_string().as_str()), (Size(bytes), printed), "{text}");
    }
    assert_eq!("1e3".parse::<Size>().unwrap(), Size(1000));
    for text in ["", "k", "1kk", "4g", "-1", "0.1b"] {
        text.parse::<Size>().unwrap_err();
    }
}

#[test]
fn handle_parses_and_prints_like_tc() {
    for (text, handle) in [
        ("root", TcHandle::ROOT),
        ("none", TcHandle::NONE),
        ("1:", TcHandle::new(1, 0)),
        ("1:10", TcHandle::new(1, 0x10)),
        ("ffff:fff1", TcHandle::INGRESS),
        (":a", TcHandle::new(0, 0xa)),
        ("8001:", TcHandle::new(0x8001, 0)),
    ] {
        assert_eq!((text.parse::<TcHandle>().unwrap(), handle.to_string().as_str()), (handle, text));
    }
    assert_eq!("clsact".parse::<TcHandle>().unwrap(), TcHandle::CLSACT);
    for text in ["", ":", "10", "1:10:1", "10000:", "1:10000", "g:", "+1:", "1: 2"] {
        text.parse::<TcHandle>().unwrap_err();
    }
    for (text, handle) in [("7FFF:0x1", TcHandle::new(0x7fff, 1)), ("0X1:", TcHandle::new(1, 0))] {
        assert_eq!(text.parse::<TcHandle>().unwrap(), handle, "{text}");
    }
    for text in ["0x:", "0x0x1:", "0x10000:", "1:0x"] {
        text.parse::<TcHandle>().unwrap_err();
    }
}

/// The table of the current `tc`, which rounds up.
#[test]
fn default_burst_equals_that_of_tc() {
    for (rate, burst, ticks) in [
        (Rate::mbit(1), Burst::default(), 200_000),
        (Rate::mbit(100), Burst::default(), 2000),
        (Rate::gbit(1), Burst::default(), 200),
        (Rate::gbit(10), Burst::default(), 21),
        (Rate::gbit(40), Burst::default(), 6),
        (Rate::gbit(100), Burst::default(), 3),
        (Rate::mbit(1), Burst::from(15 * 1024), 1_920_000),
        (Rate::mbit(5), Burst::default(), 40_000),
    ] {
        assert_eq!(burst.time(rate), Some(Duration::from_nanos(64 * ticks)), "{rate}");
    }
    // tc: "burst out of range".
    assert_eq!(Burst::default().time(Rate::bit(8)), None);
}

#[test]
fn estimator_is_computed_like_tc() {
    let ms = Duration::from_millis;
    for (interval, average, code, log) in [
        (ms(250), ms(500), ms(250), 1),
        (ms(1000), ms(8000), ms(1000), 3),
        (ms(1000), ms(16_000), ms(1000), 4),
        (ms(300), ms(1000), ms(500), 1),
        (ms(8000), ms(64_000), ms(8000), 3),
        (ms(4000), ms(16_000), ms(4000), 2),
    ] {
        let estimator = Estimator::new(interval, average);
        assert_eq!(
            (estimator.interval(), estimator.ewma_log()),
            (Some(code), Some(log)),
            "{interval:?} {average:?}"
        );
    }
    assert_eq!(Estimator::new(ms(8001), ms(64_000)).interval(), None);
    assert_eq!(Estimator::new(ms(1000), ms(1000)).ewma_log(), None);
}

#[test]
fn probability_prints_like_tc() {
    for (percent, text) in [(0.0, "0%"), (0.1, "0.1%"), (1.5, "1.5%"), (33.3, "33.3%"), (100.0, "100%")] {
        assert_eq!(Probability::percent(percent).unwrap().to_string(), text);
    }
    // It would become 0.
    "1e-9%".parse::<Probability>().unwrap_err();
    for percent in [-0.1, 100.1, f64::NAN, f64::INFINITY, 1e-9] {
        Probability::percent(percent).unwrap_err();
    }
}

proptest! {
    #[test]
    fn rate_round_trips_as_text(kbit in 1..999_999_u64) {
        let rate = Rate::kbit(kbit);
        prop_assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
    }

    #[test]
    fn any_rate_and_time_round_trips_as_text(n in 0..u64::MAX) {
        let (rate, time) = (Rate::bps(n), Time(Duration::from_nanos(n)));
        prop_assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        prop_assert_eq!(time.to_string().parse::<Time>().unwrap(), time);
    }

    #[test]
    fn handle_round_trips_as_text(bits in any::<u32>()) {
        let handle = TcHandle::from_bits(bits);
        prop_assert_eq!(handle.to_string().parse::<TcHandle>().unwrap(), handle);
    }

    #[test]
    fn burst_is_never_smaller_than_requested(bytes in 1..1_000_000_u32, rate in 1000..u64::from(u32::MAX) * 4) {
        let rate = Rate::bps(rate);
        if let Some(time) = Burst::from(bytes).time(rate) {
            let stored = Burst::from(time);
            prop_assert!(stored.bytes(rate) >= bytes.into());
            // And by at most one tick.
            prop_assert!(stored.bytes(rate) <= u64::from(bytes) + rate.bytes_per_second() * 64 / 1_000_000_000 + 1);
        }
    }

    #[test]
    fn arbitrary_texts_never_panic(text in ".{0,24}") {
        let _ = text.parse::<Rate>();
        let _ = text.parse::<Size>();
        let _ = text.parse::<TcHandle>();
        let _ = text.parse::<Probability>();
        let _ = text.parse::<Time>();
        let _ = Rate::parse_on(&text, Rate::mbit(1));
    }
}

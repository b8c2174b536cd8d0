//! The words of `tc`, parsed and printed.

use std::time::Duration;

use nl_tc::stats::Estimator;
use nl_tc::{Burst, Probability, Rate, Size, TcHandle};
use proptest::prelude::*;

#[test]
fn rate_parses_like_tc() {
    for (text, bytes) in [
        ("8bit", 1),
        ("8", 1),
        ("9bit", 1),
        ("7bit", 0),
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
    for text in
        ["", "mbit", "1xbit", "-1mbit", "1..5mbit", "1e3mbit", "50%", "1 mbit", "18446744073709551615tbit"]
    {
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
        (Rate::bit(1_234_568), "1234Kbit"),
        (Rate::mibit(1), "1048Kbit"),
    ] {
        assert_eq!(rate.to_string(), text);
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
    for text in ["", "k", "1kk", "4g", "-1"] {
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
    for percent in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
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
    }
}

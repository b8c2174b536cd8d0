use std::time::Duration;

use nl_tc::class::Class;
use nl_tc::htb::HtbClassConfig;
use nl_tc::{Probability, Rate, Size, TcHandle, Time};
use serde_json::{from_value, json, to_value};

#[test]
fn class_serializes_with_its_kind_and_rates_in_bytes_per_second() {
    let class = Class::new(5, TcHandle::new(1, 0x10), HtbClassConfig::new(Rate::mbit(8)));
    let value = to_value(&class).unwrap();
    assert_eq!((&value["index"], &value["handle"]), (&json!(5), &json!("1:10")));
    assert_eq!(value["config"]["htb"]["rate"], json!(1_000_000), "{value}");
    assert_eq!(value["stats"]["bytes"], json!(0));
}

#[test]
fn rates_sizes_times_and_handles_are_read_from_their_words() {
    assert_eq!(from_value::<Rate>(json!("10mbit")).unwrap(), Rate::mbit(10));
    assert_eq!(from_value::<Size>(json!("15k")).unwrap(), Size(15 * 1024));
    assert_eq!(from_value::<Time>(json!("25ms")).unwrap(), Time(Duration::from_millis(25)));
    assert_eq!(from_value::<Probability>(json!("100%")).unwrap(), Probability::ALWAYS);
    let handle = TcHandle::new(1, 0x10);
    assert_eq!(from_value::<TcHandle>(to_value(handle).unwrap()).unwrap(), handle);
    for rate in [Rate::bit(8), Rate::mbit(10), Rate::gbit(400)] {
        assert_eq!(from_value::<Rate>(json!(rate.to_string())).unwrap(), rate);
    }
}

#[test]
fn rate_without_a_unit_is_refused_as_a_number() {
    // Bits or bytes?
    let error = from_value::<Rate>(json!(1_000_000)).unwrap_err();
    assert!(error.to_string().contains("a rate with its unit, such as \"10mbit\""), "{error}");
    let error = from_value::<Rate>(json!("fast")).unwrap_err();
    assert!(error.to_string().contains("\"fast\" is not a rate"), "{error}");
    assert!(from_value::<Time>(json!(25)).is_err() && from_value::<Time>(json!("25")).is_err());
}

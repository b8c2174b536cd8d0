use nl_tc::class::Class;
use nl_tc::htb::HtbClassConfig;
use nl_tc::{Rate, TcHandle};
use serde_json::json;

#[test]
fn class_serializes_with_its_kind_and_rates_in_bytes_per_second() {
    let class = Class::new(5, TcHandle::new(1, 0x10), HtbClassConfig::new(Rate::mbit(8)));
    let value = serde_json::to_value(&class).unwrap();
    assert_eq!((&value["index"], &value["handle"]), (&json!(5), &json!("1:10")));
    assert_eq!(value["config"]["htb"]["rate"], json!(1_000_000), "{value}");
    assert_eq!(value["stats"]["bytes"], json!(0));
}

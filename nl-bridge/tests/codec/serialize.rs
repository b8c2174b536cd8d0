use std::collections::HashMap;

use nl_bridge::fdb::{FdbEntry, FdbFlagsExt};
use nl_bridge::{VlanId, Vni};
use serde_json::json;

use crate::MAC;

#[test]
fn an_entry_is_serialized_with_its_bits_as_numbers() {
    let mut entry = FdbEntry::new(MAC, 5).master().static_().vlan(10).activity_notify();
    entry.flags_ext = Some(FdbFlagsExt::LOCKED);
    let value = serde_json::to_value(&entry).unwrap();
    assert_eq!(value["mac"], json!("02:00:00:00:00:01"));
    let numbers = ["index", "vlan", "state", "flags", "flags_ext", "notify"].map(|key| value[key].as_u64());
    assert_eq!(numbers, [5, 10, 0x40, 0x04, 2, 1].map(Some), "{value}");
    assert_eq!(value["dst"], json!(null));
}

#[test]
fn vlans_and_vnis_are_read_as_they_are_written_and_checked() {
    let map = HashMap::from([(VlanId::new(10).unwrap(), Vni::new(10010).unwrap())]);
    let text = serde_json::to_string(&map).unwrap();
    assert_eq!(text, r#"{"10":10010}"#);
    assert_eq!(serde_json::from_str::<HashMap<VlanId, Vni>>(&text).unwrap(), map);
    for (text, limit) in [(r#"{"4095":1}"#, "1 to 4094"), (r#"{"1":16777216}"#, "0 to 16777215")] {
        let error = serde_json::from_str::<HashMap<VlanId, Vni>>(text).unwrap_err();
        assert!(error.to_string().contains(limit), "{error}");
    }
}

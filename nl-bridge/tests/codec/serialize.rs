use nl_bridge::fdb::{FdbEntry, FdbFlagsExt};
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

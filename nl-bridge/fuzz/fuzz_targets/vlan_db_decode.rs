#![no_main]

#[path = "../vlan_db.rs"]
mod vlan_db;

libfuzzer_sys::fuzz_target!(|data: &[u8]| vlan_db::check(data));

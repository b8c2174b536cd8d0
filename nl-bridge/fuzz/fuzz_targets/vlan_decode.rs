#![no_main]

#[path = "../vlan.rs"]
mod vlan;

libfuzzer_sys::fuzz_target!(|data: &[u8]| vlan::check(data));

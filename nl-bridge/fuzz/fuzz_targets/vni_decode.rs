#![no_main]

#[path = "../vni.rs"]
mod vni;

libfuzzer_sys::fuzz_target!(|data: &[u8]| vni::check(data));

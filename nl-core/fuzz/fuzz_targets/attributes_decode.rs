#![no_main]

#[path = "../attributes.rs"]
mod attributes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| attributes::check(data));

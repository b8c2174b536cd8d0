#![no_main]

#[path = "../leaf.rs"]
mod leaf;

libfuzzer_sys::fuzz_target!(|data: &[u8]| leaf::check(data));

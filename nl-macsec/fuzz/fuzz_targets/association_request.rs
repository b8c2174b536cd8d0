#![no_main]

#[path = "../association.rs"]
mod association;

libfuzzer_sys::fuzz_target!(|data: &[u8]| association::check(data));

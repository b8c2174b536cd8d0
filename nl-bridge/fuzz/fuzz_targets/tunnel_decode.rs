#![no_main]

#[path = "../tunnel.rs"]
mod tunnel;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tunnel::check(data));

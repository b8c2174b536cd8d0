#![no_main]

#[path = "../family.rs"]
mod family;
#[path = "../object.rs"]
mod object;

libfuzzer_sys::fuzz_target!(|data: &[u8]| family::check(data));

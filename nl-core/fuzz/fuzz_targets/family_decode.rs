#![no_main]

#[path = "../family.rs"]
mod family;
#[path = "../messages.rs"]
mod messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| family::check(data));

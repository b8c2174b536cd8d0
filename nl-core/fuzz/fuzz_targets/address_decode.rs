#![no_main]

#[path = "../address.rs"]
mod address;
#[path = "../messages.rs"]
mod messages;
#[path = "../object.rs"]
mod object;

libfuzzer_sys::fuzz_target!(|data: &[u8]| address::check(data));

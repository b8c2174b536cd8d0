#![no_main]

#[path = "../error.rs"]
mod error;
#[path = "../object.rs"]
mod object;

libfuzzer_sys::fuzz_target!(|data: &[u8]| error::check(data));

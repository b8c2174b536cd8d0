#![no_main]

#[path = "../error.rs"]
mod error;
#[path = "../messages.rs"]
mod messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| error::check(data));

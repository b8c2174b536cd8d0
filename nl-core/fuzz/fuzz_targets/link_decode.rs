#![no_main]

#[path = "../link.rs"]
mod link;
#[path = "../object.rs"]
mod object;

libfuzzer_sys::fuzz_target!(|data: &[u8]| link::check(data));

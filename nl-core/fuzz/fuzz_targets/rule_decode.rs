#![no_main]

#[path = "../object.rs"]
mod object;
#[path = "../rule.rs"]
mod rule;

libfuzzer_sys::fuzz_target!(|data: &[u8]| rule::check(data));

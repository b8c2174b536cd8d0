#![no_main]

#[path = "../messages.rs"]
mod messages;
#[path = "../object.rs"]
mod object;
#[path = "../rule.rs"]
mod rule;

libfuzzer_sys::fuzz_target!(|data: &[u8]| rule::check(data));

#![no_main]

#[path = "../link.rs"]
mod link;
#[path = "../messages.rs"]
mod messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| link::check(data));

#![no_main]

#[path = "../messages.rs"]
mod messages;
#[path = "../nsid.rs"]
mod nsid;

libfuzzer_sys::fuzz_target!(|data: &[u8]| nsid::check(data));

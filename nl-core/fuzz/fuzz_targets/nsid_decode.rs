#![no_main]

#[path = "../nsid.rs"]
mod nsid;
#[path = "../object.rs"]
mod object;

libfuzzer_sys::fuzz_target!(|data: &[u8]| nsid::check(data));

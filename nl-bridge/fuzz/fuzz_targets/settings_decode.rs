#![no_main]

#[path = "../kind.rs"]
mod kind;
#[path = "../settings.rs"]
mod settings;

libfuzzer_sys::fuzz_target!(|data: &[u8]| settings::check(data));

#![no_main]

#[path = "../messages.rs"]
mod messages;
#[path = "../neighbour.rs"]
mod neighbour;
#[path = "../object.rs"]
mod object;

libfuzzer_sys::fuzz_target!(|data: &[u8]| neighbour::check(data));

#![no_main]

#[path = "../messages.rs"]
mod messages;
#[path = "../object.rs"]
mod object;
#[path = "../route.rs"]
mod route;

libfuzzer_sys::fuzz_target!(|data: &[u8]| route::check(data));

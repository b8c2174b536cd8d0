#![no_main]

#[path = "../messages.rs"]
mod messages;
#[path = "../nexthop.rs"]
mod nexthop;
#[path = "../object.rs"]
mod object;

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexthop::check(data));

#![no_main]

#[path = "../kind.rs"]
mod kind;
#[path = "../vxlan.rs"]
mod vxlan;

libfuzzer_sys::fuzz_target!(|data: &[u8]| vxlan::check(data));

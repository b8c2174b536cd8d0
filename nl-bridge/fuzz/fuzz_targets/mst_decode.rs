#![no_main]

#[path = "../mst.rs"]
mod mst;

libfuzzer_sys::fuzz_target!(|data: &[u8]| mst::check(data));

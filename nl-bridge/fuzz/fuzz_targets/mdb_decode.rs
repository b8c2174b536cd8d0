#![no_main]

#[path = "../mdb.rs"]
mod mdb;

libfuzzer_sys::fuzz_target!(|data: &[u8]| mdb::check(data));

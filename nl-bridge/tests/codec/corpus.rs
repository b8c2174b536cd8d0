//! The stored corpus of the fuzz target, replayed on stable.

use nl_testkit::corpus::Corpus;

use crate::check::check;

fn corpus() -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), "fdb_decode")
}

#[test]
fn the_stored_corpus_breaks_nothing() {
    corpus().replay(8, check);
}

/// The corpus begins with the golden bytes; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn the_golden_bytes_are_in_the_corpus() {
    use crate::golden::{ADD_STATIC, ADD_VXLAN, DUMP_STATIC, DUMP_VXLAN, FLUSH};
    let both = [DUMP_STATIC, DUMP_VXLAN].concat();
    let golden = [
        ("add_static", ADD_STATIC),
        ("add_vxlan", ADD_VXLAN),
        ("flush", FLUSH),
        ("dump_static", DUMP_STATIC),
        ("dump_vxlan", DUMP_VXLAN),
        ("two_in_a_datagram", &both),
        // The payloads alone.
        ("payload_static", &DUMP_STATIC[32..]),
        ("payload_vxlan", &DUMP_VXLAN[32..]),
    ];
    corpus().holds_all(golden.map(|(name, hex)| (name, crate::unhex(hex))));
}

//! The stored corpus of the fuzz target, replayed on stable.

use nl_testkit::corpus::Corpus;

use crate::check::check;

fn corpus() -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), "pm_decode")
}

#[test]
fn the_stored_corpus_breaks_nothing() {
    corpus().replay(12, check);
}

/// The corpus begins with the golden bytes; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn the_golden_bytes_are_in_the_corpus() {
    corpus().holds_all(crate::golden::ALL.iter().map(|(name, hex)| (*name, crate::unhex(hex))));
}

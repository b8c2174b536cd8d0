//! The stored corpus of the fuzz target, replayed on stable.

use nl_testkit::corpus::Corpus;

use crate::check::check;

fn corpus() -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), "pm_decode")
}

#[test]
fn stored_corpus_never_panics() {
    corpus().replay(12, check);
}

/// The corpus begins with the golden bytes; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn corpus_contains_the_golden_bytes() {
    corpus().holds_all(crate::golden::ALL.iter().map(|(name, hex)| (*name, crate::unhex(hex))));
}

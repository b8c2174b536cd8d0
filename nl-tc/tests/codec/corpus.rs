//! The stored corpus of the fuzz target, replayed on stable.

use nl_testkit::corpus::Corpus;

use crate::check::check;

fn corpus() -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), "tc_decode")
}

#[test]
fn stored_corpus_passes_the_fuzz_check() {
    corpus().replay(20, check);
}

/// The corpus contains the golden bytes and a request of each kind. `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn corpus_contains_the_golden_bytes() {
    let golden = crate::golden::ALL.iter().map(|(name, hex)| ((*name).to_owned(), crate::unhex(hex)));
    let all = crate::golden::ALL.iter().flat_map(|(_, hex)| crate::unhex(hex)).collect();
    let payload = crate::unhex(crate::golden::DUMP_HTB)[16..].to_vec();
    let others = [("all_in_a_datagram".to_owned(), all), ("payload_htb".to_owned(), payload)];
    corpus().holds_all(golden.chain(crate::golden::leaves()).chain(others));
}

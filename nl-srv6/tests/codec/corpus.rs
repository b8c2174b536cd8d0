//! The stored corpus of the fuzz target, replayed on stable.

use nl_testkit::corpus::Corpus;

use crate::check::check;

fn corpus() -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), "srv6_decode")
}

#[test]
fn stored_corpus_never_panics() {
    corpus().replay(20, check);
}

/// The corpus begins with the requests of iproute2; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn corpus_contains_the_requests_of_iproute2() {
    let golden = std::fs::read_to_string(crate::commands::FILE).unwrap();
    let golden = nl_testkit::oracle::Golden::read(&golden).unwrap();
    let named =
        (1..).zip(&golden.requests).map(|(number, request)| (format!("iproute2_{number:02}"), request));
    corpus().holds_all(named.map(|(name, request)| (name, request.message.clone())));
}

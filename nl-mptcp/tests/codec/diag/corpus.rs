//! The stored corpus of the fuzz target, replayed on stable.

use nl_testkit::corpus::Corpus;

use super::check::check;

fn corpus() -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), "diag_decode")
}

#[test]
fn stored_corpus_never_panics() {
    corpus().replay(8, check);
}

/// The corpus begins with the golden bytes; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn corpus_contains_the_golden_bytes() {
    use super::golden::{CLIENT, FIRST, LISTENER, LISTENING, SECOND};
    let unhex = crate::unhex;
    let mib = b"TcpExt: A\nTcpExt: 1\nMPTcpExt: MPCapableSYNRX MPCurrEstab New\nMPTcpExt: 1 2 3\n";
    corpus().holds_all([
        ("client", unhex(CLIENT)),
        ("listener", unhex(LISTENER)),
        ("first", unhex(FIRST)),
        ("second", unhex(SECOND)),
        ("listening", unhex(LISTENING)),
        ("two_in_a_datagram", [unhex(FIRST), unhex(SECOND)].concat()),
        // The payload alone, and struct mptcp_info as it ends the message.
        ("payload", unhex(SECOND)[16..].to_vec()),
        ("mptcp_info", unhex(CLIENT)[128..].to_vec()),
        ("mib", mib.to_vec()),
    ]);
}

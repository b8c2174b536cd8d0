//! The stored corpus of the fuzz target, replayed on stable.

use std::fs;
use std::path::PathBuf;

use super::check::check;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/diag_decode")
}

#[test]
fn the_stored_corpus_breaks_nothing() {
    let mut count = 0;
    for file in fs::read_dir(corpus()).unwrap() {
        let data = fs::read(file.unwrap().path()).unwrap();
        check(&data);
        // Cut anywhere, and with any one byte changed.
        for at in 0..data.len() {
            check(&data[..at]);
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = data.clone();
                changed[at] = value;
                check(&changed);
            }
        }
        count += 1;
    }
    assert!(count >= 8, "only {count} files in {}", corpus().display());
}

/// The corpus begins with the golden bytes; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn the_golden_bytes_are_in_the_corpus() {
    use super::golden::{CLIENT, FIRST, LISTENER, LISTENING, SECOND};
    let unhex = crate::unhex;
    let mib = b"TcpExt: A\nTcpExt: 1\nMPTcpExt: MPCapableSYNRX MPCurrEstab New\nMPTcpExt: 1 2 3\n";
    for (name, bytes) in [
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
    ] {
        let path = corpus().join(name);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).ok(), Some(bytes), "{}", path.display());
    }
}

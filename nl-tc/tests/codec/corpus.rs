//! The stored corpus of the fuzz target, replayed on stable.

use std::fs;
use std::path::PathBuf;

use crate::check::check;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/tc_decode")
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
    assert!(count >= 20, "only {count} files in {}", corpus().display());
}

/// The corpus begins with the golden bytes, and with a request of each kind; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn the_golden_bytes_are_in_the_corpus() {
    let golden = crate::golden::ALL.iter().map(|(name, hex)| ((*name).to_owned(), crate::unhex(hex)));
    let all = crate::golden::ALL.iter().flat_map(|(_, hex)| crate::unhex(hex)).collect();
    let payload = crate::unhex(crate::golden::DUMP_HTB)[16..].to_vec();
    let others = [("all_in_a_datagram".to_owned(), all), ("payload_htb".to_owned(), payload)];
    for (name, bytes) in golden.chain(crate::golden::leaves()).chain(others) {
        let path = corpus().join(name);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).ok(), Some(bytes), "{}", path.display());
    }
}

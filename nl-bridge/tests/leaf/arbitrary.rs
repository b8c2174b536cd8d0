//! Whatever is read, no plan and no diagnosis of it panics, and what a plan says can be sent.

use nl_testkit::corpus::Corpus;
use proptest::prelude::*;

use crate::fuzz;

fn corpus() -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), "leaf_snapshot")
}

#[test]
fn stored_corpus_breaks_nothing() {
    corpus().replay(1, fuzz::check);
}

#[cfg(feature = "serde")]
#[test]
fn stored_descriptions_break_nothing() {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), "leaf_config").replay(3, crate::fuzz_config::check);
}

/// A message of this type with this payload.
fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn snapshot_of_any_messages_breaks_nothing(
        messages in prop::collection::vec((0..7_usize, prop::collection::vec(any::<u8>(), 0..80)), 0..8)
    ) {
        let kinds = [16, 20, 24, 28, 104, 112, 120];
        let data: Vec<u8> = messages.iter().flat_map(|(kind, payload)| message(kinds[*kind], payload)).collect();
        fuzz::check(&data);
    }

    /// A real one, of which some bytes are others.
    #[test]
    fn snapshot_that_was_changed_breaks_nothing(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)
    ) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/leaf_snapshot/tenant");
        let mut data = std::fs::read(path).unwrap();
        for (place, byte) in changes {
            let place = place.index(data.len());
            data[place] = byte;
        }
        fuzz::check(&data);
    }

    /// A description in which some numbers and letters are others.
    #[cfg(feature = "serde")]
    #[test]
    fn description_that_was_changed_breaks_nothing(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[0-9a-z.:-]"), 1..6)
    ) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/leaf_config/example");
        let mut data = std::fs::read(path).unwrap();
        for (place, byte) in changes {
            let place = place.index(data.len());
            if data[place].is_ascii_alphanumeric() {
                data[place] = byte.as_bytes()[0];
            }
        }
        crate::fuzz_config::check(&data);
    }
}

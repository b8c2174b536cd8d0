//! What the fuzz target checks, with arbitrary bytes and with its stored corpus: messages of real kernels for each source.
#![expect(clippy::panic, reason = "tests panic with context")]

use std::collections::BTreeSet;
use std::fs;

use nl_core::Protocol;
use nl_core::message::Messages;
use nl_events::NetworkEvent;
use nl_testkit::corpus::Corpus;
use proptest::prelude::*;

#[path = "../fuzz/check.rs"]
mod check;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/event_decode");

#[test]
fn stored_corpus_passes_the_fuzz_check() {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), "event_decode").replay(25, check::check);
}

/// So that the fuzzer begins with what each decoder accepts.
#[test]
#[cfg_attr(target_endian = "big", ignore = "the files are of a little-endian machine")]
fn corpus_has_an_event_of_each_source() {
    let mut labels = BTreeSet::new();
    for entry in fs::read_dir(FOLDER).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        // Those of Multipath TCP are no datagrams.
        for message in Messages::new(&bytes).map_while(Result::ok) {
            for protocol in [Protocol::Route, Protocol::Generic] {
                let event = NetworkEvent::decode(protocol, message).ok().flatten();
                labels.extend(event.map(|event| event.label()));
            }
        }
    }
    // Those of MACsec are links where both are asked for, and the number of Multipath TCP is another one on each machine.
    let expected = [
        "ADDR", "CLASS", "FAMILY", "FDB", "FILTER", "LINK", "MDB", "NEIGH", "NEXTHOP", "NSID", "PORT",
        "QDISC", "ROUTE", "RULE", "VLAN", "VNI",
    ];
    for label in expected {
        assert!(labels.contains(label), "no {label} in {labels:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_pass_the_fuzz_check(data in prop::collection::vec(any::<u8>(), 0..200)) {
        check::check(&data);
    }

    /// Behind headers of each length that a family has.
    #[test]
    fn arbitrary_attributes_pass_the_fuzz_check(
        kind in 0..130_u8,
        family in prop_oneof![Just(0_u8), Just(2), Just(10), Just(7), any::<u8>()],
        header in any::<[u8; 19]>(),
        attrs in prop::collection::vec((0..70_u16, any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..10),
    ) {
        let header = [&[family][..], &header].concat();
        for length in [4, 8, 12, 16, 20] {
            let mut data = vec![kind];
            data.extend(&header[..length]);
            for (kind, nested, value) in &attrs {
                data.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
                data.extend((kind | u16::from(*nested) << 15).to_ne_bytes());
                data.extend(value);
                // Behind the type, which is no part of the message.
                data.resize(1 + (data.len() - 1).next_multiple_of(4), 0);
            }
            check::check(&data);
        }
    }
}

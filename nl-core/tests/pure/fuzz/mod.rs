//! What the fuzz targets check, with arbitrary bytes and with their stored corpora: requests of iproute2, and what a kernel sent.

use nl_testkit::corpus::Corpus;
use proptest::prelude::*;

#[cfg(feature = "address")]
#[path = "../../../fuzz/address.rs"]
mod address;
#[path = "../../../fuzz/attributes.rs"]
mod attributes;
#[path = "../../../fuzz/error.rs"]
mod error;
#[path = "../../../fuzz/family.rs"]
mod family;
#[path = "../../../fuzz/link.rs"]
mod link;
#[path = "../../../fuzz/messages.rs"]
mod messages;
#[cfg(feature = "neighbour")]
#[path = "../../../fuzz/neighbour.rs"]
mod neighbour;
#[cfg(feature = "nexthop")]
#[path = "../../../fuzz/nexthop.rs"]
mod nexthop;
#[cfg(feature = "nsid")]
#[path = "../../../fuzz/nsid.rs"]
mod nsid;
#[cfg(any(feature = "address", feature = "neighbour", feature = "route", feature = "rule"))]
#[path = "../../../fuzz/object.rs"]
mod object;
#[cfg(feature = "route")]
#[path = "../../../fuzz/route.rs"]
mod route;
#[cfg(feature = "rule")]
#[path = "../../../fuzz/rule.rs"]
mod rule;

type Check = fn(&[u8]);

/// Each target, with its check and how many inputs there are at least.
const TARGETS: &[(&str, Check, usize)] = &[
    #[cfg(feature = "address")]
    ("address_decode", address::check, 10),
    ("attributes_decode", attributes::check, 4),
    ("error_decode", error::check, 8),
    ("family_decode", family::check, 4),
    ("link_decode", link::check, 6),
    #[cfg(feature = "neighbour")]
    ("neighbour_decode", neighbour::check, 6),
    #[cfg(feature = "nexthop")]
    ("nexthop_decode", nexthop::check, 10),
    #[cfg(feature = "nsid")]
    ("nsid_decode", nsid::check, 1),
    #[cfg(feature = "route")]
    ("route_decode", route::check, 30),
    #[cfg(feature = "rule")]
    ("rule_decode", rule::check, 10),
];

fn corpus(target: &str) -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), target)
}

#[test]
fn stored_corpora_pass_the_fuzz_checks() {
    for (target, check, at_least) in TARGETS {
        corpus(target).replay(*at_least, check);
    }
}

/// A target that is not listed here would be fuzzed and never replayed.
#[test]
#[cfg(all(
    feature = "address",
    feature = "neighbour",
    feature = "nexthop",
    feature = "nsid",
    feature = "rule"
))]
fn every_target_is_replayed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, TARGETS.iter().map(|(target, ..)| *target).collect::<Vec<_>>());
}

/// The corpora of objects begin with what iproute2 sends; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(feature = "tokio")]
#[cfg_attr(target_endian = "big", ignore = "the files are of a little-endian machine")]
fn corpora_contain_the_requests_of_iproute2() {
    use nl_testkit::oracle::Golden;

    let files: &[(&str, &str)] = &[
        #[cfg(feature = "address")]
        ("address", crate::golden::address::table().file),
        #[cfg(feature = "neighbour")]
        ("neighbour", crate::golden::neighbour::table().file),
        #[cfg(feature = "nexthop")]
        ("nexthop", crate::golden::nexthop::FILE),
        #[cfg(feature = "route")]
        ("route", crate::golden::route::FILE),
        #[cfg(feature = "rule")]
        ("rule", crate::golden::rule::table().file),
    ];
    for (object, file) in files {
        let golden = Golden::read(&std::fs::read_to_string(file).unwrap()).unwrap();
        let named = golden.requests.into_iter().map(|request| {
            let mut name = request.command.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            // The name of a file.
            name.truncate(100);
            (name, request.message)
        });
        corpus(&format!("{object}_decode")).holds_all(named);
    }
}

/// Attributes with lengths that fit, so that each is reached.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    let value = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec((0..70_u16, any::<bool>(), value), 0..10).prop_map(|list| {
        let mut data = Vec::new();
        for (kind, nested, value) in list {
            data.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            data.extend((kind | u16::from(nested) << 15).to_ne_bytes());
            data.extend(&value);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        data
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_pass_the_fuzz_checks(data in prop::collection::vec(any::<u8>(), 0..200)) {
        TARGETS.iter().for_each(|(_, check, _)| check(&data));
    }

    /// Behind headers of each length that a family has.
    #[test]
    fn arbitrary_attributes_pass_the_fuzz_checks(
        family in prop_oneof![Just(2_u8), Just(10), Just(7), any::<u8>()],
        header in any::<[u8; 15]>(),
        attrs in attributes(),
    ) {
        let header = [&[family][..], &header].concat();
        for length in [0, 4, 8, 12, 16] {
            let data = [&header[..length], &attrs].concat();
            TARGETS.iter().for_each(|(_, check, _)| check(&data));
        }
    }
}

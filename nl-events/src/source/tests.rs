use nl_core::genl::GENL_ID_CTRL;
use nl_core::message::MessageRef;
use nl_core::monitor::MessageFilter;
use proptest::prelude::*;

use super::{GENERIC, ROUTE, Source, WORDS};

proptest! {
    /// What a source makes an event of gets past its filter in the kernel: none is lost by `filtered`.
    #[test]
    fn filter_of_a_source_accepts_whatever_the_source_decodes(
        kind in prop_oneof![Just(GENL_ID_CTRL), 0..130_u16],
        family in prop_oneof![Just(0_u8), Just(2), Just(10), Just(7), any::<u8>()],
        header in any::<[u8; 19]>(),
        attrs in prop::collection::vec((0..40_u16, prop::collection::vec(any::<u8>(), 0..24)), 0..8),
    ) {
        let header = [&[family][..], &header].concat();
        for length in [0, 4, 8, 12, 16, 20] {
            let mut data = header.get(..length).unwrap_or_default().to_vec();
            for (kind, value) in &attrs {
                data.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
                data.extend(kind.to_ne_bytes());
                data.extend(value);
                data.resize(data.len().next_multiple_of(4), 0);
            }
            let message = MessageRef::from_parts(kind, 0, &data);
            for source in ROUTE.iter().chain(GENERIC) {
                if let Ok(Some(event)) = source.decode(message) {
                    let filter = MessageFilter::new().accept(source.accepted(&[]));
                    prop_assert!(filter.matches(message), "{source:?} leaves out {event:?}");
                }
            }
        }
    }
}

#[test]
fn every_source_with_a_fixed_type_has_one_word() {
    let of = |source: &Source| (source.group, source.kinds, source.families);
    let named: Vec<_> = WORDS.iter().flat_map(|(_, sources)| *sources).map(of).collect();
    let all: Vec<_> = ROUTE.iter().chain(GENERIC).map(of).collect();
    for source in &all {
        // Devices of MACsec come in the messages of all devices.
        let count = |of: &[_]| of.iter().filter(|other| *other == source).count();
        assert_eq!(count(&named), count(&all), "{source:?}");
    }
    // Addresses, routes and rules have a group for each family.
    let families = WORDS.iter().map(|(_, sources)| sources.len().saturating_sub(1)).sum::<usize>();
    assert_eq!(named.len(), all.len() + families);
    for (word, sources) in WORDS {
        assert_eq!(Source::by_word(word).map(<[Source]>::len), Some(sources.len()), "{word}");
    }
    // The first source that takes a message has it.
    let place = |word| WORDS.iter().position(|(of, _)| *of == word);
    assert!(
        place("link").is_none() || place("macsec") < place("link"),
        "a device of MACsec is reported as one"
    );
}

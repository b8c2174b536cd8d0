//! Neighbours: arbitrary ones survive the wire, arbitrary bytes never panic, every refusal.

use std::net::IpAddr;
use std::time::Duration;

use nl_core::attr::RawAttr;
use nl_core::message::MessageRef;
use nl_core::neighbour::{
    LinkAddr, Neighbour, NeighbourEvent, NeighbourFilter, NeighbourFlags, NeighbourFlagsExt, NeighbourState,
    NeighbourVerb, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH,
};
use nl_core::{MacAddr, Request};
use proptest::option;
use proptest::prelude::*;

use crate::support::{refusal, unhex};

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const OFFLOADED: u8 = 0x20;

fn v4() -> Neighbour {
    Neighbour::new("192.0.2.7".parse().unwrap(), 5)
}

fn decode(mut request: Request) -> Neighbour {
    Neighbour::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap()
}

prop_compose! {
    /// Any entry at all, of which many are refused.
    fn any_neighbour()(
        (dst, index) in (any::<IpAddr>(), any::<u32>()),
        lladdr in option::of(prop::collection::vec(any::<u8>(), 1..33)),
        (state, flags, flags_ext, protocol) in (any::<u16>(), any::<u8>(), any::<u32>(), option::of(1..=255u8)),
        other in prop::collection::vec((16..0x3fff_u16, prop::collection::vec(any::<u8>(), 0..9)), 0..3),
    ) -> Neighbour {
        let mut neighbour = Neighbour::new(dst, index);
        neighbour.lladdr = lladdr.map(|bytes| LinkAddr::new(&bytes).unwrap());
        neighbour.state = NeighbourState::from_bits_retain(state);
        neighbour.flags = NeighbourFlags::from_bits_retain(flags);
        neighbour.flags_ext = NeighbourFlagsExt::from_bits_retain(flags_ext);
        neighbour.protocol = protocol;
        neighbour.other = other.into_iter().map(|(kind, value)| RawAttr::new(kind, &value)).collect();
        neighbour
    }
}

/// One that is never refused.
fn valid_neighbour() -> impl Strategy<Value = Neighbour> {
    any_neighbour().prop_map(|mut neighbour| {
        neighbour.index = (neighbour.index >> 1).max(1);
        neighbour.flags_ext -= NeighbourFlagsExt::LOCKED;
        neighbour.state -= NeighbourState::PERMANENT;
        neighbour.state |= NeighbourState::STALE;
        if neighbour.is_proxy() {
            neighbour.lladdr = None;
            neighbour.flags_ext -= NeighbourFlagsExt::MANAGED | NeighbourFlagsExt::EXT_VALIDATED;
        }
        neighbour
    })
}

fn travelled(neighbour: &Neighbour) -> Neighbour {
    let mut neighbour = neighbour.clone().without_ages();
    neighbour.flags -= NeighbourFlags::from_bits_retain(OFFLOADED);
    neighbour.kind = 0;
    neighbour
}

fn never_panics(data: &[u8]) {
    for kind in [RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH] {
        let message = MessageRef::from_parts(kind, 0, data);
        let _ = NeighbourEvent::decode(message);
        if let Ok(neighbour) = Neighbour::decode(message) {
            let _ = (neighbour.to_string(), neighbour.key(), format!("{neighbour:?}"));
            for verb in [NeighbourVerb::Add, NeighbourVerb::Change, NeighbourVerb::Delete, NeighbourVerb::Get]
            {
                let mut request = neighbour.request(verb);
                assert!(request.describe().contains(" neighbour "));
                if let Ok(bytes) = request.encoded()
                    && verb == NeighbourVerb::Add
                {
                    let back = Neighbour::decode(MessageRef::parse(bytes).unwrap()).unwrap();
                    assert_eq!(back, travelled(&neighbour));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn a_valid_neighbour_reads_back_as_it_was_written(neighbour in valid_neighbour()) {
        for verb in [NeighbourVerb::Add, NeighbourVerb::Replace] {
            prop_assert_eq!(decode(neighbour.request(verb)), travelled(&neighbour));
        }
        prop_assert_eq!(decode(neighbour.request(NeighbourVerb::Delete)).key(), neighbour.key());
    }

    #[test]
    fn a_neighbour_is_refused_or_reads_back_as_it_was_written(neighbour in any_neighbour()) {
        let mut request = neighbour.request(NeighbourVerb::Replace);
        match request.encoded() {
            Err(error) => prop_assert!(error.is_usage(), "{}", error),
            Ok(bytes) => {
                let back = Neighbour::decode(MessageRef::parse(bytes).unwrap()).unwrap();
                prop_assert_eq!(back, travelled(&neighbour));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        never_panics(&data);
    }

    /// Attributes with sane lengths, so that every one of them is reached.
    #[test]
    fn arbitrary_attributes_never_panic(
        family in prop_oneof![Just(2u8), Just(10u8), any::<u8>()],
        header in any::<[u8; 11]>(),
        attrs in prop::collection::vec((0..19u16, prop_oneof![Just(4usize), Just(16), Just(1), Just(6), 0..40usize], any::<u8>()), 0..12),
    ) {
        let mut data = vec![family];
        data.extend(header);
        for (kind, len, fill) in attrs {
            data.extend(u16::try_from(4 + len).unwrap().to_ne_bytes());
            data.extend(kind.to_ne_bytes());
            data.extend(vec![fill; len]);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        never_panics(&data);
    }

    #[test]
    fn a_link_address_reads_back_as_it_prints(bytes in prop::collection::vec(any::<u8>(), 1..33)) {
        let address = LinkAddr::new(&bytes).unwrap();
        prop_assert_eq!(address.to_string().parse::<LinkAddr>().unwrap(), address);
        prop_assert_eq!(address.as_bytes(), &bytes);
    }
}

/// As Linux 6.18 lists what was made with `ip neigh add 192.0.2.8 lladdr 02:00:00:00:00:01 dev d0 nud reachable protocol 5 router
/// extern_learn`, `ip neigh replace 192.0.2.9 dev d0 managed` and `ip neigh add proxy 192.0.2.50 dev d0`.
#[test]
#[cfg(target_endian = "little")]
fn neighbours_of_the_kernel_are_read_with_all_attributes() {
    let read = |hex: &str| {
        let bytes = unhex(hex);
        Neighbour::decode(MessageRef::parse(&bytes).unwrap()).unwrap()
    };
    let neighbour = read(
        "540000001c000200000000000000000002000000020000000200900108000100c00002080a000200020000000001000008000400 \
         000000001400030016000000160000001600000001 0000000 5000c0005000000",
    );
    assert_eq!(
        neighbour.to_string(),
        "192.0.2.8 dev #2 lladdr 02:00:00:00:00:01 router extern_learn protocol 5 nud reachable"
    );
    let ages = neighbour.ages.unwrap();
    assert_eq!((ages.confirmed, ages.updated), (Duration::from_millis(220), Duration::from_millis(220)));
    assert_eq!(
        (neighbour.probes, neighbour.kind, neighbour.other.len(), ages.references),
        (Some(0), 1, 0, 1)
    );

    let neighbour = read(
        "480000001c000200000000000000000002000000020000000100000108000100c00002090800040000000000140003008617000016000000 \
         160000000100000008000f0001000000",
    );
    assert_eq!(neighbour.to_string(), "192.0.2.9 dev #2 managed nud incomplete");

    let neighbour = read("240000001c000200000000000000000002000000020000000000080108000100c0000232");
    assert_eq!(neighbour.to_string(), "proxy 192.0.2.50 dev #2");
}

#[test]
fn words_are_those_of_ip() {
    let neighbour = v4().lladdr(MAC).use_().extern_valid().protocol(9);
    assert_eq!(
        neighbour.to_string(),
        "192.0.2.7 dev #5 lladdr 02:00:00:00:00:01 use extern_valid protocol 9 nud stale"
    );
    assert_eq!(v4().managed().to_string(), "192.0.2.7 dev #5 managed nud none");
    let odd = NeighbourState::from_bits_retain(0x8042);
    assert_eq!(v4().state(odd).to_string(), "192.0.2.7 dev #5 nud reachable,noarp,0x8000");
    let mut everywhere = v4().proxy();
    everywhere.index = 0;
    assert_eq!(everywhere.to_string(), "proxy 192.0.2.7");
    for (verb, text) in [
        (NeighbourVerb::Add, "add neighbour 192.0.2.7 dev #5 nud permanent"),
        (NeighbourVerb::Change, "change neighbour 192.0.2.7 dev #5 nud permanent"),
        (NeighbourVerb::Replace, "replace neighbour 192.0.2.7 dev #5 nud permanent"),
        (NeighbourVerb::Delete, "delete neighbour 192.0.2.7 dev #5"),
        (NeighbourVerb::Get, "get neighbour 192.0.2.7 dev #5"),
    ] {
        assert_eq!(v4().request(verb).describe(), text);
    }
    let mut filter = NeighbourFilter::default();
    assert_eq!(filter.list_request().describe(), "list neighbours");
    (filter.index, filter.master) = (Some(5), Some(6));
    assert_eq!(filter.list_request().describe(), "list neighbours dev #5 master #6");
}

#[test]
fn key_is_device_address_and_table() {
    assert_eq!(v4().lladdr(MAC).state(NeighbourState::STALE).key(), v4().key());
    assert_ne!(v4().proxy().key(), v4().key());
}

#[test]
fn entries_of_forwarding_databases_are_left_out() {
    // AF_BRIDGE, with a MAC address.
    let data = [7, 0, 0, 0, 5, 0, 0, 0, 0x80, 0, 2, 0, 10, 0, 2, 0, 2, 0, 0, 0, 0, 1, 0, 0];
    let message = MessageRef::from_parts(RTM_NEWNEIGH, 0, &data);
    assert_eq!(NeighbourEvent::decode(message).unwrap(), None);
    assert_eq!(Neighbour::decode(message).unwrap_err().to_string(), "message type 28 was not expected here");
}

#[test]
fn filter_by_state_means_any_of_them_or_none() {
    let mut filter = NeighbourFilter::default();
    filter.state = Some(NeighbourState::STALE | NeighbourState::PERMANENT);
    assert!(filter.matches(&v4()) && !filter.matches(&v4().managed()));
    filter.state = Some(NeighbourState::empty());
    assert!(!filter.matches(&v4()) && filter.matches(&v4().managed()));
}

#[test]
fn impossible_neighbours_are_refused_with_the_limit_in_the_text() {
    let add = |neighbour: Neighbour| refusal(neighbour.request(NeighbourVerb::Add));
    let nowhere = Neighbour::new("192.0.2.7".parse().unwrap(), 0);
    for verb in [NeighbourVerb::Add, NeighbourVerb::Change, NeighbourVerb::Delete, NeighbourVerb::Get] {
        assert_eq!(refusal(nowhere.request(verb)), "interface index 0; the first one is 1");
    }
    nowhere.proxy().request(NeighbourVerb::Add).encoded().unwrap();
    let mut locked = v4().lladdr(MAC);
    locked.flags_ext = NeighbourFlagsExt::LOCKED;
    for (neighbour, text) in [
        (v4().protocol(0), "protocol 0; 1 to 255 are possible"),
        (locked, "the locked flag is for forwarding databases"),
        (v4().proxy().lladdr(MAC), "proxy and lladdr: the host answers with its own link-layer address"),
        (v4().proxy().managed(), "proxy entries are neither managed nor validated"),
        (
            v4().managed().state(NeighbourState::PERMANENT),
            "a permanent entry needs no managing: give managed() alone",
        ),
        (
            v4().extern_valid().state(NeighbourState::PERMANENT),
            "a permanent entry needs no validation: give another state",
        ),
        (
            v4().extern_valid().state(NeighbourState::FAILED),
            "extern_valid needs a state in which the link-layer address is known, such as STALE",
        ),
    ] {
        assert_eq!(add(neighbour.clone()), text, "{neighbour}");
    }
    let text = "proxy entries are added or replaced; the kernel would add one that is missing";
    assert_eq!(refusal(v4().proxy().request(NeighbourVerb::Change)), text);
    let text = "a link-layer address of 33 bytes; 1 to 32 are possible";
    assert_eq!(LinkAddr::new(&[0; 33]).unwrap_err().to_string(), text);
    assert_eq!(
        LinkAddr::new(&[]).unwrap_err().to_string(),
        "a link-layer address of 0 bytes; 1 to 32 are possible"
    );
    for text in ["", "2:0", "02-00", "+2:00", "02:00:"] {
        assert!(text.parse::<LinkAddr>().unwrap_err().is_usage(), "{text:?}");
    }
    let mut filter = NeighbourFilter::default();
    filter.master = Some(0);
    assert_eq!(refusal(filter.list_request()), "interface index 0; the first one is 1");
}

#[cfg(feature = "serde")]
#[test]
fn a_neighbour_is_serialized_with_its_bits_as_numbers() {
    let value = serde_json::to_value(v4().lladdr(MAC).router()).unwrap();
    assert_eq!(value["lladdr"], "02:00:00:00:00:01");
    assert_eq!((&value["state"], &value["flags"]), (&0x80.into(), &0x80.into()));
}

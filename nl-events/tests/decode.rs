//! Events from bytes, without a kernel.
#![cfg(feature = "fdb")]
#![expect(clippy::unwrap_used, reason = "tests panic with context")]

use nl_core::Protocol;
#[cfg(feature = "mptcp")]
use nl_core::genl::Family;
use nl_core::message::{FixedHeader, MessageRef, NdMsg};
use nl_events::fdb::FdbEvent;
use nl_events::{NetworkEvent, Source};
use proptest::prelude::*;

const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
const AF_INET: u8 = 2;
const AF_BRIDGE: u8 = 7;

/// `ndmsg` of this family for interface 5, `NDA_LLADDR` 02:00:00:00:00:01, `NDA_MASTER` 3.
fn neighbour(family: u8) -> Vec<u8> {
    let mut payload = Vec::new();
    NdMsg { family, index: 5, state: 0x40, flags: 0, kind: 0 }.write(&mut payload);
    let mut attrs = nl_core::attr::AttrBuf::new();
    attrs.writer().bytes(2, &[2, 0, 0, 0, 0, 1]).u32(9, 3);
    payload.extend(attrs.finish().unwrap());
    payload
}

fn decode(kind: u16, payload: &[u8]) -> Option<NetworkEvent> {
    NetworkEvent::decode(Protocol::Route, MessageRef::from_parts(kind, 0, payload)).unwrap()
}

#[test]
fn entry_that_exists_or_was_deleted_decodes_to_an_event() {
    let payload = neighbour(AF_BRIDGE);
    let Some(NetworkEvent::Fdb(FdbEvent::New(entry))) = decode(RTM_NEWNEIGH, &payload) else {
        panic!("not new")
    };
    assert_eq!(
        (entry.mac.to_string().as_str(), entry.index, entry.master),
        ("02:00:00:00:00:01", 5, Some(3))
    );
    let Some(NetworkEvent::Fdb(gone)) = decode(RTM_DELNEIGH, &payload) else { panic!("not deleted") };
    assert_eq!(gone.to_string(), "Deleted 02:00:00:00:00:01 dev #5 master #3 static");
}

#[test]
fn neighbours_of_other_families_and_lookups_are_skipped() {
    let of_ipv4 = neighbour(AF_INET);
    assert_eq!(Source::FDB.decode(MessageRef::from_parts(RTM_NEWNEIGH, 0, &of_ipv4)).unwrap(), None);
    #[cfg(not(feature = "neighbour"))]
    assert_eq!(decode(RTM_NEWNEIGH, &of_ipv4), None);
    assert_eq!(decode(RTM_GETNEIGH, &neighbour(AF_BRIDGE)), None);
    // Of another type.
    assert_eq!(Source::FDB.decode(MessageRef::from_parts(16, 0, &neighbour(AF_BRIDGE))).unwrap(), None);
}

#[test]
fn entry_that_cannot_be_read_is_an_error() {
    let mut payload = neighbour(AF_BRIDGE);
    payload.truncate(payload.len() - 2);
    assert!(
        NetworkEvent::decode(Protocol::Route, MessageRef::from_parts(RTM_NEWNEIGH, 0, &payload)).is_err()
    );
}

#[test]
fn source_of_the_fdb_is_the_group_of_neighbours() {
    assert_eq!((Source::FDB.protocol(), Source::FDB.group()), (Protocol::Route, 3));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(kind in 0_u16..130, bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = NetworkEvent::decode(Protocol::Route, MessageRef::from_parts(kind, 0, &bytes));
    }

    #[test]
    fn arbitrary_attributes_do_not_panic(tail in proptest::collection::vec(any::<u8>(), 0..96)) {
        let mut payload = neighbour(AF_BRIDGE);
        payload.extend(tail);
        let _ = NetworkEvent::decode(Protocol::Route, MessageRef::from_parts(RTM_NEWNEIGH, 0, &payload));
    }
}

/// A connection that was closed, as the family of number 28 reports it.
#[cfg(feature = "mptcp")]
#[test]
fn event_of_multipath_tcp_is_recognised_by_its_family() {
    let mut payload = vec![3, 1, 0, 0];
    let mut attrs = nl_core::attr::AttrBuf::new();
    attrs.writer().u32(1, 0x0a1b_2c3d);
    payload.extend(attrs.finish().unwrap());
    let message = MessageRef::from_parts(28, 0, &payload);
    let decode = |number| {
        let mut family = Family::default();
        (family.id, family.groups) = (number, vec![(nl_mptcp::EVENT_GROUP.into(), 5)]);
        let source = Source::mptcp(&family).unwrap();
        assert_eq!((source.protocol(), source.group()), (Protocol::Generic, 5));
        source.decode(message).unwrap()
    };
    let Some(NetworkEvent::Mptcp(event)) = decode(28) else { panic!("no event") };
    assert_eq!(event.to_string(), "CLOSED token=0a1b2c3d");
    assert_eq!(decode(29), None);
    // What a family's number is depends on the machine.
    assert_eq!(NetworkEvent::decode(Protocol::Generic, message).unwrap(), None);
}

//! Events from bytes, without a kernel.
#![cfg(feature = "fdb")]
#![expect(clippy::unwrap_used, reason = "tests panic with context")]

use nl_core::message::{FixedHeader, MessageRef, NdMsg};
use nl_events::fdb::FdbEvent;
use nl_events::{NetworkEvent, RtnetlinkGroup};
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
    NetworkEvent::decode(MessageRef::from_parts(kind, 0, payload)).unwrap()
}

#[test]
fn an_entry_that_is_there_or_gone_is_an_event_of_the_fdb() {
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
fn neighbours_of_other_families_and_lookups_are_no_events() {
    assert_eq!(decode(RTM_NEWNEIGH, &neighbour(AF_INET)), None);
    assert_eq!(decode(RTM_GETNEIGH, &neighbour(AF_BRIDGE)), None);
    assert_eq!(decode(16, &neighbour(AF_BRIDGE)), None);
}

#[test]
fn an_entry_that_cannot_be_read_is_an_error_and_no_silence() {
    let mut payload = neighbour(AF_BRIDGE);
    payload.truncate(payload.len() - 2);
    assert!(NetworkEvent::decode(MessageRef::from_parts(RTM_NEWNEIGH, 0, &payload)).is_err());
}

#[test]
fn the_group_of_the_fdb_is_the_neighbours() {
    assert_eq!(RtnetlinkGroup::BridgeFdb.number(), 3);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(kind in 0_u16..130, bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = NetworkEvent::decode(MessageRef::from_parts(kind, 0, &bytes));
    }

    #[test]
    fn no_attributes_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..96)) {
        let mut payload = neighbour(AF_BRIDGE);
        payload.extend(tail);
        let _ = NetworkEvent::decode(MessageRef::from_parts(RTM_NEWNEIGH, 0, &payload));
    }
}

/// A connection that is gone, as the family of number 28 tells it; the same numbers in an answer are something else.
#[cfg(feature = "mptcp")]
#[test]
fn an_event_of_multipath_tcp_is_told_by_its_family() {
    let mut payload = vec![3, 1, 0, 0];
    let mut attrs = nl_core::attr::AttrBuf::new();
    attrs.writer().u32(1, 0x0a1b_2c3d);
    payload.extend(attrs.finish().unwrap());
    let decode =
        |family| NetworkEvent::decode_mptcp(family, MessageRef::from_parts(28, 0, &payload)).unwrap();
    let Some(NetworkEvent::Mptcp(event)) = decode(28) else { panic!("no event") };
    assert_eq!(event.to_string(), "CLOSED token=0a1b2c3d");
    assert_eq!(decode(29), None);
}

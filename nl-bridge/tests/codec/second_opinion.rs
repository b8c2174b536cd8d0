//! netlink-packet-route reads our requests as they were meant, as far as it knows them.
//!
//! It has no type for NDA_DST in family AF_BRIDGE, NDA_NH_ID and NDA_FDB_EXT_ATTRS, and takes the state for an enum: those
//! are compared by their bytes and bits.

use netlink_packet_core::{Emitable, NetlinkDeserializable, NetlinkHeader};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use nl_bridge::fdb::{FdbEntry, FdbFlagsExt, FdbVerb};

use crate::{MAC, bytes};

fn theirs(bytes: &[u8]) -> NeighbourMessage {
    let mut header = NetlinkHeader::default();
    header.message_type = u16::from_ne_bytes([bytes[4], bytes[5]]);
    match RouteNetlinkMessage::deserialize(&header, &bytes[16..]).unwrap() {
        RouteNetlinkMessage::NewNeighbour(m)
        | RouteNetlinkMessage::DelNeighbour(m)
        | RouteNetlinkMessage::GetNeighbour(m) => m,
        other => panic!("{other:?}"),
    }
}

/// The bytes of an attribute that has no type there.
fn raw(message: &NeighbourMessage, kind: u16) -> Option<Vec<u8>> {
    message.attributes.iter().find_map(|attr| match attr {
        NeighbourAttribute::Other(attr) => {
            let mut bytes = vec![0; attr.buffer_len()];
            attr.emit(&mut bytes);
            (u16::from_ne_bytes([bytes[2], bytes[3]]) & 0x3fff == kind).then(|| bytes[4..].to_vec())
        }
        _ => None,
    })
}

#[test]
fn of_an_entry_of_a_bridge() {
    let mut entry = FdbEntry::new(MAC, 5).master().static_().vlan(10).sticky().activity_notify().norefresh();
    entry.flags_ext = Some(FdbFlagsExt::MANAGED);
    let message = theirs(&bytes(&entry, FdbVerb::Add));
    assert_eq!(message.header.ifindex, 5);
    assert_eq!(u16::from(message.header.state), 0x40);
    assert_eq!(message.header.flags.bits(), 0x44);
    assert!(message.attributes.contains(&NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 1])));
    assert!(message.attributes.contains(&NeighbourAttribute::Vlan(10)));
    assert!(
        message.attributes.iter().any(|a| matches!(a, NeighbourAttribute::ExtFlags(f) if f.bits() == 1)),
        "{message:?}"
    );
    assert_eq!(message.attributes.len(), 4, "{message:?}");
    // A flag of one byte with padding, and one without a value.
    let mut nest = [5u16.to_ne_bytes(), 1u16.to_ne_bytes()].concat();
    nest.extend([1, 0, 0, 0]);
    nest.extend([4u16.to_ne_bytes(), 2u16.to_ne_bytes()].concat());
    assert_eq!(raw(&message, 14), Some(nest));
}

#[test]
fn of_a_vxlan_remote() {
    let mut entry = FdbEntry::new(MAC, 8)
        .dst("192.0.2.1".parse().unwrap())
        .port(1234)
        .vni(200)
        .src_vni(300)
        .router()
        .extern_learn();
    entry.via = Some(3);
    let message = theirs(&bytes(&entry, FdbVerb::Replace));
    assert_eq!((message.header.ifindex, message.header.flags.bits()), (8, 0x92));
    for attr in [
        NeighbourAttribute::Destination(NeighbourAddress::Other(vec![192, 0, 2, 1])),
        NeighbourAttribute::Port(1234),
        NeighbourAttribute::Vni(200),
        NeighbourAttribute::SourceVni(300),
        NeighbourAttribute::IfIndex(3),
    ] {
        assert!(message.attributes.contains(&attr), "{attr:?} is not in {message:?}");
    }
}

#[test]
fn of_a_nexthop() {
    let message = theirs(&bytes(&FdbEntry::new(MAC, 8).nexthop(10), FdbVerb::Add));
    assert_eq!(raw(&message, 13), Some(10u32.to_ne_bytes().to_vec()));
}

/// A lookup by source VNI asks for it as NDA_VNI, the name the kernel takes there.
#[test]
fn of_a_lookup() {
    let message = theirs(&bytes(&FdbEntry::new(MAC, 8).vlan(10).src_vni(300), FdbVerb::Get));
    assert_eq!((u16::from(message.header.state), message.header.flags.bits()), (0, 0x02));
    let wanted = [
        NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 1]),
        NeighbourAttribute::Vlan(10),
        NeighbourAttribute::Vni(300),
    ];
    assert_eq!(message.attributes, wanted);
}

#[test]
fn of_a_listing_of_a_bridge() {
    let mut filter = nl_bridge::fdb::FdbFilter::default();
    (filter.bridge, filter.index) = (Some(3), Some(5));
    let message = theirs(filter.list_request().encoded().unwrap());
    assert_eq!(message.header.ifindex, 5);
    assert_eq!(message.attributes, [NeighbourAttribute::Controller(3)]);
}

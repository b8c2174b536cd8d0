//! Arbitrary endpoints and events survive the wire; arbitrary bytes never panic.

use std::net::{IpAddr, SocketAddr};

use nl_core::attr::AttrBuf;
use nl_core::message::MessageRef;
use nl_mptcp::endpoint::{Endpoint, EndpointFlags};
use nl_mptcp::event::MptcpEvent;
use proptest::option;
use proptest::prelude::*;

use crate::FAMILY;
use crate::check::{check, check_endpoint};

/// Any endpoint at all, of which many are refused.
fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let parts =
        (any::<IpAddr>(), any::<u8>(), option::of(any::<u16>()), any::<u32>(), option::of(any::<u32>()));
    parts.prop_map(|(address, id, port, flags, index)| {
        let mut endpoint = Endpoint::new(address).id(id).flags(EndpointFlags::from_bits_retain(flags));
        (endpoint.port, endpoint.index) = (port, index);
        endpoint
    })
}

/// The attributes of an event, in the numbers of `enum mptcp_event_attr`, by hand.
fn subflow_event(command: u8, token: u32, ids: [u8; 2], ends: [SocketAddr; 2], backup: bool) -> Vec<u8> {
    let mut attrs = AttrBuf::new();
    let mut w = attrs.writer();
    w.u32(1, token).u8(3, ids[0]).u8(4, ids[1]);
    for (end, v4, v6, port) in [(ends[0], 5, 6, 9), (ends[1], 7, 8, 10)] {
        w.ip(if end.is_ipv4() { v4 } else { v6 }, end.ip());
        w.bytes(port, &end.port().to_be_bytes());
    }
    w.u8(11, u8::from(backup));
    let mut payload = vec![command, 1, 0, 0];
    payload.extend(attrs.finish().unwrap());
    payload
}

proptest! {
    #[test]
    fn accepted_endpoint_survives_a_round_trip(endpoint in any_endpoint()) {
        check_endpoint(&endpoint);
    }

    #[test]
    fn valid_endpoint_is_never_refused(mut endpoint in any_endpoint()) {
        endpoint.flags -= EndpointFlags::IMPLICIT | EndpointFlags::FULLMESH | EndpointFlags::SUBFLOW;
        endpoint.flags |= EndpointFlags::SIGNAL;
        endpoint.port = endpoint.port.filter(|port| *port != 0);
        endpoint.index = endpoint.index.map(|index| index % 0x7fff_ffff + 1);
        let mut request = endpoint.request(FAMILY, nl_mptcp::endpoint::EndpointVerb::Add);
        prop_assert!(request.encoded().is_ok());
    }

    #[test]
    fn subflow_event_decodes_every_attribute(
        token: u32,
        ids: [u8; 2],
        near in any::<(IpAddr, u16)>(),
        far in any::<(IpAddr, u16)>(),
        backup: bool,
    ) {
        let ends = [SocketAddr::from(near), SocketAddr::from(far)];
        let payload = subflow_event(10, token, ids, ends, backup);
        let event = MptcpEvent::decode(FAMILY, MessageRef::from_parts(FAMILY, 0, &payload)).unwrap();
        let Some(MptcpEvent::SubflowEstablished(event)) = event else { panic!("{event:?}") };
        prop_assert_eq!((event.token.get(), event.local_id.get(), event.remote_id.get()), (token, ids[0], ids[1]));
        prop_assert_eq!(([event.local, event.remote], event.backup), (ends, backup));
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        check(&data);
    }

    #[test]
    fn arbitrary_attributes_never_panic(
        command: u8,
        attrs in proptest::collection::vec((0..20u16, proptest::collection::vec(any::<u8>(), 0..20)), 0..12),
    ) {
        let mut buf = AttrBuf::new();
        for (kind, value) in attrs {
            buf.writer().bytes(kind, &value);
        }
        let mut payload = vec![command, 1, 0, 0];
        payload.extend(buf.finish().unwrap());
        check(&payload);
    }
}

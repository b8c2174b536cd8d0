//! Bytes that a kernel accepted or sent, little-endian as captured: what follows the netlink header. Kernel 6.18.

use nl_core::error::Errno;
use nl_core::message::MessageRef;
use nl_mptcp::endpoint::{Endpoint, EndpointVerb};
use nl_mptcp::event::{ConnectionFlags, MptcpEvent};
use nl_mptcp::limits::Limits;

use crate::{FAMILY, unhex};

/// `ip mptcp endpoint add 10.0.1.2 id 7 subflow dev #3`
const ADD: &str =
    "010100002c0001800600010002000000080003000a000102050002000700000008000600020000000800070003000000";
/// `ip mptcp endpoint show`: 10.0.1.2 id 7 subflow backup
const SHOWN_V4: &str =
    "030100002c0001800600010002000000060005000000000005000200070000000800060006000000080003000a000102";
/// `ip mptcp endpoint show`: 127.0.0.1 port 4321 id 9 signal
const SHOWN_PORT: &str =
    "030100002c000180060001000200000006000500e110000005000200090000000800060001000000080003007f000001";
/// `ip mptcp endpoint show`: 2001:db8::1 id 11 dev lo
const SHOWN_V6: &str = "0301000040000180060001000a0000000600050000000000050002000b000000080006000000000008000700010000001400040\
                        020010db8000000000000000000000001";
/// `ip mptcp limits show` of a new namespace
const LIMITS: &str = "0601000008000200000000000800030002000000";
const LISTENER_CREATED: &str = "0f010000060002000200000006000900138900000800050000000000";
const CREATED: &str = "01010000080001002fabc3cb0600020002000000080005000a000101080007000a00010206000900810d000006000a0013890000\
                       05000300000000000500040000000000";
/// On the side that accepted.
const ESTABLISHED: &str = "020100000800010090a668ff050012000100000006000d00020000000600020002000000080005000a000102080007000a0\
                           00101060009001389000006000a00810d000005000300000000000500040000000000";
/// Without a family.
const ANNOUNCED: &str =
    "060100000800010090a668ff050004000700000006000a00810d000014000800deadbeef000200000000000000000001";
const REMOVED: &str = "070100000800010090a668ff0500040007000000";
/// Bound to the interface 3.
const SUB_ESTABLISHED: &str = "0a010000080001002fabc3cb0600020002000000080005000a000201080007000a000202060009009e4f000006000a0\
                               0138900000500030008000000050004000100000005000b000000000008000f0003000000";
const SUB_PRIORITY: &str = "0d0100000800010090a668ff0600020002000000080005000a000202080007000a000201060009001389000006000a009e4\
                            f00000500030001000000050004000800000005000b0001000000";
/// Refused by the peer.
const SUB_CLOSED: &str = "0b010000080001002fabc3cb0600020002000000080005000a000201080007000a00020206000900b953000006000a00000900\
                          000500030008000000050004000000000005000b000000000005000c006f000000";
const CLOSED: &str = "030100000800010090a668ff";

pub(crate) const ALL: &[(&str, &str)] = &[
    ("add", ADD),
    ("shown_v4", SHOWN_V4),
    ("shown_port", SHOWN_PORT),
    ("shown_v6", SHOWN_V6),
    ("limits", LIMITS),
    ("listener_created", LISTENER_CREATED),
    ("created", CREATED),
    ("established", ESTABLISHED),
    ("announced", ANNOUNCED),
    ("removed", REMOVED),
    ("sub_established", SUB_ESTABLISHED),
    ("sub_priority", SUB_PRIORITY),
    ("sub_closed", SUB_CLOSED),
    ("closed", CLOSED),
];

fn event(hex: &str) -> MptcpEvent {
    MptcpEvent::decode(FAMILY, MessageRef::from_parts(FAMILY, 0, &unhex(hex))).unwrap().unwrap()
}

#[test]
fn adding_endpoint_encodes_golden_bytes() {
    let endpoint = Endpoint::new("10.0.1.2".parse().unwrap()).id(7).subflow().index(3);
    let mut request = endpoint.request(FAMILY, EndpointVerb::Add);
    assert_eq!(request.encoded().unwrap()[16..], unhex(ADD));
}

#[test]
fn endpoints_and_limits_decode_from_kernel_bytes() {
    let (v4, v6) = ("10.0.1.2".parse().unwrap(), "2001:db8::1".parse().unwrap());
    for (hex, endpoint) in [
        (SHOWN_V4, Endpoint::new(v4).id(7).subflow().backup()),
        (SHOWN_PORT, Endpoint::new("127.0.0.1".parse().unwrap()).id(9).signal().port(4321)),
        (SHOWN_V6, Endpoint::new(v6).id(11).index(1)),
    ] {
        let payload = unhex(hex);
        assert_eq!(Endpoint::decode(MessageRef::from_parts(FAMILY, 2, &payload)).unwrap(), endpoint);
    }
    let payload = unhex(LIMITS);
    let limits = Limits::decode(MessageRef::from_parts(FAMILY, 0, &payload)).unwrap();
    assert_eq!(limits, Limits::default());
    // One is not read as the other, nor as an event.
    assert!(Endpoint::decode(MessageRef::from_parts(FAMILY, 0, &payload)).is_err());
    assert!(Limits::decode(MessageRef::from_parts(FAMILY, 0, &unhex(SHOWN_V4))).is_err());
}

#[test]
fn events_decode_and_display() {
    for (hex, text) in [
        (LISTENER_CREATED, "LISTENER_CREATED 0.0.0.0:5001"),
        (CREATED, "CREATED token=cbc3ab2f 10.0.1.1:33037 -> 10.0.1.2:5001 locid=0 remid=0"),
        (
            ESTABLISHED,
            "ESTABLISHED token=ff68a690 10.0.1.2:5001 -> 10.0.1.1:33037 locid=0 remid=0 server_side flags=0x2",
        ),
        (ANNOUNCED, "ANNOUNCED token=ff68a690 [dead:beef:2::1]:33037 remid=7"),
        (REMOVED, "REMOVED token=ff68a690 remid=7"),
        (
            SUB_ESTABLISHED,
            "SF_ESTABLISHED token=cbc3ab2f 10.0.2.1:40527 -> 10.0.2.2:5001 locid=8 remid=1 ifindex=3",
        ),
        (SUB_PRIORITY, "SF_PRIO token=ff68a690 10.0.2.2:5001 -> 10.0.2.1:40527 locid=1 remid=8 backup"),
        (
            SUB_CLOSED,
            "SF_CLOSED token=cbc3ab2f 10.0.2.1:47443 -> 10.0.2.2:9 locid=8 remid=0 \
             error=Connection refused (ECONNREFUSED)",
        ),
        (CLOSED, "CLOSED token=ff68a690"),
    ] {
        assert_eq!(event(hex).to_string(), text);
    }
    let MptcpEvent::SubflowClosed(closed) = event(SUB_CLOSED) else { panic!("not closed") };
    assert_eq!((closed.error, closed.reset, closed.index), (Some(Errno::ECONNREFUSED), None, None));
    let MptcpEvent::Established(established) = event(ESTABLISHED) else { panic!("not established") };
    assert_eq!((established.server_side, established.flags), (true, ConnectionFlags::SERVER_SIDE));
}

/// Up to 6.17 the attribute is always there, with 0 or 1; since 6.18 with 1 or not at all.
#[test]
fn server_side_decodes_on_every_kernel() {
    let mut old = unhex(ESTABLISHED);
    // Without the flags, and the attribute is 0.
    old[16] = 0;
    old[24] = 0;
    let read = |payload: &[u8]| {
        let event = MptcpEvent::decode(FAMILY, MessageRef::from_parts(FAMILY, 0, payload)).unwrap();
        let Some(MptcpEvent::Established(event)) = event else { panic!("{event:?}") };
        event.server_side
    };
    assert!(!read(&old));
    old[16] = 1;
    assert!(read(&old));
}

/// Command 3 reads an endpoint, event 3 reports a closed connection.
#[test]
fn answer_to_request_is_not_an_event() {
    let mut answer = vec![0; 16];
    answer.extend(unhex(SHOWN_V4));
    let length = u32::try_from(answer.len()).unwrap();
    answer[..4].copy_from_slice(&length.to_ne_bytes());
    answer[4..6].copy_from_slice(&FAMILY.to_ne_bytes());
    answer[8] = 1;
    let message = MessageRef::parse(&answer).unwrap();
    assert_eq!(MptcpEvent::decode(FAMILY, message), Ok(None));
    assert!(Endpoint::decode(message).is_ok());
    assert_eq!(MptcpEvent::decode(FAMILY + 1, MessageRef::from_parts(FAMILY, 0, &unhex(CLOSED))), Ok(None));
}

#[test]
fn event_without_required_attributes_is_an_error() {
    let whole = unhex(SUB_ESTABLISHED);
    // The first attributes are the token, the family, and the addresses.
    for end in [4, 12, 20, 28, 36, 44, 52, 60] {
        let message = MessageRef::from_parts(FAMILY, 0, &whole[..end]);
        assert!(MptcpEvent::decode(FAMILY, message).is_err(), "{end} bytes");
    }
}

/// An event of a number this crate does not know keeps it, and its connection.
#[test]
fn unknown_event_keeps_its_number_and_token() {
    let mut payload = unhex(CLOSED);
    payload[0] = 99;
    let message = MessageRef::from_parts(FAMILY, 0, &payload);
    let event = MptcpEvent::decode(FAMILY, message).unwrap().unwrap();
    assert_eq!((event.number(), event.to_string().as_str()), (99, "UNKNOWN 99 token=ff68a690"));
}

// What must hold for any bytes that are taken for events. Shared by the fuzz target and by the test that replays the corpus.

use nl_core::Protocol;
use nl_core::genl::Family;
use nl_core::message::{MessageRef, Messages, NLMSG_MIN_TYPE};
use nl_events::report::Cause;
use nl_events::{NetworkEvent, Source};

/// The types that are events of a source, and some that are not.
const LAST_KIND: u16 = 130;
/// The number that stands for the family of Multipath TCP here.
const MPTCP: u16 = 40;

/// Reads the bytes as a datagram of each protocol; and behind a first byte, which is the type, as the payload of one message.
pub(crate) fn check(data: &[u8]) {
    let multipath_tcp = multipath_tcp();
    let alone = data.split_first().map(|(kind, payload)| MessageRef::from_parts((*kind).into(), 0, payload));
    for message in Messages::new(data).map_while(Result::ok).chain(alone) {
        for protocol in [Protocol::Route, Protocol::Generic, Protocol::SockDiag] {
            check_message(protocol, message);
        }
        let event = multipath_tcp.decode(message);
        assert!(message.kind() == MPTCP || matches!(event, Ok(None)), "{event:?} is of another family");
        event.ok().flatten().iter().for_each(check_event);
        let cause = Cause::of(message);
        assert_eq!(cause.map_or(0, |cause| cause.port), message.port());
        check_raw(message);
    }
}

fn check_message(protocol: Protocol, message: MessageRef<'_>) {
    let event = NetworkEvent::decode(protocol, message);
    if let Ok(Some(event)) = &event {
        check_event(event);
        assert!(protocol != Protocol::SockDiag, "{event:?} of a protocol without events");
        assert!(
            protocol != Protocol::Route || message.kind() <= LAST_KIND,
            "{event:?} of type {}",
            message.kind()
        );
    }
    // The same bytes are the same event.
    assert_eq!(NetworkEvent::decode(protocol, message), event);
}

fn check_event(event: &NetworkEvent) {
    assert!(!event.label().is_empty());
    assert_eq!(event.label(), event.label().to_uppercase());
    let words = event.to_string();
    // A line for each entry, of messages that have several. The kernel sends none without.
    let may_be_empty = matches!(event.label(), "ACTION" | "MDB" | "VLAN" | "VNI");
    assert!(!words.is_empty() || may_be_empty, "{event:?}");
    assert!(!words.contains('\0'), "{words:?}");
    assert!(!format!("{event:?}").is_empty());
}

/// A message that no other source takes is kept as it is.
fn check_raw(message: MessageRef<'_>) {
    match Source::raw(1).decode(message) {
        Ok(Some(NetworkEvent::Raw(event))) => {
            assert_eq!((event.kind, event.flags), (message.kind(), message.flags()));
            assert_eq!(event.message().payload(), message.payload());
        }
        other => assert!(message.kind() < NLMSG_MIN_TYPE && other == Ok(None), "{other:?}"),
    }
}

fn multipath_tcp() -> Source {
    let mut family = Family::default();
    (family.id, family.groups) = (MPTCP, vec![(nl_mptcp::EVENT_GROUP.into(), 5)]);
    Source::mptcp(&family).unwrap_or_else(|error| panic!("{error}"))
}

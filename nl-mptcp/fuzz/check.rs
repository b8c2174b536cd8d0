// What must hold for any bytes. Shared by the fuzz target and by the test that replays the corpus.

use nl_core::message::{MessageRef, Messages};
use nl_mptcp::Token;
use nl_mptcp::endpoint::{Endpoint, EndpointFlags, EndpointVerb};
use nl_mptcp::event::MptcpEvent;
use nl_mptcp::limits::Limits;
use nl_mptcp::subflow::{Subflow, SubflowVerb};

const FAMILY: u16 = 0x20;

/// Reads the bytes as a datagram, and as the payload of one message.
pub(crate) fn check(data: &[u8]) {
    for message in Messages::new(data).map_while(Result::ok) {
        check_message(message);
    }
    check_message(MessageRef::from_parts(FAMILY, 0, data));
}

fn check_message(message: MessageRef<'_>) {
    if let Ok(endpoint) = Endpoint::decode(message) {
        check_endpoint(&endpoint);
    }
    if let Ok(limits) = Limits::decode(message) {
        assert!(!limits.to_string().is_empty());
    }
    let decoded = MptcpEvent::decode(message.kind(), message);
    if message.seq() != 0 {
        assert!(matches!(decoded, Ok(None)), "the answer to a request was taken for an event");
    }
    assert!(matches!(MptcpEvent::decode(message.kind() ^ 1, message), Ok(None)), "of another family");
    if let Ok(Some(event)) = decoded {
        check_event(&event, message);
    }
}

fn check_event(event: &MptcpEvent, message: MessageRef<'_>) {
    assert!(!event.to_string().is_empty());
    assert_eq!(message.payload().first(), Some(&event.number()), "{event}");
    if let MptcpEvent::SubflowEstablished(event) = event {
        let subflow = Subflow::new(event.local, event.remote).id(event.local_id);
        for verb in [SubflowVerb::Change, SubflowVerb::Create, SubflowVerb::Destroy] {
            match subflow.request(FAMILY, event.token, verb).encoded() {
                Ok(bytes) => assert!(bytes.len() > 16, "{subflow}"),
                Err(error) => assert!(error.is_usage(), "{error}"),
            }
        }
    }
}

/// What is sent of an endpoint reads back as what it was.
pub(crate) fn check_endpoint(endpoint: &Endpoint) {
    assert!(!endpoint.to_string().is_empty());
    for verb in [EndpointVerb::Add, EndpointVerb::Change, EndpointVerb::Delete, EndpointVerb::Get] {
        match endpoint.request(FAMILY, verb).encoded() {
            // A refusal is put into words like any other error.
            Err(error) => assert!(error.is_usage(), "{error}"),
            Ok(bytes) => check_travelled(endpoint, verb, bytes),
        }
    }
    match endpoint.announce_request(FAMILY, Token::new(7)).encoded() {
        Err(error) => assert!(error.is_usage(), "{error}"),
        Ok(bytes) => {
            let mut sent = endpoint.clone();
            sent.flags |= EndpointFlags::SIGNAL;
            assert_eq!(read_back(bytes), Some(sent));
        }
    }
}

fn check_travelled(endpoint: &Endpoint, verb: EndpointVerb, bytes: &[u8]) {
    let back = read_back(bytes);
    match verb {
        EndpointVerb::Add => assert_eq!(back.as_ref(), Some(endpoint)),
        EndpointVerb::Change if endpoint.id.is_initial() => {
            let mut sent = endpoint.clone();
            sent.flags &= EndpointFlags::BACKUP | EndpointFlags::FULLMESH;
            sent.index = None;
            assert_eq!(back, Some(sent));
        }
        // By id, without an address.
        _ => assert_eq!(back, None),
    }
}

/// The address nest of a request, read as if it stood in an answer.
fn read_back(request: &[u8]) -> Option<Endpoint> {
    let mut bytes = request.to_vec();
    // `MPTCP_PM_CMD_GET_ADDR`
    *bytes.get_mut(16)? = 3;
    Endpoint::decode(MessageRef::parse(&bytes).ok()?).ok()
}

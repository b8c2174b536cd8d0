//! Requests: what they refuse, what they keep.

use nl_core::Request;
use nl_core::error::{AttrName, ErrorKind, Names};
use nl_core::message::{MessageRef, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_MIN_TYPE, NdMsg};

static NEIGH: Names = Names::new(12, &[AttrName::new(1, "NDA_DST")]);

fn describe_neigh(message: MessageRef<'_>) -> String {
    match message.header::<NdMsg>() {
        Ok((header, _)) => format!("add neighbour on #{}", header.index),
        Err(_) => "neighbour request".into(),
    }
}

fn neigh() -> Request {
    Request::new(28, &NEIGH, describe_neigh).with_header(&NdMsg { index: 5, ..NdMsg::default() })
}

#[test]
fn an_encoded_request_has_its_length_type_and_flags() {
    let mut request = neigh().with_flags(NLM_F_CREATE | NLM_F_EXCL);
    request.attrs().u16(5, 10);
    let bytes = request.encoded().unwrap();
    let message = MessageRef::parse(bytes).unwrap();
    assert_eq!(bytes.len(), 36);
    assert_eq!((message.kind(), message.flags()), (28, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL));
    assert_eq!(message.header::<NdMsg>().unwrap().1.count(), 1);
}

#[test]
fn a_request_that_is_only_a_header_is_refused() {
    let error = Request::unnamed(28).encoded().unwrap_err();
    assert!(error.is_usage(), "{error}");
    assert_eq!(error.to_string(), "netlink request of type 28: a request needs at least a family header");
}

#[test]
fn an_attribute_that_does_not_fit_makes_the_request_unsendable_with_the_operation_in_words() {
    let mut request = neigh();
    request.attrs().bytes(1, &[0; 65_532]);
    let error = request.encoded().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
    assert_eq!(error.to_string(), "add neighbour on #5: attribute 1: 65532 bytes, the limit is 65531");
}

#[test]
fn a_refused_request_says_why_and_for_what() {
    let error = neigh()
        .invalid_if(Err("VLAN 4095; 1 to 4094 are possible".into()))
        .invalid_if(Err("later".into()))
        .encoded()
        .unwrap_err()
        .to_string();
    assert_eq!(error, "add neighbour on #5: VLAN 4095; 1 to 4094 are possible");
}

#[test]
fn a_clone_of_a_refused_request_is_refused_too() {
    let mut request = neigh().invalid_if(Err("no".into()));
    assert!(request.encoded().is_err());
    assert!(request.clone().encoded().is_err());
}

#[test]
fn a_request_from_a_payload_is_sent_as_it_is() {
    let mut request = Request::from_payload(30, 0x300, &[7, 0, 0, 0]);
    let message = MessageRef::parse(request.encoded().unwrap()).unwrap();
    assert_eq!((message.kind(), message.flags(), message.payload()), (30, 0x301, &[7, 0, 0, 0][..]));
}

/// The kernel acknowledges control messages and does nothing.
#[test]
fn a_control_message_is_refused_with_the_limit_in_the_text() {
    for kind in 0..NLMSG_MIN_TYPE {
        for mut request in
            [Request::unnamed(kind).with_header(&NdMsg::default()), Request::from_payload(kind, 0, &[0; 4])]
        {
            let error = request.encoded().unwrap_err();
            assert!(error.is_usage() && error.to_string().contains("have types from 16"), "{error}");
        }
    }
    assert!(Request::unnamed(NLMSG_MIN_TYPE).with_header(&NdMsg::default()).encoded().is_ok());
}

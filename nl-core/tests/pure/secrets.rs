//! No text the crate makes shows the bytes of a request.

use std::fmt::Debug;

use nl_core::Request;
use nl_core::attr::{AttrBuf, Attrs};
use nl_core::message::{GenlHeader, MessageRef, Messages, RawMessage};

const KEY: [u8; 16] = [0xab; 16];

fn request() -> Request {
    let header = GenlHeader { command: 1, version: 1 };
    let mut request = Request::unnamed(28).with_header(&header).sensitive();
    request.attrs().nested(1).bytes(4, &KEY).str(5, "correct horse");
    request
}

#[track_caller]
fn assert_silent(value: &impl Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}"), format!("{value:x?}")] {
        let dense: String = text.split_whitespace().collect();
        for secret in ["171,171", "ab,ab", "abab", "\\xab", "correcthorse", "99,111,114", "63,6f,72"] {
            assert!(!dense.contains(secret), "{text} holds {secret}");
        }
    }
}

#[test]
fn a_request_does_not_show_its_bytes() {
    assert!(request().is_sensitive() && request().clone().is_sensitive());
    assert_silent(&request());
    assert_silent(&request().attrs());
    assert_silent(&request().attrs().nested(1));
}

#[test]
fn a_message_does_not_show_its_bytes() {
    let mut request = request();
    let bytes = request.encoded().unwrap();
    let message = MessageRef::parse(bytes).unwrap();
    assert!(message.payload().windows(16).any(|w| w == KEY), "the test's key is not in the message");
    assert_silent(&message);
    assert_silent(&RawMessage::from(message));
    assert_silent(&Messages::new(bytes));
}

#[test]
fn attributes_do_not_show_their_values() {
    let mut buf = AttrBuf::new();
    buf.writer().bytes(4, &KEY);
    assert_silent(&buf);
    let bytes = buf.finish().unwrap();
    assert_silent(&Attrs::new(&bytes));
    assert_silent(&Attrs::new(&bytes).next().unwrap().unwrap());
}

#[test]
fn an_error_about_a_request_does_not_show_its_bytes() {
    let error = request().invalid_if(Err("bad".into())).encoded().unwrap_err();
    assert_silent(&error);
    assert_eq!(error.to_string(), "netlink request of type 28: bad");
}

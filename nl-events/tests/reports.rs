//! Reports without a kernel: places in words, and who caused an event.

use nl_core::message::MessageRef;
use nl_events::report::{Cause, Place};

#[test]
fn place_is_printed_as_ip_monitor_does_and_with_the_given_name() {
    let place = |name: Option<&str>, nsid| {
        let mut place = Place::default();
        (place.name, place.nsid) = (name.map(Into::into), nsid);
        place.to_string()
    };
    assert_eq!(place(None, None), "[nsid current]");
    assert_eq!(place(None, Some(0)), "[nsid 0]");
    assert_eq!(place(Some("blue"), None), "[blue]");
    assert_eq!(place(Some("blue"), Some(7)), "[blue nsid 7]");
}

#[test]
fn event_of_the_kernel_itself_has_no_cause() {
    let header = |port: u32| {
        let words = [16_u32, 0x0000_0010, 9, port];
        words.map(u32::to_ne_bytes).concat()
    };
    let bytes = header(0);
    assert_eq!(Cause::of(MessageRef::parse(&bytes).unwrap()), None);
    let bytes = header(4711);
    let cause = Cause::of(MessageRef::parse(&bytes).unwrap()).unwrap();
    assert_eq!((cause.port, cause.seq), (4711, 9));
}

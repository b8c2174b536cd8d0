//! Events from bytes: the type of a message says what it is about and whether that is gone.

use nl_core::attr::AttrBuf;
use nl_core::message::{FixedHeader, MessageRef, TcMsg};
use nl_tc::class::ClassEvent;
use nl_tc::filter::FilterEvent;
use nl_tc::qdisc::QdiscEvent;
use nl_tc::{
    RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_GETQDISC, RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER,
};
use proptest::prelude::*;

/// `TCA_KIND`.
const KIND: u16 = 1;

/// `tcmsg` of 1:10 under 1: on interface 5, of a kind that this crate does not know.
fn payload() -> Vec<u8> {
    let mut payload = Vec::new();
    TcMsg { index: 5, handle: 0x0001_0010, parent: 0x0001_0000, ..TcMsg::default() }.write(&mut payload);
    let mut attrs = AttrBuf::new();
    attrs.writer().str(KIND, "strange");
    payload.extend(attrs.finish().unwrap());
    payload
}

fn message(kind: u16, payload: &[u8]) -> MessageRef<'_> {
    MessageRef::from_parts(kind, 0, payload)
}

#[test]
fn event_of_each_object_decodes_by_its_type() {
    let payload = payload();
    let qdisc = |kind| QdiscEvent::decode(message(kind, &payload)).unwrap();
    assert!(matches!(qdisc(RTM_NEWQDISC), Some(QdiscEvent::New(qdisc)) if qdisc.index == 5));
    assert!(matches!(qdisc(RTM_DELQDISC), Some(QdiscEvent::Deleted(qdisc)) if qdisc.index == 5));
    assert_eq!(qdisc(RTM_NEWTCLASS), None);
    assert_eq!(qdisc(RTM_GETQDISC), None);
    let class = |kind| ClassEvent::decode(message(kind, &payload)).unwrap();
    assert!(matches!(class(RTM_NEWTCLASS), Some(ClassEvent::New(class)) if class.index == 5));
    assert!(matches!(class(RTM_DELTCLASS), Some(ClassEvent::Deleted(class)) if class.index == 5));
    assert_eq!(class(RTM_NEWQDISC), None);
    let filter = |kind| FilterEvent::decode(message(kind, &payload)).unwrap();
    assert!(matches!(filter(RTM_NEWTFILTER), Some(FilterEvent::New(filter)) if filter.index == 5));
    assert!(matches!(filter(RTM_DELTFILTER), Some(FilterEvent::Deleted(filter)) if filter.index == 5));
    assert_eq!(filter(RTM_NEWQDISC), None);
}

#[test]
fn event_prints_the_words_of_the_object_after_deleted() {
    let payload = payload();
    let event = ClassEvent::decode(message(RTM_DELTCLASS, &payload)).unwrap().unwrap();
    assert_eq!(event.to_string(), format!("deleted {}", event.class()));
    let event = ClassEvent::decode(message(RTM_NEWTCLASS, &payload)).unwrap().unwrap();
    assert_eq!(event.to_string(), event.class().to_string());
}

proptest! {
    #[test]
    fn arbitrary_events_do_not_panic(kind in 36_u16..46, bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = QdiscEvent::decode(message(kind, &bytes));
        let _ = ClassEvent::decode(message(kind, &bytes));
        let _ = FilterEvent::decode(message(kind, &bytes));
    }
}

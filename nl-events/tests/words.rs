//! Events in words: those of `ip monitor`, `bridge monitor` and `tc monitor`.
#![cfg(all(feature = "fdb", feature = "link", feature = "nsid", feature = "tc"))]
#![expect(clippy::expect_used, reason = "tests panic with context")]

use nl_core::Protocol;
use nl_core::attr::AttrBuf;
use nl_core::message::{FixedHeader, IfInfoMsg, MessageRef, NdMsg, TcMsg};
use nl_events::{NetworkEvent, Source};
use proptest::prelude::*;

fn event(kind: u16, header: &impl FixedHeader, write: impl FnOnce(&mut AttrBuf)) -> NetworkEvent {
    let mut payload = Vec::new();
    header.write(&mut payload);
    let mut attrs = AttrBuf::new();
    write(&mut attrs);
    payload.extend(attrs.finish().expect("attributes"));
    let message = MessageRef::from_parts(kind, 0, &payload);
    NetworkEvent::decode(Protocol::Route, message).expect("an event").expect("of a source")
}

#[test]
fn device_is_printed_as_ip_monitor_link_begins() {
    let header = IfInfoMsg { index: 5, flags: 0x1043, ..IfInfoMsg::default() };
    let link = |kind| {
        event(kind, &header, |attrs| {
            // IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_OPERSTATE
            attrs.writer().str(3, "d0").u32(4, 1500).u32(10, 3).u8(16, 6);
        })
    };
    assert_eq!(link(16).label(), "LINK");
    let words = "5: d0: <UP,BROADCAST,RUNNING,MULTICAST> mtu 1500 master #3 state UP";
    assert_eq!(link(16).to_string(), words);
    assert_eq!(link(17).to_string(), format!("Deleted {words}"));
}

#[test]
fn entry_qdisc_and_namespace_are_printed_with_their_labels() {
    let entry = NdMsg { family: 7, index: 5, state: 0x40, flags: 0, kind: 0 };
    // NDA_LLADDR, NDA_MASTER
    let fdb = event(29, &entry, |attrs| {
        attrs.writer().bytes(2, &[2, 0, 0, 0, 0, 1]).u32(9, 3);
    });
    assert_eq!(
        (fdb.label(), fdb.to_string().as_str()),
        ("FDB", "Deleted 02:00:00:00:00:01 dev #5 master #3 static")
    );
    let header = TcMsg { index: 5, handle: 0x0001_0000, parent: u32::MAX, ..TcMsg::default() };
    // TCA_KIND
    let qdisc = event(36, &header, |attrs| {
        attrs.writer().str(1, "strange");
    });
    assert_eq!(qdisc.label(), "QDISC");
    assert!(qdisc.to_string().starts_with("qdisc dev #5 root handle 1:"), "{qdisc}");
}

#[test]
fn raw_message_is_printed_by_its_type() {
    let message = MessageRef::from_parts(80, 0, &[2, 0, 0, 0]);
    let raw = Source::raw(24).decode(message).expect("an event").expect("of this source");
    assert_eq!((raw.label(), raw.to_string().as_str()), ("RAW", "message type 80, 4 bytes"));
}

proptest! {
    #[test]
    fn words_of_arbitrary_events_do_not_panic(kind in 0_u16..130, bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        if let Ok(Some(event)) = NetworkEvent::decode(Protocol::Route, MessageRef::from_parts(kind, 0, &bytes)) {
            let _ = event.to_string();
        }
    }
}

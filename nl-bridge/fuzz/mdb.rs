// What must hold for any bytes that are taken for multicast databases. Shared by the fuzz target and by the tests.

use nl_bridge::mdb::{MdbEvent, MdbTable, MdbVerb};
use nl_core::message::{MessageRef, Messages};

/// `RTM_NEWMDB`, `RTM_DELMDB`, `RTM_GETMDB`
const KINDS: [u16; 3] = [84, 85, 86];

/// Reads the bytes as a datagram, and as the payload of one message.
pub(crate) fn check(data: &[u8]) {
    for message in Messages::new(data).map_while(Result::ok) {
        check_message(message);
    }
    for kind in KINDS {
        check_message(MessageRef::from_parts(kind, 0, data));
    }
}

fn check_message(message: MessageRef<'_>) {
    let decoded = MdbTable::decode(message);
    if let Ok(table) = &decoded {
        for entry in &table.entries {
            assert_eq!(entry.dev, table.dev, "{entry}");
            for verb in [MdbVerb::Add, MdbVerb::Replace, MdbVerb::Get, MdbVerb::Delete] {
                let mut request = entry.request(verb);
                assert!(request.describe().starts_with(&format!("{verb} mdb dev #{}", table.dev)), "{entry}");
                if let Err(error) = request.encoded() {
                    assert!(error.is_usage(), "{error}");
                }
            }
        }
    }
    match MdbEvent::decode(message) {
        Ok(Some(MdbEvent::Deleted(table) | MdbEvent::New(table))) => assert_eq!(Ok(table), decoded),
        Ok(_) => assert!(!matches!(message.kind(), 84 | 85) || decoded.is_err(), "a table without an event"),
        Err(error) => assert_eq!(Err(error), decoded),
    }
}

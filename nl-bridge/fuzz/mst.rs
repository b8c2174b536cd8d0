// What must hold for any bytes that are taken for states by MSTI. Shared by the fuzz target and by the tests.

use nl_bridge::mst::MstEntry;
use nl_core::message::{MessageRef, Messages};

/// `RTM_NEWLINK`, `RTM_SETLINK`
const KINDS: [u16; 2] = [16, 19];

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
    let mut entries = Vec::new();
    // What came before a fault was read.
    let _ = MstEntry::decode(message, &mut entries);
    for entry in &entries {
        assert!(!entry.to_string().is_empty());
        match entry.request().encoded() {
            Err(error) => assert!(error.is_usage(), "{error}"),
            Ok(bytes) => {
                let mut back = Vec::new();
                let read = MessageRef::parse(bytes).and_then(|message| MstEntry::decode(message, &mut back));
                assert_eq!(read, Ok(()), "our own request does not read back");
                assert_eq!(back, std::slice::from_ref(entry));
            }
        }
    }
}

// What must hold for any bytes that are taken for VNI filters. Shared by the fuzz target and by the tests.

use nl_bridge::vni::{VniEntry, VniEvent, VniVerb};
use nl_core::message::{MessageRef, Messages};

/// `RTM_NEWTUNNEL`, `RTM_DELTUNNEL`
const KINDS: [u16; 2] = [120, 121];

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
    let read = VniEntry::decode(message, &mut entries);
    for entry in &entries {
        assert!(!entry.to_string().is_empty());
        for verb in [VniVerb::Delete, VniVerb::Replace] {
            let mut travelled = entry.clone();
            travelled.stats = None;
            if verb == VniVerb::Delete {
                travelled.group = None;
            }
            match entry.request(verb).encoded() {
                Err(error) => assert!(error.is_usage(), "{error}"),
                Ok(bytes) => {
                    let mut back = Vec::new();
                    let read =
                        MessageRef::parse(bytes).and_then(|message| VniEntry::decode(message, &mut back));
                    assert_eq!(read, Ok(()), "our own request does not read back");
                    assert_eq!(back, [travelled]);
                }
            }
        }
    }
    match VniEvent::decode(message) {
        Ok(Some(VniEvent::Deleted(seen) | VniEvent::New(seen))) => assert_eq!(seen, entries),
        Ok(_) => assert!(read.is_err(), "entries without an event"),
        Err(error) => assert_eq!(read, Err(error)),
    }
}

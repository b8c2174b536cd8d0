// What must hold for any bytes that are taken for VLANs mapped to VNIs. Shared by the fuzz target and by the tests.

use nl_bridge::tunnel::{TunnelEntry, TunnelVerb};
use nl_core::message::{MessageRef, Messages};

/// `RTM_NEWLINK`, `RTM_DELLINK`, `RTM_SETLINK`, `RTM_NEWVLAN`, `RTM_DELVLAN`
const KINDS: [u16; 5] = [16, 17, 19, 112, 113];

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
    let _ = (TunnelEntry::decode(message, &mut entries), TunnelEntry::decode_link(message, &mut entries));
    for entry in &entries {
        assert!(!entry.to_string().is_empty());
        assert_eq!(entry.vlans.len(), entry.vnis.len(), "{entry}");
        for verb in [TunnelVerb::Add, TunnelVerb::Delete] {
            match entry.request(verb).encoded() {
                Err(error) => assert!(error.is_usage(), "{error}"),
                Ok(bytes) => {
                    let mut back = Vec::new();
                    let read = MessageRef::parse(bytes)
                        .and_then(|message| TunnelEntry::decode_link(message, &mut back));
                    assert_eq!(read, Ok(()), "our own request does not read back");
                    assert_eq!(back, [*entry]);
                }
            }
        }
    }
}

// What must hold for any bytes that are taken for entries of the VLAN database. Shared by the fuzz target and by the tests.

use nl_bridge::vlan_db::{VlanDbEntry, VlanDbEvent, VlanDbGlobal, VlanDbVerb, VlanInfo};
use nl_core::Request;
use nl_core::message::{MessageRef, Messages};

/// `RTM_NEWVLAN`, `RTM_DELVLAN`
const KINDS: [u16; 2] = [112, 113];

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
    let _ = VlanDbEntry::decode(message, &mut entries);
    for entry in &entries {
        assert!(!entry.to_string().is_empty());
        for verb in [VlanDbVerb::Delete, VlanDbVerb::Replace, VlanDbVerb::Set] {
            if let Some(back) = sent(entry.request(verb)) {
                assert_eq!(back, [travelled(entry, verb)], "{entry}");
            }
        }
    }
    let mut globals = Vec::new();
    let _ = VlanDbGlobal::decode(message, &mut globals);
    for global in &globals {
        assert!(!global.to_string().is_empty());
        sent(global.request());
    }
    let decoded = VlanDbEvent::decode(message);
    if let Ok(Some(VlanDbEvent::Deleted(gone))) = decoded {
        assert_eq!(gone, entries);
    }
}

/// What is read of a request; `None` if it is refused, and then as bad input.
fn sent(mut request: Request) -> Option<Vec<VlanDbEntry>> {
    let mut back = Vec::new();
    match request.encoded() {
        Err(error) => assert!(error.is_usage(), "{error}"),
        Ok(bytes) => {
            let read = MessageRef::parse(bytes).and_then(|message| VlanDbEntry::decode(message, &mut back));
            assert_eq!(read, Ok(()), "our own request does not read back");
            return Some(back);
        }
    }
    None
}

/// What is left of an entry when the kernel reads the request: without what is only read.
fn travelled(entry: &VlanDbEntry, verb: VlanDbVerb) -> VlanDbEntry {
    if verb == VlanDbVerb::Delete {
        return VlanDbEntry::new(entry.index, entry.vlans);
    }
    let mut out = entry.clone();
    out.info = match verb {
        VlanDbVerb::Set => VlanInfo::ONLY_OPTS,
        _ => entry.info & (VlanInfo::PVID | VlanInfo::UNTAGGED),
    };
    (out.tunnel, out.stats, out.mcast_n_groups) = (None, None, None);
    out
}

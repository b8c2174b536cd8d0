// What must hold for any bytes. Shared by the fuzz target and by the test that replays the corpus.

use nl_bridge::fdb::{FdbEntry, FdbFlags, FdbState, FdbVerb, RTM_DELNEIGH, RTM_NEWNEIGH};
use nl_core::message::{MessageRef, Messages};

/// Reads the bytes as a datagram, and as the payload of one message.
pub(crate) fn check(data: &[u8]) {
    for message in Messages::new(data).map_while(Result::ok) {
        check_message(message);
    }
    for kind in [RTM_NEWNEIGH, RTM_DELNEIGH] {
        check_message(MessageRef::from_parts(kind, 0, data));
    }
}

fn check_message(message: MessageRef<'_>) {
    let is_fdb = FdbEntry::is_fdb(message);
    let Ok(entry) = FdbEntry::decode(message) else { return };
    assert!(is_fdb, "decoded, though not about the FDB");
    assert!(!entry.to_string().is_empty());
    for verb in [FdbVerb::Add, FdbVerb::Append, FdbVerb::Replace, FdbVerb::Delete] {
        // A refusal is put into words like any other error.
        match entry.request(verb).encoded() {
            Err(error) => assert!(error.is_usage(), "{error}"),
            Ok(bytes) => match MessageRef::parse(bytes).and_then(FdbEntry::decode) {
                Ok(back) => assert_eq!(back, travelled(&entry, verb), "{verb} {entry}"),
                Err(error) => panic!("our own request does not read back: {error}"),
            },
        }
    }
}

/// What is left of an entry when the kernel reads the request: without what is only read.
pub(crate) fn travelled(entry: &FdbEntry, verb: FdbVerb) -> FdbEntry {
    let mut out = entry.clone();
    let flagged = entry.flags & (FdbFlags::SELF | FdbFlags::MASTER);
    let target = match entry.master {
        _ if !flagged.is_empty() => flagged,
        Some(master) if master != entry.index => FdbFlags::MASTER,
        _ => FdbFlags::SELF,
    };
    out.flags = (entry.flags - FdbFlags::OFFLOADED) | target;
    // A device's own table takes REACHABLE beside NOARP, never NOARP alone.
    if entry.state.contains(FdbState::STALE) {
        out.state = (entry.state - FdbState::STALE) | FdbState::REACHABLE;
    }
    if entry.state == FdbState::NOARP && target.contains(FdbFlags::SELF) {
        out.state = FdbState::NOARP | FdbState::REACHABLE;
    }
    if entry.state == FdbState::PERMANENT && entry.is_tunnel() && target.contains(FdbFlags::SELF) {
        out.state = FdbState::PERMANENT | FdbState::NOARP;
    }
    out.flags_ext = entry.flags_ext.filter(|flags| !flags.is_empty());
    out.master = None;
    out.link_netnsid = None;
    out.protocol = None;
    out.ages = None;
    out.ndm_type = 0;
    if verb == FdbVerb::Delete {
        out.flags_ext = None;
        out.notify = None;
        out.dont_refresh = false;
    }
    out
}

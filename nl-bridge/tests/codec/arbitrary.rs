//! Arbitrary entries survive the wire; arbitrary bytes never panic.

use std::net::IpAddr;

use nl_bridge::fdb::{FdbEntry, FdbFlags, FdbFlagsExt, FdbNotify, FdbState, FdbVerb};
use nl_core::MacAddr;
use nl_core::message::MessageRef;
use proptest::option;
use proptest::prelude::*;

use crate::check::{check, travelled};
use crate::{MAC, bytes};

/// Any entry at all, of which many are refused.
fn any_entry() -> impl Strategy<Value = FdbEntry> {
    let head = (any::<[u8; 6]>(), any::<u32>(), any::<u16>(), any::<u8>(), option::of(any::<u32>()));
    let remote = (
        option::of(any::<IpAddr>()),
        option::of(any::<u16>()),
        option::of(0..=0xff_ffffu32),
        option::of(0..=0xff_ffffu32),
        option::of(1..u32::MAX),
        option::of(1..u32::MAX),
    );
    let rest = (option::of(1..4095u16), option::of(any::<u8>()), any::<bool>(), option::of(any::<u32>()));
    (head, remote, rest).prop_map(|(head, remote, rest)| {
        let mut entry = FdbEntry::new(MacAddr::new(head.0), head.1);
        entry.state = FdbState::from_bits_retain(head.2);
        entry.flags = FdbFlags::from_bits_retain(head.3);
        entry.flags_ext = head.4.map(FdbFlagsExt::from_bits_retain);
        (entry.dst, entry.port, entry.vni) = (remote.0, remote.1, remote.2);
        (entry.src_vni, entry.via, entry.nexthop) = (remote.3, remote.4, remote.5);
        (entry.vlan, entry.notify) = (rest.0, rest.1.map(FdbNotify::from_bits_retain));
        (entry.dont_refresh, entry.master) = (rest.2, rest.3);
        entry
    })
}

/// An entry that is never refused: for a bridge, or for a VXLAN device by address or by nexthop.
fn valid_entry() -> impl Strategy<Value = FdbEntry> {
    (any_entry(), 0..3u8).prop_map(|(mut entry, table)| {
        let [first, rest @ ..] = entry.mac.octets();
        entry.mac = MacAddr::from([first & 0xfe | 2, rest[0], rest[1], rest[2], rest[3], rest[4]]);
        entry.index = (entry.index >> 1).max(1);
        entry.state |= FdbState::NOARP;
        entry.state -= FdbState::PERMANENT;
        entry.flags_ext = entry.flags_ext.map(|flags| flags - FdbFlagsExt::LOCKED);
        entry.notify = entry.notify.map(|notify| FdbNotify::from_bits_retain(notify.bits() & 2 | 1));
        entry.flags -= FdbFlags::SELF | FdbFlags::MASTER;
        if table == 0 {
            entry.flags |= FdbFlags::MASTER;
            if entry.flags.contains(FdbFlags::EXT_LEARNED) {
                entry.flags -= FdbFlags::STICKY;
            }
            (entry.dst, entry.port, entry.vni, entry.src_vni) = (None, None, None, None);
            (entry.via, entry.nexthop) = (None, None);
            return entry;
        }
        entry.flags |= FdbFlags::SELF;
        (entry.notify, entry.dont_refresh) = (None, false);
        if table == 1 {
            entry.nexthop = None;
            entry.dst.get_or_insert(IpAddr::from([192, 0, 2, 1]));
            entry.port = entry.port.map(|port| port.max(1));
        } else {
            (entry.dst, entry.port, entry.vni, entry.via) = (None, None, None, None);
        }
        entry
    })
}

proptest! {
    #[test]
    fn a_valid_entry_reads_back_as_it_was_written(entry in valid_entry()) {
        for verb in [FdbVerb::Add, FdbVerb::Replace, FdbVerb::Delete] {
            let bytes = bytes(&entry, verb);
            let back = FdbEntry::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
            prop_assert_eq!(back, travelled(&entry, verb));
        }
    }

    #[test]
    fn an_entry_that_is_not_refused_reads_back_as_it_was_written(entry in any_entry()) {
        for verb in [FdbVerb::Add, FdbVerb::Append, FdbVerb::Replace, FdbVerb::Delete] {
            let mut request = entry.request(verb);
            match request.encoded() {
                Err(error) => prop_assert!(error.is_usage(), "{}", error),
                Ok(bytes) => {
                    let back = FdbEntry::decode(MessageRef::parse(bytes).unwrap()).unwrap();
                    prop_assert_eq!(back, travelled(&entry, verb));
                }
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        check(&data);
    }

    /// Attributes with sane lengths, so that every one of them is reached.
    #[test]
    fn arbitrary_attributes_never_panic(
        family in prop_oneof![Just(7u8), any::<u8>()],
        header in any::<[u8; 11]>(),
        attrs in prop::collection::vec((0..20u16, any::<bool>(), prop::collection::vec(any::<u8>(), 0..20)), 0..12),
    ) {
        let mut data = vec![family];
        data.extend(header);
        for (kind, nested, value) in attrs {
            let kind = kind | u16::from(nested) << 15;
            data.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            data.extend(kind.to_ne_bytes());
            data.extend(&value);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        check(&data);
    }

    #[test]
    fn unknown_bits_survive(state in 1u16.., flags: u8, ext: u32) {
        let mut entry = FdbEntry::new(MAC, 5);
        // Dynamic and without LOCKED, so that nothing is refused.
        entry.state = FdbState::from_bits_retain(state & !0x80 | 0x02);
        // And not sticky where a bridge would not keep it.
        let flags = if flags & 0x14 == 0x14 { flags & !0x40 } else { flags };
        entry.flags = FdbFlags::from_bits_retain(flags);
        entry.flags_ext = Some(FdbFlagsExt::from_bits_retain(ext & !0x2 | 0x8000_0000));
        let bytes = bytes(&entry, FdbVerb::Replace);
        let back = FdbEntry::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
        // An entry that has aged out is written as a dynamic one.
        prop_assert_eq!(back.state.bits(), entry.state.bits() & !0x04);
        let target = if flags & 0x06 == 0 { 0x02 } else { 0 };
        prop_assert_eq!(back.flags.bits(), flags & !0x20 | target);
        prop_assert_eq!(back.flags_ext, entry.flags_ext);
    }
}

/// A buffer full of rubbish must not show through.
#[test]
fn padding_is_zeroed() {
    let bytes = bytes(&FdbEntry::new(MAC, 5).master().static_().vlan(10), FdbVerb::Add);
    // The attributes begin at 28: LLADDR of 6 bytes, VLAN of 2.
    assert_eq!((&bytes[38..40], &bytes[46..48]), (&[0, 0][..], &[0, 0][..]));
}

#[test]
fn a_message_that_is_no_fdb_entry_is_refused() {
    let good = bytes(&FdbEntry::new(MAC, 5), FdbVerb::Add);
    let decode = |bytes: &[u8]| FdbEntry::decode(MessageRef::parse(bytes).unwrap()).unwrap_err().to_string();
    let mut neighbour = good.clone();
    // AF_INET: an ARP entry in the same multicast group.
    neighbour[16] = 2;
    assert_eq!(decode(&neighbour), "message type 28 was not expected here");
    assert!(!FdbEntry::is_fdb(MessageRef::parse(&neighbour).unwrap()));
    let mut link = good.clone();
    link[4..6].copy_from_slice(&16_u16.to_ne_bytes());
    assert_eq!(decode(&link), "message type 16 was not expected here");
    let mut nameless = good.clone();
    nameless[30..32].copy_from_slice(&0x7f_u16.to_ne_bytes());
    assert_eq!(decode(&nameless), "attribute 2 is missing");
    let mut wrong = good;
    // LLADDR of 5 bytes.
    wrong[28..30].copy_from_slice(&9_u16.to_ne_bytes());
    assert_eq!(decode(&wrong), "attribute 2: 6 bytes expected, 5 there");
}

//! Arbitrary values come back as they were, and arbitrary bytes are an error or a value, never a panic.

use std::net::{Ipv4Addr, Ipv6Addr};

use nl_core::attr::Attrs;
use nl_core::route::Encap;
use nl_srv6::encap::{Seg6, Seg6Mode};
use nl_srv6::sid::{DecapTable, Flavors, Seg6Local, SidAction};
use nl_srv6::srh::{Srh, Tlv};
use proptest::prelude::*;

use crate::encap;

fn segment() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(|bits| Ipv6Addr::from(bits >> 8 | 0xfc << 120))
}

fn srh(most: usize) -> impl Strategy<Value = Srh> {
    let tlvs = prop::collection::vec((1..=3_u8, prop::collection::vec(any::<u8>(), 0..20)), 0..3);
    let key = prop::option::of(1..u32::MAX);
    (prop::collection::vec(segment(), 1..=most), any::<u16>(), tlvs, key).prop_map(
        |(segments, tag, tlvs, key)| {
            let mut srh = Srh::new(segments).tag(tag);
            for (kind, value) in tlvs {
                srh = srh.tlv(Tlv::Other { kind, value });
            }
            key.into_iter().fold(srh, Srh::hmac)
        },
    )
}

fn without_padding(mut srh: Srh) -> Srh {
    srh.tlvs.retain(|tlv| !matches!(tlv, Tlv::Other { kind: 4, .. }));
    srh
}

fn action() -> impl Strategy<Value = SidAction> {
    prop_oneof![
        Just(SidAction::End),
        segment().prop_map(|nh6| SidAction::EndX { nh6 }),
        (1..u32::MAX).prop_map(|table| SidAction::EndT { table }),
        (1..i32::MAX as u32).prop_map(|index| SidAction::EndDx2 { oif: index.into() }),
        segment().prop_map(|nh6| SidAction::EndDx6 { nh6 }),
        (0..0xe000_0000_u32).prop_map(|bits| SidAction::EndDx4 { nh4: Ipv4Addr::from(bits) }),
        (1..u32::MAX).prop_map(|table| SidAction::EndDt6 { table: DecapTable::Table(table) }),
        (1..u32::MAX).prop_map(|table| SidAction::EndDt6 { table: DecapTable::Vrf(table) }),
        (1..u32::MAX).prop_map(|vrf_table| SidAction::EndDt4 { vrf_table }),
        (1..u32::MAX).prop_map(|vrf_table| SidAction::EndDt46 { vrf_table }),
        srh(13).prop_map(without_tlvs).prop_map(|srh| SidAction::EndB6 { srh }),
        srh(14).prop_map(without_tlvs).prop_map(|srh| SidAction::EndB6Encaps { srh }),
    ]
}

/// So that no padding is added.
fn without_tlvs(mut srh: Srh) -> Srh {
    srh.tlvs.retain(|tlv| matches!(tlv, Tlv::Hmac(_)));
    srh
}

proptest! {
    #[test]
    fn srh_survives_a_round_trip(srh in srh(14)) {
        prop_assert_eq!(srh.check(), Ok(()));
        let bytes = srh.encode();
        prop_assert_eq!(bytes.len() % 8, 0);
        prop_assert_eq!(bytes.len(), (usize::from(bytes[1]) + 1) * 8);
        let read = Srh::decode(&bytes).unwrap();
        // Padding that was added is read, and written back as it was.
        prop_assert_eq!(read.encode(), bytes);
        prop_assert_eq!(without_padding(read), srh);
    }

    #[test]
    fn seg6_survives_a_round_trip(srh in srh(13), mode in 0..5_i32, source in prop::option::of(segment())) {
        let mut seg6 = Seg6::new(Seg6Mode::from(mode), []);
        seg6.srh = without_tlvs(srh);
        seg6.source = source.filter(|_| mode != 0);
        prop_assert_eq!(seg6.check(), Ok(()));
        let bytes = encap(&seg6);
        prop_assert_eq!(Seg6::decode(Attrs::new(&bytes)).unwrap(), seg6);
    }

    #[test]
    fn seg6local_survives_a_round_trip(action in action(), counters: bool, bits in prop::option::of((1..=7_u8, 1..=7_u8))) {
        let mut local = Seg6Local::new(action);
        if counters {
            local = local.counters();
        }
        if let (SidAction::End | SidAction::EndX { .. }, Some((block, node))) = (&local.action, bits) {
            local = local.flavors(Flavors::next_csid(block * 8, node * 8));
        }
        prop_assert_eq!(local.check(), Ok(()));
        let bytes = encap(&local);
        prop_assert_eq!(Seg6Local::decode(Attrs::new(&bytes)).unwrap(), local);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Srh::decode(&bytes);
        let _ = Srh::parse(&bytes);
        if let Ok(seg6) = Seg6::decode(Attrs::new(&bytes)) {
            let _ = (seg6.to_string(), seg6.check(), encap(&seg6));
        }
        if let Ok(local) = Seg6Local::decode(Attrs::new(&bytes)) {
            let _ = (local.to_string(), local.check(), encap(&local));
        }
    }

    /// Bytes that look like an attribute get further.
    #[test]
    fn arbitrary_attributes_never_panic(
        attrs in prop::collection::vec((1..=12_u16, prop::collection::vec(any::<u8>(), 0..60)), 1..6),
        action in 0..20_u32,
    ) {
        let mut bytes = nl_core::attr::AttrBuf::new();
        let mut w = bytes.writer();
        w.u32(1, action);
        for (kind, value) in &attrs {
            w.bytes(*kind, value);
        }
        let bytes = bytes.finish().unwrap();
        if let Ok(local) = Seg6Local::decode(Attrs::new(&bytes)) {
            let _ = (local.to_string(), local.check(), encap(&local));
        }
        if let Ok(seg6) = Seg6::decode(Attrs::new(&bytes)) {
            let _ = (seg6.to_string(), seg6.check(), encap(&seg6));
        }
    }
}

//! Micro-SIDs: packed and taken apart.

use std::net::Ipv6Addr;

use nl_srv6::usid::{HopKind, MicroSid, UsidBlock};
use proptest::prelude::*;

use crate::commands::addr;

fn block() -> UsidBlock {
    UsidBlock::new("fcbb::/32".parse().unwrap(), 16).unwrap()
}

fn path(numbers: &[u32]) -> Vec<MicroSid> {
    numbers.iter().map(|number| block().sid(*number).unwrap()).collect()
}

#[test]
fn seven_micro_sids_take_two_carriers() {
    let carriers = block().pack(&path(&[1, 2, 3, 4, 5, 6, 7])).unwrap();
    assert_eq!(carriers, [addr("fcbb:0:1:2:3:4:5:6"), addr("fcbb:0:7::")]);
    let hops = block().expand(&carriers).unwrap();
    assert_eq!(hops[0].kind, HopKind::Shift(addr("fcbb:0:2:3:4:5:6:0")));
    assert_eq!(
        (hops[5].arrives_with, hops[5].kind),
        (addr("fcbb:0:6::"), HopKind::NextCarrier(addr("fcbb:0:7::")))
    );
    assert_eq!((hops[6].sid.number(), hops[6].kind), (7, HopKind::Last));
}

#[test]
fn impossible_blocks_and_micro_sids_are_refused() {
    let new = |prefix: &str, bits| UsidBlock::new(prefix.parse().unwrap(), bits).unwrap_err().to_string();
    assert!(new("fcbb::/33", 16).contains("multiples of 8 from 8 to 120"));
    assert!(new("fcbb::1/32", 16).contains("has bits set behind its length"));
    assert!(new("fcbb::/32", 12).contains("8, 16, 24 and 32 are possible"));
    assert!(new("fcbb::/120", 16).contains("behind the block are 8"));
    assert!(new("10.0.0.0/8", 16).contains("an IPv6 prefix is needed"));
    assert!(block().sid(0).unwrap_err().to_string().contains("the end of a carrier"));
    assert_eq!(
        block().sid(0x1_0000).unwrap_err().to_string(),
        "micro-SID 0x10000; 0x1 to 0xffff are possible"
    );
    assert_eq!(block().pack(&[]).unwrap_err().to_string(), "no micro-SIDs; a path has at least one");
    assert!(
        block().unpack(addr("2001:db8::")).unwrap_err().to_string().contains("is not in the block fcbb::/32")
    );
    assert!(block().unpack(addr("fcbb:0:b:0:c::")).unwrap_err().to_string().contains("has a gap behind 1"));
}

fn any_block() -> impl Strategy<Value = UsidBlock> {
    (1..=12_u8, 1..=4_u8, any::<u128>()).prop_map(|(block, sid, bits)| {
        let addr = Ipv6Addr::from(bits & !(u128::MAX >> (block * 8)));
        UsidBlock::new(nl_core::IpPrefix::new(addr.into(), block * 8).unwrap(), sid * 8).unwrap()
    })
}

proptest! {
    #[test]
    fn path_survives_packing(block in any_block(), numbers in prop::collection::vec(1..=u32::MAX, 1..40)) {
        let largest = u32::MAX >> (32 - block.sid_bits());
        let path: Vec<_> = numbers.iter().map(|number| block.sid((number & largest).max(1)).unwrap()).collect();
        let carriers = block.pack(&path).unwrap();
        prop_assert_eq!(carriers.len(), path.len().div_ceil(block.capacity()));
        prop_assert_eq!(block.unpack_all(&carriers).unwrap(), path.clone());
        // Each node is reached in order, at its own locator.
        let hops = block.expand(&carriers).unwrap();
        prop_assert_eq!(hops.iter().map(|hop| hop.sid).collect::<Vec<_>>(), path);
        for hop in &hops {
            let locator = block.locator(hop.sid).unwrap();
            let arrives = nl_core::IpPrefix::new(hop.arrives_with.into(), locator.len()).unwrap();
            prop_assert_eq!(arrives.network(), locator.addr());
        }
        prop_assert_eq!(hops.last().unwrap().kind, HopKind::Last);
    }

    #[test]
    fn arbitrary_addresses_never_panic(block in any_block(), addr: u128, inside: bool) {
        let mask = u128::MAX >> block.block_bits();
        let std::net::IpAddr::V6(base) = block.block().addr() else { unreachable!() };
        let addr = if inside { addr & mask | u128::from(base) } else { addr };
        let addr = Ipv6Addr::from(addr);
        let _ = (block.shifted(addr), block.expand(&[addr]));
        if let Ok(sids) = block.unpack(addr)
            && !sids.is_empty()
        {
            prop_assert_eq!(block.pack(&sids).unwrap(), [addr]);
        }
    }
}

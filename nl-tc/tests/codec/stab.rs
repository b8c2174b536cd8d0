//! Size tables.

use nl_core::message::MessageRef;
use nl_tc::leaf::PfifoConfig;
use nl_tc::qdisc::Qdisc;
use nl_tc::{LinkLayer, SizeTable, TcHandle, TcVerb};
use proptest::option;
use proptest::prelude::*;

use crate::{refused, sent};

fn qdisc(table: SizeTable) -> Qdisc {
    Qdisc::new(2, TcHandle::ROOT, PfifoConfig::new()).stab(table)
}

#[test]
fn atm_cell_counts_53_bytes_for_48() {
    let atm = SizeTable::new().link_layer(LinkLayer::Atm);
    for (packet, cells) in [(1, 1), (48, 1), (49, 2), (96, 2), (97, 3), (100, 3), (1500, 32)] {
        assert_eq!(atm.size(packet), Some(cells * 53), "{packet} bytes");
        assert_eq!(atm.overhead(48).size(packet), Some((cells + 1) * 53), "{packet} bytes and 48");
    }
}

#[test]
fn size_table_counts_as_the_manual_says() {
    // tc-stab(8): 128 slots of 16 bytes. The last one is for 2033 to 2048.
    let table = SizeTable::new().mpu(1).mtu(1500).slots(128);
    for (packet, size) in [(1, 16), (16, 16), (17, 32), (2033, 2048), (2048, 2048)] {
        assert_eq!(table.size(packet), Some(size), "{packet} bytes");
    }
    // Two tables' worth and the rest.
    assert_eq!(table.size(2048 + 17), Some(2048 + 32));
}

#[test]
fn size_table_without_sizes_adds_the_overhead() {
    assert_eq!(SizeTable::new().size(100), Some(100));
    assert_eq!(SizeTable::new().overhead(24).size(100), Some(124));
    assert_eq!(SizeTable::new().overhead(-200).size(100), Some(1));
}

#[test]
fn invalid_size_table_is_refused_with_the_limit() {
    let table = SizeTable::new().mpu(64);
    for (table, why) in [
        (table.slots(0), "tsize 0; 1 to 32748 are possible"),
        (table.slots(32_749), "tsize 32749; 1 to 32748 are possible"),
        (table.mtu(0), "mtu 0; 1 is the minimum"),
        (
            table.mtu(1 << 30).slots(1),
            "mtu 1073741824 with tsize 1 and mpu 64; a slot has at most 2^30 bytes",
        ),
        (table.link_layer(LinkLayer::Other(7)), "Other(7); ethernet and ATM are possible"),
    ] {
        let error = refused(qdisc(table).request(TcVerb::Add));
        assert!(error.ends_with(why), "{error}");
        assert_eq!(table.size(100), None);
    }
    let on_class = Qdisc::new(2, TcHandle::new(1, 1), PfifoConfig::new()).stab(table);
    let error = refused(on_class.request(TcVerb::Change));
    assert!(error.ends_with("a size table on 1:1; only the root qdisc can have one"), "{error}");
}

#[test]
fn size_table_round_trips() {
    let base = SizeTable::new();
    for table in [
        base.overhead(i32::MIN),
        base.mpu(u32::MAX).mtu(1).slots(512),
        base.mpu(9).mtu(u32::MAX).slots(32_748).overhead(-3),
        base.link_layer(LinkLayer::Atm).mtu(9000).slots(256),
        base.link_layer(LinkLayer::Ethernet).mpu(64).mtu(2047).slots(512),
    ] {
        let bytes = sent(qdisc(table).request(TcVerb::Add));
        let read = Qdisc::decode(MessageRef::parse(&bytes).unwrap()).unwrap().stab;
        assert_eq!(read, Some(table));
    }
    // Default values are decoded as set.
    let bytes = sent(qdisc(base.mpu(64)).request(TcVerb::Add));
    let read = Qdisc::decode(MessageRef::parse(&bytes).unwrap()).unwrap().stab;
    assert_eq!(read, Some(base.mpu(64).mtu(2047).slots(512)));
}

proptest! {
    /// Whatever the parameters: the table is decoded with the same sizes, or refused.
    #[test]
    fn any_size_table_round_trips_or_is_refused(
        overhead: i32,
        mpu in prop_oneof![Just(0), 1_u32..3000, any::<u32>()],
        mtu in option::of(prop_oneof![0_u32..3000, any::<u32>()]),
        slots in option::of(prop_oneof![0_u32..40, 30_000_u32..40_000]),
        atm: bool,
        packet in 0_u32..70_000,
    ) {
        let layer = if atm { LinkLayer::Atm } else { LinkLayer::Unaware };
        let mut table = SizeTable::new().overhead(overhead).mpu(mpu).link_layer(layer);
        (table.mtu, table.slots) = (mtu, slots);
        let mut request = qdisc(table).request(TcVerb::Add);
        let Ok(bytes) = request.encoded() else { return Ok(()) };
        let read = Qdisc::decode(MessageRef::parse(bytes).unwrap()).unwrap().stab.unwrap();
        prop_assert_eq!(read.size(packet), table.size(packet));
        let mut again = qdisc(read).request(TcVerb::Add);
        prop_assert_eq!(again.encoded().unwrap(), bytes);
    }
}

/// The kernel reports the parameters of a table, not its sizes.
#[test]
fn size_table_of_another_program_is_not_written_back() {
    let mut bytes = sent(qdisc(SizeTable::new().mpu(64)).request(TcVerb::Add));
    // cell_log 2, size_log 0, cell_align -1
    let [one, other] = (-1_i16).to_ne_bytes();
    let at = bytes.windows(4).position(|window| window == [2, 0, one, other]).unwrap();
    bytes[at + 1] = 3;
    let read = Qdisc::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    assert_eq!(read.stab.unwrap().size(100), None);
    let error = refused(read.request(TcVerb::Replace));
    assert!(
        error.ends_with("a size table of another program, whose sizes the kernel does not report"),
        "{error}"
    );
}

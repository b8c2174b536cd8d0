//! The stored corpora of the fuzz targets, replayed on stable.

use nl_testkit::corpus::Corpus;

fn corpus(target: &str) -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), target)
}

#[test]
fn stored_messages_break_nothing() {
    corpus("macsec_decode").replay(4, crate::check::check);
}

#[test]
fn stored_associations_break_nothing() {
    corpus("association_request").replay(8, crate::association::check);
}

/// The corpus begins with the golden bytes; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn corpus_of_messages_contains_the_golden_bytes() {
    use crate::golden::{DEVICE, SECY};
    use nl_core::message::MessageRef;
    use nl_macsec::secy::Secy;
    use nl_testkit::oracle::unhex;

    let payload = [unhex(SECY), lists()].concat();
    let secy = Secy::decode(MessageRef::from_parts(crate::FAMILY, 0, &payload)).unwrap();
    assert_eq!((secy.tx_sas.len(), secy.rx_scs.len(), secy.stats.in_packets_overrun), (1, 2, 8 << 32));
    assert!(secy.rx_scs.iter().all(|channel| channel.sas[0].next_pn == 7 && channel.stats.packets_ok == 1));
    let length = u32::try_from(16 + payload.len()).unwrap();
    let message = [&length.to_ne_bytes()[..], &[0x1c, 0, 2, 0], &[0; 8], &payload].concat();
    corpus("macsec_decode").holds_all([
        ("device", unhex(DEVICE)),
        ("payload_bare", unhex(SECY)),
        ("payload_full", payload),
        ("two_in_a_datagram", [&message[..], &message].concat()),
    ]);
}

/// Counters, an association that sends, and channels with one that receives, as they follow the options.
#[cfg(target_endian = "little")]
fn lists() -> Vec<u8> {
    let mut buf = nl_core::attr::AttrBuf::new();
    let mut w = buf.writer();
    for (nest, counters) in [(7, 4_u16), (8, 8)] {
        let mut stats = w.nested_unmarked(nest);
        for counter in 1..=counters {
            stats.u64(counter, u64::from(counter) << 32);
        }
    }
    {
        let mut list = w.nested_unmarked(5);
        let mut sa = list.nested_unmarked(1);
        sa.nested_unmarked(6).u32(6, 1).u32(7, u32::MAX);
        sa.u8(1, 3).u64(3, 1 << 33).bytes(5, &[1; 16]).u32(8, 1).u8(2, 1);
    }
    let mut list = w.nested_unmarked(6);
    for index in 1..=2_u8 {
        let mut channel = list.nested_unmarked(u16::from(index));
        channel.u8(2, 1).bytes(1, &[index; 8]);
        {
            let mut stats = channel.nested_unmarked(4);
            for counter in 1..=10 {
                stats.u64(counter, 1);
            }
        }
        let mut sas = channel.nested_unmarked(3);
        let mut sa = sas.nested_unmarked(1);
        sa.nested_unmarked(6).u32(1, 5).u32(3, 1);
        sa.u8(1, 0).u32(3, 7).bytes(5, &[2; 16]).u8(2, 0);
    }
    drop(list);
    buf.finish().unwrap()
}

/// The kernel has one order, and reading it is faster; a device reads the same in any.
#[test]
#[cfg(target_endian = "little")]
fn order_of_attributes_does_not_matter() {
    use crate::golden::SECY;
    use nl_core::message::MessageRef;
    use nl_macsec::secy::Secy;
    use nl_testkit::oracle::unhex;

    let mut payload = unhex(SECY);
    payload.extend(lists());
    let (header, attrs) = payload.split_at(4);
    let backwards = [header, &backwards(attrs, &mut Vec::new())].concat();
    assert_ne!(backwards, payload);
    let read = |payload: &[u8]| Secy::decode(MessageRef::from_parts(crate::FAMILY, 0, payload)).unwrap();
    assert_eq!(read(&backwards), read(&payload));
}

/// The attributes of a nest in reverse order, and so inside of each. Lists keep theirs.
#[cfg(target_endian = "little")]
fn backwards(attrs: &[u8], path: &mut Vec<u16>) -> Vec<u8> {
    let mut all = Vec::new();
    for attr in nl_core::attr::Attrs::new(attrs) {
        let attr = attr.unwrap();
        path.push(attr.kind());
        let is_nest = matches!(
            path[..],
            [4..=9] | [5 | 6, _] | [5, _, 6] | [6, _, 3 | 4] | [6, _, 3, _] | [6, _, 3, _, 6]
        );
        let value = if is_nest { backwards(attr.value(), path) } else { attr.value().to_vec() };
        path.pop();
        let mut buf = nl_core::attr::AttrBuf::new();
        buf.writer().bytes(attr.raw_kind(), &value);
        all.push(buf.finish().unwrap());
    }
    let is_list = matches!(path[..], [5 | 6] | [6, _, 3]);
    if !is_list {
        all.reverse();
    }
    all.concat()
}

/// Each suite with what it needs and with what it must not have, and texts.
#[test]
fn corpus_of_associations_contains_each_suite() {
    let input =
        |set: u8, suite: u8, number: u64| [&[set, suite, 1][..], &number.to_be_bytes(), &[0xab; 32]].concat();
    let (plain, xpn) = (0b0011_0111, 0b1111_0111);
    corpus("association_request").holds_all([
        ("aes_128", input(plain, 0, 1)),
        ("aes_256", input(plain | 8, 1, u64::from(u32::MAX))),
        ("xpn_128", input(xpn, 2, 1 << 32)),
        ("xpn_256", input(xpn | 8, 3, u64::MAX)),
        ("salt_without_xpn", input(xpn, 0, 1)),
        ("unknown_suite", input(plain, 9, 1)),
        ("update", input(0b0000_0111, 3, 1 << 40)),
        ("text_key", b"00112233445566778899aabbccddeeff".to_vec()),
        ("text_sci", b"1ceddeadbeef04d2".to_vec()),
    ]);
}

use std::net::IpAddr;

use nl_core::attr::{AttrBuf, AttrWriter, Attrs, DecodeError, EncodeError, Fields, MAX_VALUE_LEN, align};
use proptest::prelude::*;

/// What a list of attributes holds.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Leaf(u16, Vec<u8>),
    Nest(u16, Vec<Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let kind = 0..0x4000_u16;
    let leaf = (kind.clone(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(k, v)| Tree::Leaf(k, v));
    leaf.prop_recursive(5, 64, 8, move |inner| {
        (kind.clone(), prop::collection::vec(inner, 0..8)).prop_map(|(k, v)| Tree::Nest(k, v))
    })
}

fn write(w: &mut AttrWriter<'_>, trees: &[Tree]) {
    for tree in trees {
        match tree {
            Tree::Leaf(kind, value) => drop(w.bytes(*kind, value)),
            Tree::Nest(kind, inner) => write(&mut w.nested(*kind), inner),
        }
    }
}

fn read(attrs: Attrs<'_>) -> Result<Vec<Tree>, DecodeError> {
    attrs
        .map(|attr| {
            let attr = attr?;
            Ok(match attr.is_nested() {
                true => Tree::Nest(attr.kind(), read(attr.attrs())?),
                false => Tree::Leaf(attr.kind(), attr.value().to_vec()),
            })
        })
        .collect()
}

/// Reads everything in every way there is, and returns how many attributes it met.
fn explore(attrs: Attrs<'_>, depth: u32) -> usize {
    let mut met = 0;
    for attr in attrs {
        let Ok(attr) = attr else { break };
        met += 1;
        let _ = (attr.u8(), attr.u16(), attr.u32(), attr.u64(), attr.i32(), attr.i64());
        let _ = (attr.be16(), attr.be32(), attr.be64(), attr.ip(), attr.array::<6>());
        if let Ok(text) = attr.str() {
            assert!(!text.contains('\0'));
        }
        if depth > 0 {
            met += explore(attr.attrs(), depth - 1);
        }
    }
    met
}

proptest! {
    #[test]
    fn a_tree_of_attributes_reads_back_as_it_was_written(trees in prop::collection::vec(tree(), 0..8)) {
        let mut buf = AttrBuf::new();
        write(&mut buf.writer(), &trees);
        let bytes = buf.finish().unwrap();
        prop_assert_eq!(bytes.len(), align(bytes.len()));
        prop_assert_eq!(read(Attrs::new(&bytes)).unwrap(), trees);
    }

    #[test]
    fn arbitrary_bytes_are_read_to_an_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        // Every attribute takes 4 bytes or more on each level.
        prop_assert!(explore(Attrs::new(&bytes), 8) <= 9 * bytes.len().div_ceil(4));
    }

    #[test]
    fn a_damaged_tree_is_read_without_a_panic(
        trees in prop::collection::vec(tree(), 1..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut buf = AttrBuf::new();
        write(&mut buf.writer(), &trees);
        let mut bytes = buf.finish().unwrap();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        prop_assert!(explore(Attrs::new(&bytes), 8) <= 9 * bytes.len().div_ceil(4));
    }

    #[test]
    fn after_an_error_the_list_yields_nothing(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut attrs = Attrs::new(&bytes);
        if attrs.by_ref().any(|attr| attr.is_err()) {
            prop_assert!(attrs.is_empty());
            prop_assert!(attrs.next().is_none());
        }
    }

    #[test]
    fn numbers_read_back_as_they_were_written(a: u8, b: u16, c: u32, d: u64, e: i32, ip: IpAddr) {
        let mut buf = AttrBuf::new();
        let mut w = buf.writer();
        w.u8(1, a).u16(2, b).u32(3, c).u64(4, d).i32(5, e).be16(6, b).be32(7, c).be64(8, d).ip(9, ip);
        let bytes = buf.finish().unwrap();
        let at = |kind| Attrs::new(&bytes).find(kind).unwrap().unwrap();
        prop_assert_eq!((at(1).u8(), at(2).u16(), at(3).u32()), (Ok(a), Ok(b), Ok(c)));
        prop_assert_eq!((at(4).u64(), at(5).i32(), at(9).ip()), (Ok(d), Ok(e), Ok(ip)));
        prop_assert_eq!((at(6).be16(), at(7).be32(), at(8).be64()), (Ok(b), Ok(c), Ok(d)));
        prop_assert_eq!((at(6).value(), at(7).value()), (&b.to_be_bytes()[..], &c.to_be_bytes()[..]));
    }
}

/// [`Attrs::next_array`] for each of these, and a loop for the rest: what is read first is what a loop alone reads.
fn expecting<const N: usize>(bytes: &[u8], kinds: &[u16]) -> Result<Vec<(u16, Vec<u8>)>, DecodeError> {
    let mut attrs = Attrs::new(bytes);
    let mut read = Vec::new();
    for kind in kinds {
        if let Some(value) = attrs.next_array::<N>(*kind) {
            read.push((*kind, value.to_vec()));
        }
    }
    for attr in attrs {
        let attr = attr?;
        read.push((attr.raw_kind(), attr.value().to_vec()));
    }
    Ok(read)
}

proptest! {
    #[test]
    fn expected_attributes_are_read_as_a_loop_reads_them(
        list in prop::collection::vec((0..4_u16, prop::collection::vec(any::<u8>(), 0..9)), 0..6),
        kinds in prop::collection::vec(0..4_u16, 0..6),
        cut in 0..8_usize,
    ) {
        let mut buf = AttrBuf::new();
        for (kind, value) in &list {
            buf.writer().bytes(*kind, value);
        }
        let mut bytes = buf.finish().unwrap();
        bytes.truncate(bytes.len().saturating_sub(cut));
        let alone = expecting::<4>(&bytes, &[]);
        prop_assert_eq!(expecting::<4>(&bytes, &kinds), alone.clone());
        prop_assert_eq!(expecting::<1>(&bytes, &kinds), alone.clone());
        prop_assert_eq!(expecting::<8>(&bytes, &kinds), alone);
    }
}

#[test]
fn the_longest_value_fits() {
    assert_eq!(MAX_VALUE_LEN, 65_531);
    let mut buf = AttrBuf::new();
    buf.writer().bytes(1, &[7; 65_531]).u8(2, 1);
    let bytes = buf.finish().unwrap();
    let mut attrs = Attrs::new(&bytes);
    assert_eq!(attrs.next().unwrap().unwrap().value(), [7; 65_531]);
    assert_eq!(attrs.next().unwrap().unwrap().u8(), Ok(1));
}

#[test]
fn a_value_one_byte_longer_is_an_error_with_the_limit_in_the_text() {
    let mut buf = AttrBuf::new();
    buf.writer().bytes(9, &[7; 65_532]);
    let error = buf.finish().unwrap_err();
    assert_eq!(error, EncodeError::TooLong { kind: 9, len: 65_532 });
    assert_eq!(error.to_string(), "attribute 9: 65532 bytes, the limit is 65531");
}

#[test]
fn the_nul_byte_of_a_text_counts() {
    let mut buf = AttrBuf::new();
    buf.writer().str(1, &"x".repeat(65_530));
    assert_eq!(buf.finish().unwrap().len(), 65_536);
    let mut buf = AttrBuf::new();
    buf.writer().str(1, &"x".repeat(65_531));
    assert_eq!(buf.finish(), Err(EncodeError::TooLong { kind: 1, len: 65_532 }));
}

#[test]
fn a_nest_over_the_limit_is_an_error() {
    let mut buf = AttrBuf::new();
    let mut w = buf.writer();
    let mut nest = w.nested(26);
    for _ in 0..2 {
        nest.bytes(1, &[0; 32_768]);
    }
    drop(nest);
    w.u8(2, 1);
    assert_eq!(buf.finish(), Err(EncodeError::TooLong { kind: 26, len: 65_544 }));
}

#[test]
fn the_first_fault_is_the_one_reported() {
    let mut buf = AttrBuf::new();
    buf.writer().str(1, "a\0b").bytes(2, &[0; 70_000]);
    assert_eq!(buf.finish(), Err(EncodeError::Nul { kind: 1 }));
}

#[test]
fn a_text_with_a_nul_byte_is_an_error() {
    let mut buf = AttrBuf::new();
    buf.writer().str(3, "lo\0up");
    assert_eq!(buf.finish().unwrap_err().to_string(), "attribute 3: a NUL byte inside the text");
}

#[test]
fn a_text_ends_at_the_first_nul_byte_or_with_the_value() {
    let mut buf = AttrBuf::new();
    buf.writer().bytes(1, b"lo\0junk").bytes(2, b"lo").bytes(3, b"").bytes(4, b"\xff\0");
    let bytes = buf.finish().unwrap();
    let text = |kind| Attrs::new(&bytes).find(kind).unwrap().unwrap().str();
    assert_eq!((text(1), text(2), text(3)), (Ok("lo"), Ok("lo"), Ok("")));
    assert_eq!(text(4), Err(DecodeError::Value { kind: 4, why: "not UTF-8" }));
}

#[test]
fn a_nest_that_was_never_closed_is_refused_by_the_reader() {
    let mut buf = AttrBuf::new();
    std::mem::forget(buf.writer().nested(14));
    let bytes = buf.finish().unwrap();
    assert!(matches!(Attrs::new(&bytes).next(), Some(Err(DecodeError::Bounds { kind: 14, .. }))));
}

#[test]
fn a_length_field_that_reaches_past_the_end_is_an_error() {
    let mut bytes = 12_u16.to_ne_bytes().to_vec();
    bytes.extend(5_u16.to_ne_bytes());
    bytes.extend([0; 4]);
    assert_eq!(
        Attrs::new(&bytes).next().unwrap().unwrap_err(),
        DecodeError::Bounds { kind: 5, len: 12, left: 8 }
    );
}

#[test]
fn zero_bytes_behind_the_last_attribute_are_padding_and_others_are_not() {
    let mut bytes = 5_u16.to_ne_bytes().to_vec();
    bytes.extend([1, 0, 7, 0, 0, 0, 0, 0]);
    assert_eq!(Attrs::new(&bytes[..10]).count(), 1);
    bytes[9] = 1;
    assert_eq!(Attrs::new(&bytes[..10]).last().unwrap().unwrap_err(), DecodeError::Trailing(2));
}

#[test]
fn a_number_of_another_width_is_an_error() {
    let mut buf = AttrBuf::new();
    buf.writer().u32(5, 10);
    let bytes = buf.finish().unwrap();
    let attr = Attrs::new(&bytes).next().unwrap().unwrap();
    assert_eq!(attr.u16(), Err(DecodeError::Length { kind: 5, expected: 2, got: 4 }));
}

/// A structure of three kernels: each appended a field.
fn structure(bytes: &[u8]) -> Result<(u8, u16, Option<u32>, Option<u64>), DecodeError> {
    let mut f = Fields::of_attr(9, bytes);
    let first = f.u8()?;
    f.skip(1)?;
    Ok((first, f.be16()?, f.later(Fields::u32), f.later(Fields::u64)))
}

#[test]
fn fields_that_were_appended_are_none_on_earlier_kernels() {
    let bytes = [&[7, 0xa5, 1, 2][..], &3_u32.to_ne_bytes(), &4_u64.to_ne_bytes(), &[0xa5; 8]].concat();
    assert_eq!(structure(&bytes), Ok((7, 0x102, Some(3), Some(4))));
    assert_eq!(structure(&bytes[..16]), Ok((7, 0x102, Some(3), Some(4))));
    assert_eq!(structure(&bytes[..15]), Ok((7, 0x102, Some(3), None)));
    // Bytes that are left of a field cut in two are not taken for the next one.
    assert_eq!(structure(&bytes[..7]), Ok((7, 0x102, None, None)));
    assert_eq!(structure(&bytes[..3]), Err(DecodeError::Length { kind: 9, expected: 4, got: 3 }));
    let mut f = Fields::named("struct example", &bytes[..5]);
    assert_eq!(f.skip(6), Err(DecodeError::Short { what: "struct example", needed: 6, got: 5 }));
    assert_eq!((f.u32(), f.rest()), (Ok(u32::from_ne_bytes([7, 0xa5, 1, 2])), &bytes[4..5]));
    assert_eq!(f.u32(), Err(DecodeError::Short { what: "struct example", needed: 8, got: 5 }));
    assert_eq!(format!("{f:?}"), "Fields { len: 1 }");
}

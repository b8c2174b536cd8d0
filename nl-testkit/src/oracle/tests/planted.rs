use super::super::{Attr, BytesOracle, Field, Mismatch, Shape, messages};

const SHAPE: Shape =
    Shape::new("ndmsg", &[Field::new("ifindex", 4), Field::new("state", 2), Field::new("pad", 2)])
        .kinds(&[(28, "RTM_NEWNEIGH")])
        .attrs(&[
            Attr::new(2, "NDA_LLADDR"),
            Attr::new(5, "NDA_VLAN"),
            Attr::new(6, "PARMS").fields(&[
                Field::new("log", 1),
                Field::new("layer", 1),
                Field::new("rate", 4),
            ]),
            Attr::nest(7, "OPTIONS", &[Attr::new(1, "MORE")]).fields(&[Field::new("limit", 4)]),
            Attr::nest(14, "NDA_EXT", &[Attr::new(1, "NOTIFY"), Attr::new(2, "REFRESH")]),
        ]);

fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(state: u16, attrs: &[Vec<u8>]) -> Vec<u8> {
    let body = attrs.concat();
    let mut bytes = u32::try_from(24 + body.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend([28_u16, 0x605].map(u16::to_ne_bytes).concat());
    bytes.extend([7_u32, 9].map(u32::to_ne_bytes).concat());
    bytes.extend(5_u32.to_ne_bytes());
    bytes.extend(state.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(body);
    bytes
}

fn lladdr() -> Vec<u8> {
    attr(2, &[2, 0, 0, 0, 0, 1])
}

fn vlan(id: u16) -> Vec<u8> {
    attr(5, &id.to_ne_bytes())
}

fn ext(attrs: &[Vec<u8>]) -> Vec<u8> {
    attr(14 | 0x8000, &attrs.concat())
}

fn oracle() -> BytesOracle<'static> {
    BytesOracle::new(&SHAPE)
}

fn lines(result: Result<(), Mismatch>) -> Vec<String> {
    result.map_or_else(|mismatch| mismatch.lines().to_vec(), |()| Vec::new())
}

#[test]
fn sequence_port_and_order_do_not_count() {
    let ours = message(0x40, &[lladdr(), vlan(10), ext(&[attr(1, &[1]), attr(2, &[])])]);
    let mut theirs = message(0x40, &[ext(&[attr(2, &[]), attr(1, &[1])]), vlan(10), lladdr()]);
    theirs[8..16].copy_from_slice(&[0; 8]);
    assert_eq!(lines(oracle().compare(&ours, &theirs)), Vec::<String>::new());
    assert_eq!(
        lines(oracle().in_order().compare(&ours, &theirs)),
        [
            "NDA_EXT/order: ours NDA_EXT/NOTIFY NDA_EXT/REFRESH, theirs NDA_EXT/REFRESH NDA_EXT/NOTIFY",
            "order: ours NDA_LLADDR NDA_VLAN NDA_EXT, theirs NDA_EXT NDA_VLAN NDA_LLADDR"
        ]
    );
}

#[test]
fn the_fields_of_a_structure_are_compared_one_by_one() {
    let with = |parms: &[u8], options: &[u8]| message(0x40, &[attr(6, parms), attr(7, options)]);
    let options = [&[9, 0, 0, 0][..], &attr(1, &[1])].concat();
    let ours = with(&[3, 1, 1, 0, 0, 0], &options);
    assert_eq!(lines(oracle().compare(&ours, &ours)), Vec::<String>::new());
    let mut other = options.clone();
    (other[0], other[8]) = (8, 2);
    let theirs = with(&[0, 1, 2, 0, 0, 0, 7, 7], &other);
    assert_eq!(
        lines(oracle().compare(&ours, &theirs)),
        [
            "PARMS.log: ours 03, theirs 00",
            "PARMS.rate: ours 01 00 00 00, theirs 02 00 00 00",
            "PARMS.rest: only in theirs: 07 07",
            "OPTIONS.limit: ours 09 00 00 00, theirs 08 00 00 00",
            "OPTIONS/MORE: ours 01, theirs 02",
        ]
    );
    let listed = [("PARMS.log", ""), ("PARMS.rate", ""), ("PARMS.rest", ""), ("OPTIONS.limit", "")];
    let mismatch = oracle().except(&listed).compare(&ours, &theirs).unwrap_err();
    assert_eq!(mismatch.lines(), ["OPTIONS/MORE: ours 01, theirs 02"]);
    assert!(mismatch.to_string().contains("      log = 3"), "{mismatch}");
    // Cut off.
    assert_eq!(
        lines(oracle().compare(&ours, &with(&[3, 1, 1, 0], &options))),
        ["PARMS.rate: ours 01 00 00 00, theirs 01 00"]
    );
}

#[test]
fn each_planted_difference_is_found_at_its_path() {
    let ours = message(0x40, &[lladdr(), vlan(10), ext(&[attr(1, &[1])])]);
    let at_flags = {
        let mut bytes = ours.clone();
        bytes[6] = 0x04;
        bytes
    };
    let unmarked = message(0x40, &[lladdr(), vlan(10), attr(14, &attr(1, &[1]))]);
    let unpadded = {
        let mut bytes = ours.clone();
        bytes[35] = 0xa5;
        bytes
    };
    let unpadded_inside = {
        let mut bytes = ours.clone();
        bytes[53] = 1;
        bytes
    };
    for (theirs, line) in [
        (at_flags, "nlmsg_flags: ours 05 06, theirs 04 06"),
        (
            message(0x42, &[lladdr(), vlan(10), ext(&[attr(1, &[1])])]),
            "ndmsg.state: ours 40 00, theirs 42 00",
        ),
        (message(0x40, &[lladdr(), vlan(11), ext(&[attr(1, &[1])])]), "NDA_VLAN: ours 0a 00, theirs 0b 00"),
        (
            message(0x40, &[lladdr(), attr(5, &[10]), ext(&[attr(1, &[1])])]),
            "NDA_VLAN: ours 0a 00, theirs 0a",
        ),
        (message(0x40, &[lladdr(), ext(&[attr(1, &[1])])]), "NDA_VLAN: only in ours: 0a 00"),
        (
            message(0x40, &[lladdr(), vlan(10), ext(&[attr(1, &[1])]), attr(99, &[])]),
            "attribute 99: only in theirs: nothing",
        ),
        (message(0x40, &[lladdr(), vlan(10), ext(&[attr(1, &[3])])]), "NDA_EXT/NOTIFY: ours 01, theirs 03"),
        (
            message(0x40, &[lladdr(), vlan(10), ext(&[attr(1, &[1]), attr(7, &[2])])]),
            "NDA_EXT/attribute 7: only in theirs: 02",
        ),
        (message(0x40, &[lladdr(), vlan(10), ext(&[])]), "NDA_EXT/NOTIFY: only in ours: 01"),
        (unmarked, "NDA_EXT.bits: ours 0x8000, theirs 0x0000"),
        (unpadded, "NDA_LLADDR.padding: theirs is not zero: 00 a5"),
        (unpadded_inside, "NDA_EXT/NOTIFY.padding: theirs is not zero: 01 00 00"),
    ] {
        assert_eq!(lines(oracle().compare(&ours, &theirs)), [line]);
    }
}

#[test]
fn padding_of_ours_counts_even_in_a_nest_that_theirs_lacks() {
    let theirs = message(0x40, &[lladdr()]);
    let mut ours = message(0x40, &[lladdr(), ext(&[attr(1, &[1])])]);
    *ours.last_mut().unwrap() = 7;
    assert_eq!(
        lines(oracle().compare(&ours, &theirs)),
        [
            "NDA_EXT: only in ours: 05 00 01 00 01 00 00 07",
            "NDA_EXT/NOTIFY.padding: ours is not zero: 00 00 07"
        ]
    );
}

#[test]
fn repeated_attributes_are_compared_by_their_place() {
    let ours = message(0x40, &[vlan(1), vlan(2), vlan(3)]);
    let theirs = message(0x40, &[vlan(1), vlan(9), vlan(3)]);
    assert_eq!(lines(oracle().compare(&ours, &theirs)), ["NDA_VLAN[1]: ours 02 00, theirs 09 00"]);
    let ours = message(0x40, &[ext(&[attr(1, &[1])]), ext(&[attr(1, &[2])])]);
    let theirs = message(0x40, &[ext(&[attr(1, &[1])]), ext(&[attr(1, &[3])])]);
    assert_eq!(lines(oracle().compare(&ours, &theirs)), ["NDA_EXT[1]/NOTIFY: ours 02, theirs 03"]);
}

#[test]
fn what_is_listed_is_allowed_and_must_be_there() {
    let ours = message(0x40, &[lladdr()]);
    let theirs = message(0x42, &[lladdr(), vlan(10)]);
    let listed = [("ndmsg.state", "one bit is compared"), ("NDA_VLAN", "they always send it")];
    assert_eq!(lines(oracle().except(&listed).compare(&ours, &theirs)), Vec::<String>::new());
    assert_eq!(
        lines(oracle().except(&listed[..1]).compare(&ours, &theirs)),
        ["NDA_VLAN: only in theirs: 0a 00"]
    );
    assert_eq!(
        lines(oracle().except(&listed).compare(&ours, &message(0x42, &[lladdr()]))),
        ["NDA_VLAN: listed as different (they always send it), but it is the same"]
    );
}

#[test]
fn malformed_messages_are_reported_by_offset() {
    let good = message(0x40, &[lladdr(), ext(&[attr(1, &[1])])]);
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    for (bad, line) in [
        (
            good[..12].to_vec(),
            "ours is malformed at offset 0x0000: message length 48 where 12 bytes are left",
        ),
        (good[..2].to_vec(), "ours is malformed at offset 0x0000: no room for a message header"),
        ([&good[..], &[0; 4]].concat(), "ours is malformed at offset 0x0030: 4 bytes after a message of 48"),
        (changed(24, 3), "ours is malformed at offset 0x0018: attribute length 3 where 24 bytes are left"),
        (changed(24, 30), "ours is malformed at offset 0x0018: attribute length 30 where 24 bytes are left"),
        (changed(40, 9), "ours is malformed at offset 0x0028: attribute length 9 where 8 bytes are left"),
    ] {
        assert_eq!(lines(oracle().compare(&bad, &good)), [line]);
    }
    let differences = lines(oracle().compare(&good, &good[..12]));
    assert!(differences[0].starts_with("theirs is malformed"), "{differences:?}");
}

#[test]
fn a_failure_prints_both_messages_with_what_differs_marked() {
    let ours = message(0x40, &[lladdr(), ext(&[attr(1, &[1])])]);
    let theirs = message(0xc0, &[lladdr(), ext(&[attr(1, &[3])])]);
    let text = oracle().compare(&ours, &theirs).unwrap_err().to_string();
    let expected = "the requests are not the same
  ndmsg.state: ours 40 00, theirs c0 00
  NDA_EXT/NOTIFY: ours 01, theirs 03
ours:
  0000  30 00 00 00                                      nlmsg_len = 48
  0004  1c 00                                            nlmsg_type RTM_NEWNEIGH = 28
  0006  05 06                                            nlmsg_flags = 1541
  0008  07 00 00 00                                      nlmsg_seq = 7
  000c  09 00 00 00                                      nlmsg_pid = 9
  0010  05 00 00 00                                      ndmsg.ifindex = 5
! 0014  40 00                                            ndmsg.state = 64
  0016  00 00                                            ndmsg.pad = 0
  0018  0a 00 02 00                                      NDA_LLADDR (2), 6 bytes
  001c  02 00 00 00 00 01
  0022  00 00                                              padding
  0024  0c 00 0e 80                                      NDA_EXT (14) NESTED, 8 bytes
! 0028  05 00 01 00                                        NOTIFY (1), 1 bytes
! 002c  01                                                   = 1
  002d  00 00 00                                             padding
theirs:
";
    if cfg!(target_endian = "little") {
        assert!(text.starts_with(expected), "{text}");
    }
    assert!(text.contains("! 0014  c0 00 "), "{text}");
}

#[test]
fn a_datagram_is_split_into_its_messages() {
    let (one, two) = (message(1, &[lladdr()]), message(2, &[]));
    assert_eq!(messages(&[one.clone(), two.clone()].concat()).unwrap(), [&one[..], &two[..]]);
    assert_eq!(messages(&[]).unwrap(), Vec::<&[u8]>::new());
    assert_eq!(messages(&[&one[..], &[0; 30]].concat()).unwrap(), [&one[..]]);
    assert_eq!(messages(&[&one[..], &[0; 29], &[1]].concat()).unwrap_err().offset(), one.len());
    assert_eq!(messages(&[0; 30]).unwrap_err().offset(), 0);
    let error = messages(&[&one[..], &two[..20]].concat()).unwrap_err();
    assert_eq!(error.offset(), one.len());
}

#[test]
fn a_difference_of_some_versions_is_expected_of_those_only() {
    let (ours, theirs) = (message(0x40, &[]), message(0x80, &[]));
    let since = oracle().except_since("6.14", &[("ndmsg.state", "newer ones say so")]);
    let before = oracle().except_before("6.14", &[("ndmsg.state", "older ones say so")]);
    for version in ["ip utility, iproute2-6.14.0, libbpf 1.5.0", "iproute2-7.0.0", "6.15"] {
        assert!(since.clone().made_by(version).compare(&ours, &theirs).is_ok(), "{version}");
        assert!(since.clone().made_by(version).compare(&ours, &ours).is_err(), "{version}");
        assert!(before.clone().made_by(version).compare(&ours, &theirs).is_err(), "{version}");
        assert!(before.clone().made_by(version).compare(&ours, &ours).is_ok(), "{version}");
    }
    for version in ["iproute2-6.1.0.", "6.13.9"] {
        assert!(before.clone().made_by(version).compare(&ours, &theirs).is_ok(), "{version}");
        assert!(since.clone().made_by(version).compare(&ours, &ours).is_ok(), "{version}");
    }
}

#[test]
fn a_difference_of_some_versions_wants_the_version() {
    let (ours, theirs) = (message(0x40, &[]), message(0x80, &[]));
    let since = oracle().except_since("6.14", &[("ndmsg.state", "newer ones say so")]);
    let unknown = "ndmsg.state: listed for some versions, and made_by(\"\") names none";
    assert_eq!(lines(since.compare(&ours, &theirs)), [unknown]);
    assert!(since.made_by("BusyBox").compare(&ours, &theirs).is_err());
    let odd = oracle().except_since("v6", &[("ndmsg.state", "")]).made_by("6.1");
    assert!(lines(odd.compare(&ours, &theirs)).concat().contains("\"v6\" is no version"));
}

//! VLANs of devices: golden bytes, round trips, refusals.

use nl_bridge::VlanRange;
use nl_bridge::vlan::{
    DeviceVlanStats, DeviceVlans, VlanChange, VlanFlags, VlanMember, VlanTarget, VlanVerb,
};
use nl_core::attr::{AttrBuf, AttrWriter};
use nl_core::message::{AF_BRIDGE, MessageRef, NLM_F_ACK};
use proptest::prelude::*;

use crate::unhex;

/// `bridge vlan add dev port1 vid 10 pvid untagged` of iproute2 7.3; port1 is 5.
pub(crate) const ADD: &str =
    "2c000000130005000000000000000000070000000500000000000000000000000c001a000800020006000a00";
/// `bridge vlan add dev port1 vid 20-25`
pub(crate) const ADD_RANGE: &str = "340000001300050000000000000000000700000005000000000000000000000014001a000800020008001400\
                         0800020010001900";
/// `bridge vlan add dev br0 vid 10 self`; br0 is 3.
pub(crate) const ADD_SELF: &str = "340000001300050000000000000000000700000003000000000000000000000014001a000600000002000000\
                        0800020000000a00";
/// `bridge vlan del dev port1 vid 20-25`
pub(crate) const DELETE_RANGE: &str = "340000001100050000000000000000000700000005000000000000000000000014001a000800020008001400\
                            0800020010001900";

fn range(first: u16, last: u16) -> VlanRange {
    VlanRange::new(first, last).unwrap()
}

fn change(index: u32, members: &[VlanMember]) -> VlanChange {
    let mut change = VlanChange::new(index);
    change.members = members.to_vec();
    change
}

fn bytes(change: &VlanChange, verb: VlanVerb) -> Vec<u8> {
    change.request(verb).with_flags(NLM_F_ACK).encoded().unwrap().to_vec()
}

/// What a kernel would make of a request, as it would list it.
fn listed(request: &[u8]) -> DeviceVlans {
    let mut message = request.to_vec();
    message[4..6].copy_from_slice(&16_u16.to_ne_bytes());
    DeviceVlans::decode(MessageRef::parse(&message).unwrap()).unwrap()
}

#[test]
#[cfg(target_endian = "little")]
fn requests_have_the_bytes_of_iproute2() {
    let access = VlanMember::new(range(10, 10)).with(VlanFlags::PVID | VlanFlags::UNTAGGED);
    assert_eq!(bytes(&change(5, &[access]), VlanVerb::Add), unhex(ADD));
    let tagged = VlanMember::new(range(20, 25));
    assert_eq!(bytes(&change(5, &[tagged]), VlanVerb::Add), unhex(ADD_RANGE));
    assert_eq!(bytes(&change(5, &[tagged]), VlanVerb::Delete), unhex(DELETE_RANGE));
    let mut own = change(3, &[VlanMember::new(range(10, 10))]);
    own.target = VlanTarget::SELF;
    assert_eq!(bytes(&own, VlanVerb::Add), unhex(ADD_SELF));
}

#[test]
fn single_vlans_in_a_row_are_one_range() {
    let members: Vec<_> = [6, 4, 5].map(|vlan| VlanMember::new(range(vlan, vlan))).into();
    let sent = bytes(&change(5, &members), VlanVerb::Add);
    assert_eq!(sent, bytes(&change(5, &[VlanMember::new(range(4, 6))]), VlanVerb::Add));
    let read = listed(&sent);
    assert_eq!(read.members, [VlanMember::new(range(4, 6))]);
    let vlans: Vec<_> = read.members[0].vlans.iter().map(u16::from).collect();
    assert_eq!(vlans, [4, 5, 6]);
}

/// A message about device 5 of a list, as the kernel makes it.
fn row(master: Option<u32>, spec: impl Fn(&mut AttrWriter<'_>)) -> DeviceVlans {
    let mut buf = AttrBuf::new();
    let mut w = buf.writer();
    w.opt(10, master, AttrWriter::u32);
    spec(&mut w.nested(26));
    let header = [&[AF_BRIDGE, 0, 0, 0][..], &5_u32.to_ne_bytes(), &[0; 8]].concat();
    let payload = [&header[..], &buf.finish().unwrap()].concat();
    DeviceVlans::decode(MessageRef::from_parts(16, 0, &payload)).unwrap()
}

/// nispor/nispor#166: a driver has a message of its own about a port, which was taken for the port's and hid its VLANs.
#[test]
fn what_a_driver_keeps_is_not_taken_for_the_vlans_of_the_port() {
    let port = row(Some(3), |spec| {
        spec.bytes(2, &info([0, 10]));
    });
    assert_eq!((port.of_driver, port.members.len(), port.is_bridge()), (false, 1, false));
    // BRIDGE_FLAGS_SELF, and the mode of the switch in the card.
    let own = row(Some(3), |spec| {
        spec.u16(0, 2).u16(1, 0);
    });
    assert_eq!((own.of_driver, own.members.len()), (true, 0));
    let alone = row(None, |spec| {
        spec.u16(0, 2).u16(1, 1);
    });
    assert!(alone.of_driver && !alone.is_bridge());
    let with_vlans = row(None, |spec| {
        spec.u16(0, 2).bytes(2, &info([0, 7]));
    });
    assert_eq!((with_vlans.of_driver, with_vlans.members.len()), (true, 1));
}

fn info(info: [u16; 2]) -> Vec<u8> {
    info.map(u16::to_ne_bytes).concat()
}

#[test]
fn a_range_that_is_cut_off_is_an_error() {
    let device = |infos: &[[u16; 2]]| {
        let mut buf = AttrBuf::new();
        let mut w = buf.writer();
        let mut spec = w.nested(26);
        for info in infos {
            spec.bytes(2, info.map(u16::to_ne_bytes).as_flattened());
        }
        drop(spec);
        let payload = [&[AF_BRIDGE][..], &[0; 15], &buf.finish().unwrap()].concat();
        DeviceVlans::decode(MessageRef::from_parts(16, 0, &payload))
    };
    assert!(device(&[[8, 4], [16, 6]]).is_ok());
    for broken in [
        &[[8, 4]][..],
        &[[16, 6]],
        &[[8, 4], [8, 5]],
        &[[8, 4], [0, 6]],
        &[[8, 6], [16, 4]],
        &[[0, 0]],
        &[[0, 4095]],
    ] {
        assert!(device(broken).is_err(), "{broken:?}");
    }
}

#[test]
fn vlans_that_cannot_be_are_refused_with_the_limit() {
    let pvid = |first, last| VlanMember::new(range(first, last)).with(VlanFlags::PVID);
    for (members, why) in [
        (vec![], "no VLAN is given: name one at least"),
        (vec![pvid(10, 20)], "vlan range 10-20 as pvid; a pvid is one VLAN"),
        (vec![pvid(10, 10), pvid(12, 12)], "vlans 10 and 12 as pvid; a device has one"),
        (
            vec![VlanMember::new(range(15, 30)), VlanMember::new(range(10, 20))],
            "vlans 10-20 and 15-30 overlap: give each VLAN once",
        ),
    ] {
        let error = change(5, &members).request(VlanVerb::Add).encoded().unwrap_err();
        assert!(error.is_usage() && error.to_string().ends_with(why), "{error}");
    }
    // A range goes whatever its flags were.
    assert!(change(5, &[pvid(10, 20)]).request(VlanVerb::Delete).encoded().is_ok());
}

#[test]
fn a_long_change_is_described_in_short() {
    let members: Vec<_> = (1..=20).map(|n| VlanMember::new(range(n * 10, n * 10))).collect();
    let text = change(5, &members).request(VlanVerb::Add).describe();
    assert!(
        text.starts_with("add vlan dev #5 vid 10 vid 20") && text.ends_with(" vid 80 and 12 more"),
        "{text}"
    );
}

fn any_members() -> impl Strategy<Value = Vec<VlanMember>> {
    prop::collection::btree_map(1..=4094u16, 0..2u16, 1..300).prop_map(|vlans| {
        let member = |(vlan, untagged): (u16, u16)| {
            VlanMember::new(range(vlan, vlan)).with(VlanFlags::from_bits_retain(untagged << 2))
        };
        vlans.into_iter().map(member).collect()
    })
}

proptest! {
    #[test]
    fn every_set_of_vlans_reads_back_as_it_was_written(mut members in any_members(), reverse: bool) {
        let singles = |members: &[VlanMember]| {
            let one = |member: &VlanMember| member.vlans.iter().map(|vlan| (vlan, member.flags)).collect::<Vec<_>>();
            members.iter().flat_map(one).collect::<Vec<_>>()
        };
        let expected = singles(&members);
        if reverse {
            members.reverse();
        }
        let sent = bytes(&change(5, &members), VlanVerb::Add);
        let read = listed(&sent);
        prop_assert_eq!(singles(&read.members), expected);
        // The ranges are as long as they can be.
        for pair in read.members.windows(2) {
            let adjacent = pair[0].vlans.last().get() + 1 == pair[1].vlans.first().get();
            prop_assert!(!adjacent || pair[0].flags != pair[1].flags);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        for kind in [16, 17, 112] {
            let message = MessageRef::from_parts(kind, 0, &data);
            let _ = DeviceVlans::decode(message).map(|device| device.to_string());
            let _ = DeviceVlanStats::decode(message);
        }
    }

    #[test]
    fn arbitrary_vlan_lists_never_panic(infos in prop::collection::vec((0..7u16, prop::collection::vec(any::<u8>(), 0..8)), 0..20)) {
        let mut buf = AttrBuf::new();
        let mut w = buf.writer();
        let mut spec = w.nested(26);
        for (kind, value) in &infos {
            spec.bytes(*kind, value);
        }
        drop(spec);
        let payload = [&[AF_BRIDGE][..], &[0; 15], &buf.finish().unwrap()].concat();
        let _ = DeviceVlans::decode(MessageRef::from_parts(16, 0, &payload));
    }
}

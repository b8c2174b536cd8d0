//! Bytes that other programs and kernels made. Little-endian, as they were captured.
#![cfg(target_endian = "little")]

use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable};
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::{GenlCtrlAttrs, McastGrpAttrs, OpAttrs};
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use nl_core::MacAddr;
use nl_core::Request;
use nl_core::genl::Family;
use nl_core::link::Link;
use nl_core::message::{AF_BRIDGE, MessageRef, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NdMsg};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// `bridge fdb add 02:00:00:00:00:01 dev p0 master static vlan 10 activity_notify`, on 7.2.
const FDB_ADD: &str = "3c0000001c00050601000000000000000700000005000000400004000a0002000200000000010000060005000a000000\
                       0c000e800500010001000000";
/// The entry made by it, in the dump of `bridge fdb show dev p0`, on 7.2.
const FDB_ENTRY: &str = "600000001c00020001000000000000000700000005000000400000000a00020002000000000100000800090003000000\
                         08000f00000000001400030000000000000000000000000000000000060005000a0000000c000e800500010001000000";
/// `bridge link show dev vx0` asks for it: the bridge's view of a port, on 7.2.
const BRIDGE_LINK: &str = "f001000010000200010000000000000007000100060000004310010000000000080003007678300008000a0003000000\
                           08000400dc05000005001000000000000a000100fef5afe470ff000058010c8005000100030000000600020020000000\
                           0800030064000000050004000000000005000500000000000500060000000000050007000000000005001c0000000000\
                           0500080001000000050009000100000005001b000100000005001e000100000005000a000000000005000c0000000000\
                           0c000d00800092bc1f60ded00c000e00800092bc1f60ded006000f000280000006001000000000000600110002800000\
                           06001200020000000500130000000000050014000000000005001d000100000006001f00000000000500200000000000\
                           0500230000000000050024000000000005002100000000000500270000000000050028000000000005002b0000000000\
                           05002d00000000000c00150000000000000000000c0016007a050000000000000c001700000000000000000005001900\
                           0100000008002500000200000800260000000000080029000000000008002a00000000004c001a000800020008006400\
                           08000200100066001c0003000800010088130000060002006400000006000300080000001c000300080001008a130000\
                           06000200660000000600030010000000";
/// `genl ctrl get name nlctrl` is answered with it, on 6.18.
const NLCTRL: &str = "88000000100000000100000000000000010200000b0002006e6c6374726c000006000100100000000800030002000000\
                      080004000000000008000500000000002c000600140001000800010003000000080002000e0000001400020008000100\
                      0a000000080002000c0000001c0007001800010008000200100000000b0001006e6f746966790000";

#[test]
fn a_request_has_the_bytes_of_iproute2() {
    let header = NdMsg { family: AF_BRIDGE, index: 5, state: 0x40, flags: 4, kind: 0 };
    let mut request =
        Request::unnamed(28).with_flags(NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).with_header(&header);
    request.attrs().bytes(2, &[2, 0, 0, 0, 0, 1]).u16(5, 10).nested(14).u8(1, 1);
    let mut expected = bytes(FDB_ADD);
    // The sequence number is the connection's business.
    expected[8] = 0;
    assert_eq!(request.encoded().unwrap(), expected);
}

#[test]
fn an_fdb_entry_of_the_kernel_reads_as_it_was_made() {
    let bytes = bytes(FDB_ENTRY);
    let (header, attrs) = MessageRef::parse(&bytes).unwrap().header::<NdMsg>().unwrap();
    assert_eq!(header, NdMsg { family: AF_BRIDGE, index: 5, state: 0x40, flags: 0, kind: 0 });
    let mac = MacAddr::from_attr(attrs.find(2).unwrap().unwrap());
    assert_eq!(mac, Ok(MacAddr::new([2, 0, 0, 0, 0, 1])));
    assert_eq!(attrs.find(5).unwrap().unwrap().u16(), Ok(10));
    let extended = attrs.find(14).unwrap().unwrap();
    assert!(extended.is_nested() && !extended.is_net_byteorder());
    assert_eq!(extended.attrs().next().unwrap().unwrap().u8(), Ok(1));
    assert!(attrs.map(Result::unwrap).map(|attr| attr.kind()).eq([2, 9, 15, 3, 5, 14]));
}

#[test]
fn the_bridge_view_of_a_port_reads_as_a_link() {
    let bytes = bytes(BRIDGE_LINK);
    let link = Link::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    assert_eq!((link.index, link.name.as_str(), link.master, link.mtu), (6, "vx0", Some(3), 1500));
    assert_eq!(link.mac(), Some("fe:f5:af:e4:70:ff".parse().unwrap()));
    assert!(link.is_up());
}

#[test]
fn a_family_of_the_kernel_reads_as_it_is() {
    let bytes = bytes(NLCTRL);
    let family = Family::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    assert_eq!((family.id, family.name.as_str(), family.version, family.max_attr), (16, "nlctrl", 2, 0));
    assert_eq!(family.group("notify").unwrap(), 16);
    let operations: Vec<_> = family.operations.iter().map(|op| (op.id, op.flags)).collect();
    assert_eq!(operations, [(3, 0x0e), (10, 0x0c)]);
}

#[test]
fn netlink_packet_generic_reads_the_same_from_a_family_of_the_kernel() {
    let bytes = bytes(NLCTRL);
    let ours = Family::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    let theirs = NetlinkMessage::<GenlMessage<GenlCtrl>>::deserialize(&bytes).unwrap();
    let NetlinkPayload::InnerMessage(theirs) = theirs.payload else { panic!("{theirs:?}") };
    let mut family = Family::default();
    for attr in theirs.payload.nlas {
        match attr {
            GenlCtrlAttrs::FamilyId(id) => family.id = id,
            GenlCtrlAttrs::FamilyName(name) => family.name = name,
            GenlCtrlAttrs::Version(version) => family.version = version,
            GenlCtrlAttrs::MaxAttr(max) => family.max_attr = max,
            GenlCtrlAttrs::McastGroups(groups) => family.groups.extend(groups.iter().map(group)),
            _ => {}
        }
    }
    family.operations.clone_from(&ours.operations);
    assert_eq!(family, ours);
}

#[test]
fn a_family_written_by_netlink_packet_generic_reads_the_same() {
    let operation = vec![OpAttrs::Id(3), OpAttrs::Flags(14)];
    let group = vec![McastGrpAttrs::Id(21), McastGrpAttrs::Name("events".into())];
    let message = GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::NewFamily,
        nlas: vec![
            GenlCtrlAttrs::FamilyId(31),
            GenlCtrlAttrs::FamilyName("mptcp_pm".into()),
            GenlCtrlAttrs::Version(1),
            GenlCtrlAttrs::HdrSize(0),
            GenlCtrlAttrs::MaxAttr(7),
            GenlCtrlAttrs::Ops(vec![operation]),
            GenlCtrlAttrs::McastGroups(vec![group]),
        ],
    });
    let mut payload = vec![0; message.buffer_len()];
    message.serialize(&mut payload);
    let family = Family::decode(MessageRef::from_parts(message.message_type(), 0, &payload)).unwrap();
    assert_eq!((family.id, family.name.as_str(), family.version, family.max_attr), (31, "mptcp_pm", 1, 7));
    assert_eq!(family.groups, [("events".to_owned(), 21)]);
    assert_eq!(family.operations.iter().map(|op| (op.id, op.flags)).collect::<Vec<_>>(), [(3, 14)]);
}

#[test]
fn netlink_packet_route_reads_our_link_request_as_it_was_meant() {
    use netlink_packet_core::NetlinkDeserializable;
    use netlink_packet_route::RouteNetlinkMessage;
    use netlink_packet_route::link::LinkAttribute;
    let header = nl_core::message::IfInfoMsg { index: 7, ..Default::default() };
    let mut request = Request::unnamed(18).with_header(&header);
    request.attrs().str(3, "swp1").u32(4, 9000);
    let bytes = request.encoded().unwrap();
    let mut outer = NetlinkHeader::default();
    outer.message_type = 18;
    let message = RouteNetlinkMessage::deserialize(&outer, &bytes[16..]).unwrap();
    let RouteNetlinkMessage::GetLink(link) = message else { panic!("{message:?}") };
    assert_eq!(link.header.index, 7);
    assert_eq!(link.attributes, [LinkAttribute::IfName("swp1".into()), LinkAttribute::Mtu(9000)]);
}

fn group(attrs: &Vec<McastGrpAttrs>) -> (String, u32) {
    let mut group = (String::new(), 0);
    for attr in attrs {
        match attr {
            McastGrpAttrs::Name(name) => group.0.clone_from(name),
            McastGrpAttrs::Id(id) => group.1 = *id,
        }
    }
    group
}

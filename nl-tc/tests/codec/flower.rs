//! `flower`: keys that round-trip, and keys that the kernel would ignore.

use nl_core::message::{MessageRef, TcMsg};
use nl_tc::action::Action;
use nl_tc::filter::{Filter, FilterConfig, Flower, FlowerKey, IPV4};
use nl_tc::{TcHandle, TcVerb};

use crate::refused;

const CLASS: TcHandle = TcHandle::new(1, 0x10);

fn filter(config: impl Into<FilterConfig>) -> Filter {
    Filter::new(2, TcHandle::CLSACT_INGRESS, config).priority(5).protocol(IPV4)
}

fn keys() -> Vec<FlowerKey> {
    use FlowerKey::*;
    let v4 = std::net::Ipv4Addr::new(192, 0, 2, 7);
    let v6 = "2001:db8::7".parse().unwrap();
    vec![
        CvlanEthType(0x800),
        CvlanId(7),
        CvlanPrio(3),
        EncKeyId(77),
        VlanEthType(0x8100),
        VlanId(4094),
        VlanPrio(7),
        ArpOp(1, 0xff),
        ArpSip(v4, v4),
        ArpTip(v4, v4),
        CtMark(5, 0xff),
        CtState(1, 3),
        CtZone(9, 0xffff),
        EthDst([1, 2, 3, 4, 5, 6], [0xff; 6]),
        EthSrc([1, 2, 3, 4, 5, 6], [0xff, 0xff, 0, 0, 0, 0]),
        IpFlags(1, 1),
        Ipv4Dst(v4, v4),
        Ipv4Src(v4, v4),
        Ipv6Dst(v6, v6),
        Ipv6Src(v6, v6),
        IpTos(0x28, 0xfc),
        IpTtl(64, 0xff),
    ]
}

#[test]
fn flower_round_trips() {
    let all = keys().into_iter().fold(Flower::new().classid(CLASS), Flower::key);
    let ports = Flower::ipv6()
        .key(FlowerKey::IpProto(6))
        .key(FlowerKey::TcpSrc(1024, 0xfc00))
        .key(FlowerKey::TcpDst(443, 0xffff))
        .key(FlowerKey::TcpFlags(2, 0x17))
        .key(FlowerKey::PortSrcMin(5))
        .key(FlowerKey::PortSrcMax(6))
        .action(Action::drop());
    for desired in [filter(all).protocol(0x88a8), filter(ports)] {
        let mut request = desired.request(TcVerb::Add);
        let bytes = request.encoded().unwrap().to_vec();
        let read = Filter::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
        assert!(desired.config.is_met_by(&read.config), "{desired:?}\n{read:?}");
        assert_eq!(read.request(TcVerb::Add).encoded().unwrap(), bytes);
    }
}

/// The kernel takes keys of a VLAN only with the protocol of its tag, and reports that of the packet inside.
#[test]
fn keys_of_a_vlan_are_sent_with_the_protocol_of_its_tag() {
    let vlan = || Flower::new().classid(CLASS).key(FlowerKey::VlanId(7));
    let inside = filter(vlan().key(FlowerKey::EthType(IPV4))).protocol(0x8100);
    let mut request = inside.request(TcVerb::Add);
    let bytes = request.encoded().unwrap().to_vec();
    let (_, attrs) = MessageRef::parse(&bytes).unwrap().header::<TcMsg>().unwrap();
    let options = attrs.find(2).unwrap().unwrap();
    let value = |kind| options.attrs().find(kind).unwrap().map(|attr| attr.be16().unwrap());
    // ETH_TYPE, VLAN_ETH_TYPE
    assert_eq!((value(8), value(25)), (Some(0x8100), Some(IPV4)));
    let reported = filter(vlan().key(FlowerKey::EthType(IPV4)).key(FlowerKey::VlanEthType(IPV4)));
    assert!(inside.config.is_met_by(&reported.config));
    let error = refused(filter(vlan()).request(TcVerb::Add));
    let why = "vlan_id 7 in a filter of protocol 0x800; 0x8100 (802.1Q) or 0x88a8 (802.1ad) is needed";
    assert!(error.ends_with(why), "{error}");
}

#[test]
fn flower_is_written_in_the_words_of_tc() {
    let flower = Flower::ipv4()
        .key(FlowerKey::IpProto(6))
        .dst_ip("192.0.2.0".parse().unwrap(), 24)
        .key(FlowerKey::TcpDst(443, 0xffff))
        .key(FlowerKey::EthSrc([2, 0, 0, 0, 0, 9], [0xff; 6]))
        .classid(CLASS);
    let words =
        "eth_type 2048 ip_proto 6 dst_ip 192.0.2.0/255.255.255.0 dst_port 443 src_mac 02:00:00:00:00:09";
    assert_eq!(FilterConfig::from(flower).to_string(), format!("flower {words} classid 1:10"));
}

/// The kernel answers success, and matches more packets than were meant.
#[test]
fn key_that_the_kernel_would_ignore_is_refused() {
    let flower = || Flower::ipv4().classid(CLASS);
    for (flower, why) in [
        (flower().key(FlowerKey::TcpDst(443, 0xffff)), "dst_port 443 without ip_proto, of [6]"),
        (
            flower().key(FlowerKey::IpProto(17)).key(FlowerKey::TcpDst(443, 0xffff)),
            "dst_port 443 without ip_proto, of [6]",
        ),
        (
            Flower::new().classid(CLASS).key(FlowerKey::IpProto(6)),
            "ip_proto 6 without the protocol of IPv4 or IPv6: Flower::ipv4() or ipv6()",
        ),
        (flower().key(FlowerKey::EthType(1)), "two keys of one field: eth_type 2048 and eth_type 1"),
        (
            flower().key(FlowerKey::IpProto(6)).key(FlowerKey::PortDstMin(1)),
            "a range of ports with one end; both are needed",
        ),
        (Flower::ipv4(), "classid none; a classid like 1:10 is needed"),
    ] {
        let error = refused(filter(flower).request(TcVerb::Add));
        assert!(error.ends_with(why), "{error}\nexpected: {why}");
    }
}

//! Filters and shared actions: every option whose request `tc` makes from its words alone.

use nl_core::Request;
use nl_core::message::NLM_F_ACK;
use nl_tc::action::{Action, Mirred, Police, Verdict, flush_request};
use nl_tc::filter::{
    Filter, FilterConfig, Flower, FlowerKey, Fw, IPV4, IPV6, Matchall, Offload, U32, U32Key, U32Offset,
    U32Table,
};
use nl_tc::{Rate, TcVerb};

use super::action::{self, resolved};
use super::differences::{
    ACTIONS_OF_FLOWER, ACTIONS_OF_FW, ACTIONS_OF_MATCHALL, ACTIONS_OF_U32, Difference, FLOWER, FLUSH,
    NOT_MARKED, RATE_TABLE, RATE_TABLES, SHARED, TCP_PORT, UDP_PORT,
};
use super::{CLASS, Line, QDISC, shape};

/// Every line about filters.
pub(crate) fn lines() -> Vec<Line> {
    [actions(), matchall(), fw(), flower(), u32()].into_iter().flatten().collect()
}

/// Actions that filters share.
pub(crate) fn shared() -> Vec<Line> {
    let of = |words: &str, ours: fn() -> Request| Line {
        command: format!("tc actions {words}"),
        shape: shape::of("action"),
        ours: Box::new(move |_: u32| ours().with_flags(NLM_F_ACK)),
        on_purpose: SHARED.to_vec(),
        of_habits: Vec::new(),
        tables: &[],
        stored: false,
    };
    vec![
        of("add action drop index 9", || Action::drop().index(9).request(TcVerb::Add)),
        of("replace action drop index 9", || Action::drop().index(9).request(TcVerb::Replace)),
        of("add action drop", || Action::drop().request(TcVerb::Add)),
        of("del action gact index 9", || Action::drop().index(9).request(TcVerb::Delete)),
        Line { on_purpose: [SHARED, &[FLUSH]].concat(), ..of("flush action gact", || flush_request("gact")) },
    ]
}

/// Each list of actions, on a filter for every packet.
fn actions() -> Vec<Line> {
    let drops = |police: Police| vec![Action::from(police).verdict(Verdict::Drop)];
    // A byte a microsecond: exact for each release of `tc`.
    let exact = || Police::new(Rate::mbit(8), 10 * 1024_u32);
    let policers = [
        ("action police rate 8mbit burst 10k conform-exceed drop", drops(exact())),
        (
            "action police rate 8mbit burst 10k mtu 64k conform-exceed drop/pipe",
            drops(exact().mtu(64 * 1024).conform(Verdict::Pipe)),
        ),
        (
            "action police rate 8mbit burst 10k peakrate 16mbit mtu 2000 conform-exceed drop",
            drops(exact().peak_rate(Rate::mbit(16)).mtu(2000)),
        ),
    ];
    let others = action::actions().into_iter().filter(|(words, _)| !words.contains(" police "));
    let on_all = |(words, actions): action::ActionLine| {
        let count = actions.len();
        let rest = format!("prio 5 matchall {words}");
        line(&rest, "matchall", ACTIONS_OF_MATCHALL.get(..1 + count).unwrap_or_default(), move |index| {
            filter(index, resolved(actions.clone(), index)).priority(5)
        })
    };
    let policers = policers.map(|line| {
        let tables = if line.0.contains("peakrate") { RATE_TABLES } else { RATE_TABLE };
        Line { tables, ..on_all(line) }
    });
    others.map(on_all).chain(policers).collect()
}

fn matchall() -> Vec<Line> {
    vec![
        line("prio 5 matchall skip_hw classid 1:10", "matchall", &[], |index| {
            filter(index, Matchall::new(CLASS).offload(Offload::SkipHw)).priority(5)
        }),
        line("prio 5 matchall skip_sw classid 1:10", "matchall", &[], |index| {
            filter(index, Matchall::new(CLASS).offload(Offload::SkipSw)).priority(5)
        }),
        line("prio 5 protocol ip chain 7 matchall classid 1:10", "matchall", &[], |index| {
            filter(index, Matchall::new(CLASS)).priority(5).protocol(IPV4).chain(7)
        }),
    ]
}

fn fw() -> Vec<Line> {
    vec![
        line("prio 5 protocol ip handle 7 fw classid 1:10", "fw", &[], |index| {
            filter(index, Fw::new(CLASS)).priority(5).protocol(IPV4).handle(7)
        }),
        line("prio 5 protocol ip handle 7/0xff fw classid 1:10", "fw", &[], |index| {
            filter(index, Fw::new(CLASS).mask(0xff)).priority(5).protocol(IPV4).handle(7)
        }),
        line("prio 5 protocol ip handle 7 fw action drop", "fw", ACTIONS_OF_FW, |index| {
            filter(index, Fw::actions([Action::drop()])).priority(5).protocol(IPV4).handle(7)
        }),
    ]
}

/// The keys: those that `tc` always sends with a mask, those that have none, and ports.
fn flower() -> Vec<Line> {
    let v4 = Flower::ipv4;
    let icmp = || v4().key(FlowerKey::IpProto(1));
    let tcp = || v4().key(FlowerKey::IpProto(6));
    let cases = [
        ("ip", "dst_ip 192.0.2.0/24", v4().dst_ip([192, 0, 2, 0].into(), 24)),
        ("ip", "src_ip 192.0.2.7", v4().src_ip([192, 0, 2, 7].into(), 32)),
        ("ip", "ip_tos 0x28/0xfc", v4().key(FlowerKey::IpTos(0x28, 0xfc))),
        ("ip", "ip_ttl 64", v4().key(FlowerKey::IpTtl(64, 0xff))),
        ("ip", "dst_mac 02:00:00:00:00:09", v4().key(FlowerKey::EthDst([2, 0, 0, 0, 0, 9], [0xff; 6]))),
        ("ip", "src_mac 02:00:00:00:00:08", v4().key(FlowerKey::EthSrc([2, 0, 0, 0, 0, 8], [0xff; 6]))),
        ("ip", "ip_proto tcp tcp_flags 0x2/0x17", tcp().key(FlowerKey::TcpFlags(2, 0x17))),
        (
            "ip",
            "ip_proto icmp type 8 code 0",
            icmp().key(FlowerKey::Icmpv4Type(8, 0xff)).key(FlowerKey::Icmpv4Code(0, 0xff)),
        ),
        ("ipv6", "ip_proto udp", Flower::ipv6().key(FlowerKey::IpProto(17))),
    ];
    let ports = [
        ("ip", "ip_proto tcp dst_port 443", tcp().key(FlowerKey::TcpDst(443, 0xffff)), TCP_PORT),
        (
            "ip",
            "ip_proto udp dst_port 53",
            v4().key(FlowerKey::IpProto(17)).key(FlowerKey::UdpDst(53, 0xffff)),
            UDP_PORT,
        ),
        ("ip", "ip_proto tcp dst_port 256/0xff00", tcp().key(FlowerKey::TcpDst(256, 0xff00)), NO_DIFFERENCE),
        (
            "ip",
            "ip_proto tcp dst_port 1000-2000",
            tcp().key(FlowerKey::PortDstMin(1000)).key(FlowerKey::PortDstMax(2000)),
            NO_DIFFERENCE,
        ),
    ];
    let both = |(protocol, words, flower, masks): FlowerCase| {
        let number = if protocol == "ip" { IPV4 } else { IPV6 };
        let class = {
            let flower = flower.clone().classid(CLASS);
            let rest = format!("prio 5 protocol {protocol} flower {words} classid 1:10");
            line(&rest, "flower", &[FLOWER, masks].concat(), move |index| {
                filter(index, flower.clone()).priority(5).protocol(number)
            })
        };
        let rest = format!("prio 5 protocol {protocol} flower {words} action drop");
        let drop = line(&rest, "flower", &[FLOWER, ACTIONS_OF_FLOWER, masks].concat(), move |index| {
            filter(index, flower.clone().action(Action::drop())).priority(5).protocol(number)
        });
        [class, drop]
    };
    let skip_hw =
        line("prio 5 protocol ip flower skip_hw dst_ip 192.0.2.7 classid 1:10", "flower", &[], |index| {
            let flower = Flower::ipv4().dst_ip([192, 0, 2, 7].into(), 32);
            filter(index, flower.offload(Offload::SkipHw).classid(CLASS)).priority(5).protocol(IPV4)
        });
    let cases = cases.map(|(protocol, words, flower)| (protocol, words, flower, NO_DIFFERENCE));
    cases.into_iter().chain(ports).flat_map(both).chain([skip_hw]).collect()
}

/// The protocol, the words, the filter, and the differences of its keys.
type FlowerCase = (&'static str, &'static str, Flower, &'static [Difference]);

const NO_DIFFERENCE: &[Difference] = &[];

fn u32() -> Vec<Line> {
    let at = |index, config: U32| filter(index, config).priority(5).protocol(IPV4);
    vec![
        line(
            "prio 5 protocol ip u32 match ip dst 192.0.2.7 action drop",
            "u32",
            ACTIONS_OF_U32,
            move |index| {
                at(index, U32::to([192, 0, 2, 7].into(), nl_tc::TcHandle::NONE).action(Action::drop()))
            },
        ),
        line(
            "prio 5 protocol ip u32 match ip dst 192.0.2.7 action mirred egress redirect dev eth0",
            "u32",
            ACTIONS_OF_U32,
            move |index| {
                let to = U32::to([192, 0, 2, 7].into(), nl_tc::TcHandle::NONE);
                at(index, to.action(Mirred::redirect(index)))
            },
        ),
        line(
            "prio 5 protocol ip u32 match ip dst 192.0.2.7 match mark 6 0xff classid 1:10",
            "u32",
            &[],
            move |index| at(index, U32::to([192, 0, 2, 7].into(), CLASS).mark(6, 0xff)),
        ),
        line("prio 5 protocol ip handle 2: u32 divisor 256", "u32", &[], |index| {
            filter(index, U32Table::new(256)).priority(5).protocol(IPV4).handle(U32Table::number(2))
        }),
        line(
            "prio 5 protocol ip u32 ht 2:1b: match u32 0x1bb 0xffff at nexthdr+0 classid 1:10",
            "u32",
            &[],
            move |index| {
                let port = U32Key::at_nexthdr(0, 443, 0xffff);
                at(index, U32::new(CLASS, [port]).table(U32Table::bucket(2, 0x1b)))
            },
        ),
        line(
            "prio 5 protocol ip u32 match ip protocol 6 0xff link 2: offset at 0 mask 0f00 shift 6 \
             hashkey mask 0x000000ff at 0",
            "u32",
            &[],
            move |index| {
                let tcp = U32Key::at(8, 6 << 16, 0xff << 16);
                let link = U32::linking(U32Table::number(2), [tcp]);
                at(index, link.offset(U32Offset::IPV4).hash_key(0xff, 0))
            },
        ),
    ]
}

fn filter(index: u32, config: impl Into<FilterConfig>) -> Filter {
    Filter::new(index, QDISC, config)
}

/// A filter of the qdisc that is added. The options are not marked as a nest by `tc`.
fn line(words: &str, kind: &str, on_purpose: &[Difference], ours: impl Fn(u32) -> Filter + 'static) -> Line {
    Line {
        command: format!("tc filter add dev eth0 parent 1: {words}"),
        shape: shape::of(kind),
        ours: Box::new(move |index| ours(index).request(TcVerb::Add).with_flags(NLM_F_ACK)),
        on_purpose: [NOT_MARKED, on_purpose].concat(),
        of_habits: Vec::new(),
        tables: &[],
        stored: false,
    }
}

//! Rules: arbitrary ones survive the wire, arbitrary bytes never panic, every refusal.

use nl_core::attr::RawAttr;
use nl_core::message::MessageRef;
use nl_core::rule::{
    PortRange, RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE, Rule, RuleAction, RuleEvent, RuleFilter, RuleFlags,
    RuleVerb, UidRange,
};
use nl_core::{IpFamily, IpPrefix, Request};
use proptest::option;
use proptest::prelude::*;

use crate::support::{refusal, unhex};

const READ_ONLY: u32 = 0x4 | 0x8 | 0x10;

fn v4() -> Rule {
    Rule::new(IpFamily::V4)
}

fn v6() -> Rule {
    Rule::new(IpFamily::V6)
}

fn decode(mut request: Request) -> Rule {
    Rule::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap()
}

fn network(v4: bool) -> BoxedStrategy<IpPrefix> {
    if v4 {
        let network = |(bits, len): (u32, u8)| {
            let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            IpPrefix::new(std::net::Ipv4Addr::from(bits & mask).into(), len).unwrap()
        };
        (any::<u32>(), 0..=32u8).prop_map(network).boxed()
    } else {
        let network = |(bits, len): (u128, u8)| {
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            IpPrefix::new(std::net::Ipv6Addr::from(bits & mask).into(), len).unwrap()
        };
        (any::<u128>(), 0..=128u8).prop_map(network).boxed()
    }
}

prop_compose! {
    /// One that is never refused.
    fn valid_rule(is_v4: bool)(
        (src, dst) in (option::of(network(is_v4)), option::of(network(is_v4))),
        (priority, tos, fwmark) in (1..1000u32, option::of(0..64u8), option::of((any::<u32>(), option::of(any::<u32>())))),
        (iif, oif) in (option::of("[a-z.0-9]{1,15}"), option::of("[a-z.0-9]{1,15}")),
        (uids, ip_proto, tun_id) in (option::of((any::<u32>(), any::<u32>())), option::of(1..=255u8), option::of(any::<u64>())),
        (sport, dport) in (option::of((1..65535u16, 1..65535u16)), option::of((1..65535u16, any::<u16>()))),
        (dscp, flowlabel) in (option::of((0..64u8, option::of(0..64u8))), option::of((0..=0xf_ffffu32, 0..=0xf_ffffu32))),
        (action, table, suppress) in (0..8u8, 1..=u32::MAX, option::of((0..=32u32, 0..1000u32))),
        (realms, protocol, flags) in (option::of(any::<u32>()), option::of(1..=255u8), any::<u32>()),
        other in prop::collection::vec((31..0x3fff_u16, prop::collection::vec(any::<u8>(), 0..9)), 0..3),
    ) -> Rule {
        let mut rule = if is_v4 { v4() } else { v6() };
        (rule.src, rule.dst, rule.priority) = (src, dst, Some(priority));
        (rule.iif, rule.oif, rule.ip_proto, rule.tun_id) = (iif, oif, ip_proto, tun_id);
        rule.uid_range = uids.map(|(a, b)| UidRange { first: a.min(b), last: a.max(b) });
        rule.sport = sport.map(|(a, b)| PortRange { first: a.min(b), last: a.max(b) });
        if let Some((port, mask)) = dport {
            rule = rule.dport_masked(port, mask | port);
        }
        match (dscp, tos) {
            (Some((dscp, mask)), _) => (rule.dscp, rule.dscp_mask) = (Some(dscp), mask.map(|mask| mask | dscp)),
            (None, Some(tos)) => rule.tos = tos << 2,
            _ => {}
        }
        if let (false, Some((label, mask))) = (is_v4, flowlabel) {
            rule = rule.flowlabel_masked(label, mask | label);
        }
        if let Some((mark, mask)) = fwmark {
            (rule.fwmark, rule.fwmask) = (Some(mark), mask);
        }
        if is_v4 {
            rule.realms = realms;
        }
        rule = match action {
            0 => rule.blackhole(),
            1 => rule.goto(priority + 1),
            2 => rule.nop(),
            3 => rule.unreachable(),
            4 => rule.prohibit(),
            5 => rule.l3mdev(),
            _ => rule.table(table),
        };
        if let (6.., Some((len, group))) = (action, suppress) {
            rule = rule.suppress_prefixlength(len).suppress_ifgroup(group);
        }
        (rule.protocol, rule.flags) = (protocol, RuleFlags::from_bits_retain(flags));
        rule.other = other.into_iter().map(|(kind, value)| RawAttr::new(kind, &value)).collect();
        rule
    }
}

fn any_valid_rule() -> impl Strategy<Value = Rule> {
    prop_oneof![valid_rule(true), valid_rule(false)]
}

fn travelled(rule: &Rule) -> Rule {
    let mut rule = rule.clone();
    rule.flags -= RuleFlags::from_bits_retain(READ_ONLY);
    if rule.action == RuleAction::Unspecified {
        rule.action = RuleAction::Table;
    }
    rule
}

fn never_panics(data: &[u8]) {
    for kind in [RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE] {
        let message = MessageRef::from_parts(kind, 0, data);
        let _ = RuleEvent::decode(message);
        if let Ok(rule) = Rule::decode(message) {
            let _ = (rule.to_string(), rule.key(), RuleFilter::default().matches(&rule), format!("{rule:?}"));
            for verb in [RuleVerb::Add, RuleVerb::Delete] {
                let mut request = rule.request(verb);
                assert!(request.describe().contains(" rule "));
                if let Ok(bytes) = request.encoded() {
                    let back = Rule::decode(MessageRef::parse(bytes).unwrap()).unwrap();
                    if verb == RuleVerb::Delete || rule.action != RuleAction::Unspecified {
                        assert_eq!(back.key(), rule.key());
                    }
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn a_valid_rule_reads_back_as_it_was_written(rule in any_valid_rule()) {
        prop_assert_eq!(decode(rule.request(RuleVerb::Add)), travelled(&rule));
        let deleted = decode(rule.request(RuleVerb::Delete));
        prop_assert_eq!(deleted.action, rule.action);
        prop_assert_eq!(travelled(&deleted), travelled(&rule));
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        never_panics(&data);
    }

    /// Attributes with sane lengths, so that every one of them is reached.
    #[test]
    fn arbitrary_attributes_never_panic(
        family in prop_oneof![Just(2u8), Just(10u8), any::<u8>()],
        (dst_len, src_len) in (0..34u8, 0..130u8),
        header in any::<[u8; 9]>(),
        attrs in prop::collection::vec((0..33u16, prop_oneof![Just(4usize), Just(16), Just(1), Just(2), Just(8), 0..20usize], any::<u8>()), 0..12),
    ) {
        let mut data = vec![family, dst_len, src_len];
        data.extend(header);
        for (kind, len, fill) in attrs {
            data.extend(u16::try_from(4 + len).unwrap().to_ne_bytes());
            data.extend(kind.to_ne_bytes());
            data.extend(vec![fill; len]);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        never_panics(&data);
    }

    #[test]
    fn an_action_survives_as_its_number(number: u8) {
        prop_assert_eq!(u8::from(RuleAction::from(number)), number);
    }
}

/// Made with `ip rule add not from 10.0.0.0/8 to 192.0.2.0/24 pref 101 tos 0x10 fwmark 1/0xff iif d0 oif gone uidrange 0-99
/// ipproto tcp sport 80 dport 1000-2000 suppress_prefixlength 0 suppress_ifgroup 5 realms 1/2 tun_id 7 table 1000 protocol 9`,
/// as Linux 6.18 lists it.
#[test]
#[cfg(target_endian = "little")]
fn a_rule_of_the_kernel_is_read_with_all_attributes() {
    let read = |hex: &str| {
        let bytes = unhex(hex);
        Rule::decode(MessageRef::parse(&bytes).unwrap()).unwrap()
    };
    let rule = read(
        "b800000020000200000000000000000002180810fc0000011200000008000f00e803000008000e00000000000500150009000000 \
         070003006430000009001100676f6e6500000000080006006500000008000a000100000008001000ff0000000c000c00 \
         00000000000000070c0014000000000063000000080017005000500006001c00ffff000008001800e803d007050016000600 \
         000008000d000500000008000100c0000200080002000a00000008000b0002000100",
    );
    assert_eq!(
        rule.to_string(),
        "not from 10.0.0.0/8 to 192.0.2.0/24 tos 0x10 fwmark 0x1/0xff iif d0 oif gone uidrange 0-99 ipproto 6 sport 80 \
         dport 1000-2000 tun_id 7 pref 101 suppress_prefixlength 0 suppress_ifgroup 5 realms 1/2 table 1000 protocol 9"
    );
    assert_eq!((rule.sport_mask, rule.other.len()), (Some(u16::MAX), 0));
    assert!(rule.flags.contains(RuleFlags::OIF_DETACHED));

    // ip rule add goto 40000 pref 200; ip -6 rule add l3mdev pref 1000; the kernel's own first rule.
    let rule = read(
        "4400000020000200000000000000000002000000000000020400000008000f000000000008000e00ffffffff05001500 \
         0000000008000600c800000008000400409c0000",
    );
    assert_eq!((rule.to_string(), rule.table), ("from all pref 200 goto 40000".into(), None));
    assert!(rule.flags.contains(RuleFlags::UNRESOLVED) && rule.protocol.is_none());
    let rule = read(
        "440000002000020000000000000000000a000000000000010000000008000f000000000008000e00ffffffff05001500 \
         0000000008000600e80300000500130001000000",
    );
    assert_eq!(rule.to_string(), "-6 from all l3mdev pref 1000");
    let rule = read(
        "3400000020000200000000000000000002000000ff0000010000000008000f00ff00000008000e00ffffffff0500150002000000",
    );
    assert_eq!(rule.to_string(), "from all pref 0 table local protocol 2");
}

#[test]
fn words_are_those_of_ip() {
    let rule = v6().dscp_masked(0x20, 0x38).flowlabel(0x12).sport_masked(0x100, 0xff00).dport(5).prohibit();
    assert_eq!(rule.to_string(), "-6 from all dscp 32/0x38 flowlabel 0x12 sport 256/0xff00 dport 5 prohibit");
    let mut rule = v4().table(253).uid_range(7);
    rule.action = RuleAction::Other(12);
    assert_eq!(rule.to_string(), "from all uidrange 7-7 table default action 12");
    assert_eq!(v4().priority(5).request(RuleVerb::Add).describe(), "add rule from all pref 5 table main");
    assert_eq!(v4().priority(5).request(RuleVerb::Delete).describe(), "delete rule from all pref 5");
    assert_eq!(RuleFilter::default().list_request().describe(), "list rules");
}

#[test]
fn key_ignores_what_depends_on_other_objects() {
    let mut detached = v4().iif("d0");
    detached.flags = RuleFlags::IIF_DETACHED;
    assert_eq!(detached.key(), v4().iif("d0").key());
    assert_ne!(detached.key(), v4().iif("d1").key());
}

#[test]
fn filter_leaves_out_rules_of_multicast_routing() {
    let mut rule = v4().table(5).protocol(9).priority(1);
    let mut filter = RuleFilter::default();
    (filter.table, filter.protocol, filter.priority) = (Some(5), Some(9), Some(1));
    assert!(filter.matches(&rule));
    rule.family = 128;
    assert!(!filter.matches(&rule));
}

#[test]
fn impossible_rules_are_refused_with_the_limit_in_the_text() {
    let add = |rule: Rule| refusal(rule.request(RuleVerb::Add));
    let prefix = |text: &str| text.parse::<IpPrefix>().unwrap();
    for (rule, text) in [
        (v4().from(prefix("2001:db8::/32")), "from 2001:db8::/32 is IPv6; the rule is IPv4"),
        (v6().to(prefix("192.0.2.0/24")), "to 192.0.2.0/24 is IPv4; the rule is IPv6"),
        (
            v4().from(prefix("192.0.2.1/24")),
            "from 192.0.2.1/24 has bits set behind its length of 24; the network is 192.0.2.0/24",
        ),
        (v4().tos(0x11), "tos 0x11; the two lower bits must be 0"),
        (v4().tos(0x10).dscp(4), "tos and dscp are the same bits: give one or the other"),
        (v4().dscp(64), "dscp 64; 0 to 63 are possible"),
        (v4().dscp_masked(1, 64), "dscp mask 64; 0 to 63 are possible"),
        (v4().dscp_masked(3, 2), "dscp 0x3 has bits that its mask 0x2 leaves out"),
        (v6().flowlabel(1 << 20), "flowlabel 1048576; 0 to 1048575 are possible"),
        (v4().flowlabel(1), "flowlabel in an IPv4 rule; only IPv6 packets have one"),
        (v4().iif("0123456789abcdef"), "iif \"0123456789abcdef\" has 16 bytes; 1 to 15 are possible"),
        (v4().oif(""), "oif \"\" has 0 bytes; 1 to 15 are possible"),
        (v4().sport(0), "sport 0; 1 to 65534 are possible"),
        (v4().dport(1..=65535), "dport 1-65535; 1 to 65534 are possible"),
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is tested")]
        (v4().dport(9..=8), "dport 9-8; the first port must not be above the last"),
        (v4().sport_masked(3, 2), "sport 0x3 has bits that its mask 0x2 leaves out"),
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is tested")]
        (v4().uid_range(9..=8), "uidrange 9-8; the first user must not be above the last"),
        (v4().ip_proto(0), "ipproto 0; 1 to 255 are possible"),
        (v4().protocol(0), "protocol 0; 1 to 255 are possible"),
        (v4().table(0), "table 0; 1 to 4294967295 are possible"),
        (v4().suppress_prefixlength(33), "suppress_prefixlength 33; 0 to 32 are possible"),
        (v6().suppress_prefixlength(129), "suppress_prefixlength 129; 0 to 128 are possible"),
        (v4().suppress_ifgroup(u32::MAX), "suppress_ifgroup 4294967295; 0 to 2147483647 are possible"),
        (v6().realms(1, 2), "realms in an IPv6 rule; only IPv4 rules have them"),
        (v4().l3mdev().table(5), "l3mdev takes the place of a table: give one or the other"),
        (v4().priority(5).goto(5), "goto 5; it must be above the rule's own priority, 5"),
        (v4().goto(0), "goto 0; it must be above the rule's own priority, 0"),
        (v4().goto(9).nop(), "a goto is an action of its own: give one"),
        (v4().nop().suppress_ifgroup(1), "routes can be suppressed only by a rule that routes by a table"),
    ] {
        assert_eq!(add(rule.clone()), text, "{rule}");
    }
    let mut both = v4().sport(1..=2);
    both.sport_mask = Some(0xff);
    assert_eq!(add(both), "sport 1-2 with a mask; only a single port has one");
    let mut mask = v4();
    mask.dscp_mask = Some(1);
    assert_eq!(add(mask), "a mask of dscp without a value");
    let mut label = v6();
    label.flowlabel = Some(1);
    assert_eq!(add(label), "a flowlabel needs its mask, 0xfffff for the whole label");
    let mut action = v4();
    action.action = RuleAction::Table;
    assert_eq!(add(action), "a rule that routes by a table needs one: table() or l3mdev()");
    let text = "a deletion needs something to select the rule by, such as its priority";
    assert_eq!(refusal(v4().request(RuleVerb::Delete)), text);
    let mut filter = RuleFilter::default();
    filter.table = Some(0);
    assert_eq!(refusal(filter.list_request()), "table 0; 1 to 4294967295 are possible");
}

#[cfg(feature = "serde")]
#[test]
fn a_rule_is_serialized() {
    let value = serde_json::to_value(v4().from("10.0.0.0/8".parse().unwrap()).sport(80).not_()).unwrap();
    assert_eq!(value["src"], "10.0.0.0/8");
    assert_eq!(value["flags"], 2);
    assert_eq!(value["sport"]["last"], 80);
}

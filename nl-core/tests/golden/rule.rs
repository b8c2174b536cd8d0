use futures_util::TryStreamExt;
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_core::rule::{RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE, Rule, RuleEntry, RuleFilter, RuleVerb, Rules};
use nl_core::{IpFamily, Pending};
use nl_testkit::oracle::{Attr, Field, Shape};

use super::{Line, Table};

/// `line!("rule add …", Add, V4, .priority(100), EXCEPT)`: the same calls on the codec's rule and on the handle's.
macro_rules! line {
    ($command:literal, $verb:ident, $family:ident, { $($calls:tt)* }, $on_purpose:expr) => {
        Line {
            command: $command,
            codec: |_| {
                let rule = Rule::new(IpFamily::$family) $($calls)*;
                rule.request(RuleVerb::$verb).with_flags(NLM_F_ACK)
            },
            handle: |conn| {
                let entry: RuleEntry = Rules::new(conn).entry(IpFamily::$family) $($calls)*;
                Pending::new(async move {
                    match RuleVerb::$verb {
                        RuleVerb::Add => entry.add().await.map(drop),
                        _ => entry.delete().await.map(drop),
                    }
                })
            },
            on_purpose: $on_purpose,
        }
    };
}

pub(crate) fn table() -> Table {
    let list = Line {
        command: "rule show",
        codec: |_| {
            let mut filter = RuleFilter::default();
            filter.family = Some(IpFamily::V4);
            filter.list_request().with_flags(NLM_F_DUMP)
        },
        handle: |conn| {
            let entries = Rules::new(conn).entries().family(IpFamily::V4);
            Pending::new(async move { entries.list().await?.try_collect::<Vec<_>>().await.map(drop) })
        },
        on_purpose: &[],
    };
    let lines = vec![
        line!("rule add from 10.0.0.0/8 table 1000 pref 100", Add, V4, {
            .from("10.0.0.0/8".parse().unwrap()).table(1000).priority(100)
        }, &[]),
        line!("rule add to 192.0.2.0/24 tos 0x10 fwmark 1/0xff table 100 pref 101 protocol 99", Add, V4, {
            .to("192.0.2.0/24".parse().unwrap()).tos(0x10).fwmark_masked(1, 0xff).table(100).priority(101).protocol(99)
        }, &[]),
        line!("rule add fwmark 7 iif d0 oif lo uidrange 0-99 pref 102", Add, V4, {
            .fwmark(7).iif("d0").oif("lo").uid_range(0..=99).priority(102)
        }, &[]),
        line!("rule add ipproto 6 sport 80 dport 1000-2000 pref 103", Add, V4, {
            .ip_proto(6).sport(80).dport(1000..=2000).priority(103)
        }, &[]),
        line!("rule add suppress_prefixlength 0 suppress_ifgroup 5 table main pref 104", Add, V4, {
            .suppress_prefixlength(0).suppress_ifgroup(5).table(254).priority(104)
        }, &[]),
        line!("rule add from 10.0.0.0/8 realms 1/2 tun_id 7 table 100 pref 105", Add, V4, {
            .from("10.0.0.0/8".parse().unwrap()).realms(1, 2).tun_id(7).table(100).priority(105)
        }, &[]),
        line!("rule add not from 10.0.0.0/8 blackhole pref 106", Add, V4, {
            .not_().from("10.0.0.0/8".parse().unwrap()).blackhole().priority(106)
        }, &[]),
        line!("rule add from all unreachable pref 107", Add, V4, { .unreachable().priority(107) }, ALL),
        line!("rule add from all prohibit pref 108", Add, V4, { .prohibit().priority(108) }, ALL),
        line!("rule add from all nop pref 109", Add, V4, { .nop().priority(109) }, ALL),
        line!("rule add from all goto 32766 pref 110", Add, V4, { .goto(32766).priority(110) }, ALL),
        line!("-6 rule add from 2001:db8::/32 table 255 pref 111", Add, V6, {
            .from("2001:db8::/32".parse().unwrap()).table(255).priority(111)
        }, &[]),
        line!("-6 rule add l3mdev pref 112", Add, V6, { .l3mdev().priority(112) }, &[]),
        line!("rule del pref 100", Delete, V4, { .priority(100) }, &[]),
        line!("rule del table 1000", Delete, V4, { .table(1000) }, &[]),
        line!("rule del from 10.0.0.0/8 blackhole pref 106", Delete, V4, {
            .from("10.0.0.0/8".parse().unwrap()).blackhole().priority(106)
        }, &[]),
        line!("-6 rule del protocol 99 pref 112", Delete, V6, { .protocol(99).priority(112) }, &[]),
        list,
    ];
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/rule.hex");
    Table { shape: &SHAPE, file, kinds: &[RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE], lines }
}

const ALL: &[(&str, &str)] =
    &[("FRA_SRC", "\"from all\" selects nothing; iproute2 sends an address of no bytes")];

// include/uapi/linux/fib_rules.h
const SHAPE: Shape = Shape::new(
    "fib_rule_hdr",
    &[
        Field::new("family", 1),
        Field::new("dst_len", 1),
        Field::new("src_len", 1),
        Field::new("tos", 1),
        Field::new("table", 1),
        Field::new("res1", 1),
        Field::new("res2", 1),
        Field::new("action", 1),
        Field::new("flags", 4),
    ],
)
.kinds(&[(RTM_NEWRULE, "RTM_NEWRULE"), (RTM_DELRULE, "RTM_DELRULE"), (RTM_GETRULE, "RTM_GETRULE")])
.attrs(&[
    Attr::new(1, "FRA_DST"),
    Attr::new(2, "FRA_SRC"),
    Attr::new(3, "FRA_IIFNAME"),
    Attr::new(4, "FRA_GOTO"),
    Attr::new(6, "FRA_PRIORITY"),
    Attr::new(10, "FRA_FWMARK"),
    Attr::new(11, "FRA_FLOW"),
    Attr::new(12, "FRA_TUN_ID"),
    Attr::new(13, "FRA_SUPPRESS_IFGROUP"),
    Attr::new(14, "FRA_SUPPRESS_PREFIXLEN"),
    Attr::new(15, "FRA_TABLE"),
    Attr::new(16, "FRA_FWMASK"),
    Attr::new(17, "FRA_OIFNAME"),
    Attr::new(19, "FRA_L3MDEV"),
    Attr::new(20, "FRA_UID_RANGE"),
    Attr::new(21, "FRA_PROTOCOL"),
    Attr::new(22, "FRA_IP_PROTO"),
    Attr::new(23, "FRA_SPORT_RANGE"),
    Attr::new(24, "FRA_DPORT_RANGE"),
]);

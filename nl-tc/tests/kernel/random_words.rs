//! Random words of `tc`: every kind, every filter and every action that a type of the crate holds, with their options.

use std::fmt::Write as _;

use crate::wish::Random;

/// The words of a random qdisc.
pub(crate) fn qdisc(random: &mut Random) -> String {
    let kinds: &[Kind] = &[
        ("pfifo", &["limit 1..5000"]),
        ("bfifo", &["limit 1000..500000"]),
        (
            "tbf",
            &[
                "=rate 1..1000mbit",
                "=burst 2000..60000",
                "=limit 70000..900000",
                "overhead 1..40",
                "mpu 1..90",
                "|linklayer atm|linklayer ethernet",
                "|peakrate 2gbit mtu 3000|peakrate 1100mbit minburst 2000",
            ],
        ),
        (
            "fq_codel",
            &[
                "limit 1..9000",
                "flows 1..2000",
                "target 1..90ms",
                "interval 1..900ms",
                "quantum 256..9000",
                "|ecn|noecn",
                "ce_threshold 1..9ms",
                "memory_limit 100000..9000000",
                "drop_batch 1..90",
            ],
        ),
        (
            "codel",
            &[
                "limit 1..9000",
                "target 1..90000us",
                "interval 1..900ms",
                "|ecn|noecn",
                "ce_threshold 1..900us",
            ],
        ),
        (
            "pie",
            &[
                "limit 1..9000",
                "target 1..90000us",
                "tupdate 1..90ms",
                "alpha 1..32",
                "beta 1..32",
                "|ecn|noecn",
                "|bytemode|nobytemode",
                "|dq_rate_estimator|no_dq_rate_estimator",
            ],
        ),
        (
            "fq_pie",
            &[
                "limit 1..9000",
                "flows 1..2000",
                "target 1..90ms",
                "tupdate 1..90ms",
                "alpha 1..32",
                "beta 1..32",
                "quantum 1..9000",
                "memory_limit 100000..9000000",
                "ecn_prob 1..100",
                "|ecn|noecn",
            ],
        ),
        (
            "sfq",
            &[
                "perturb 1..90",
                "quantum 1500..9000",
                "|headdrop",
                "|divisor 256|divisor 4096",
                "depth 2..100",
            ],
        ),
        (
            "netem",
            &[
                "limit 1..9000",
                "delay 1..900ms",
                "loss 1..90%",
                "duplicate 1..90%",
                "corrupt 1..90%",
                "rate 1..900mbit",
            ],
        ),
        (
            "netem",
            &[
                "limit 1..9000",
                "=|delay 300ms 20ms|delay 300ms 20ms 30%",
                "|loss 3% 20%|loss 3% ecn|loss state 1% 2% 3% 4% 5%|loss gemodel 1% 10% 70% 0.1%",
                "|duplicate 3% 20%",
                "|reorder 20% 50%|reorder 20% gap 3",
                "|corrupt 2% 10%",
                "|rate 5mbit 10 100 5|rate 100kbit 20",
                "|slot 1ms 2ms|slot 800us 900us packets 10 bytes 9000",
            ],
        ),
        (
            "cake",
            &[
                "bandwidth 1..9000mbit",
                "|besteffort|diffserv3|diffserv4|diffserv8|precedence",
                "|flowblind|srchost|dsthost|hosts|flows|dual-srchost|dual-dsthost|triple-isolate",
                "|wash|nowash",
                "|nat|nonat",
                "|autorate-ingress",
                "|ingress|egress",
                "|ack-filter|no-ack-filter|ack-filter-aggressive",
                "|split-gso|no-split-gso",
                "rtt 1..900ms",
                "|atm|ptm|noatm",
                "overhead 1..90",
                "mpu 1..90",
                "memlimit 100000..9000000",
                "fwmark 1..255",
            ],
        ),
        (
            "fq",
            &[
                "limit 1..9000",
                "flow_limit 1..900",
                "quantum 300..9000",
                "initial_quantum 300..90000",
                "|pacing|nopacing",
                "maxrate 1..9000mbit",
                "orphan_mask 1..1023",
                "ce_threshold 1..900ms",
                "timer_slack 1..900us",
                "low_rate_threshold 1..900kbit",
                "refill_delay 1..90ms",
                "horizon 1..9s",
                "|horizon_drop|horizon_cap",
                "|buckets 512|buckets 4096",
            ],
        ),
        ("prio", &["bands 3..16", "|priomap 0 1 2 0 1 2 0 1 2 0 1 2 0 1 2 0"]),
        ("ets", &["=bands 4..16", "strict 1..2", "|quanta 3000|quanta 3000 2000", "|priomap 3 2 1 0"]),
        ("hfsc", &["default 1..99"]),
        ("cbs", &["=hicredit 1..900", "=locredit 1..900", "=sendslope 1..900", "=idleslope 1..900"]),
        ("etf", &["=clockid|CLOCK_TAI", "=delta 1..900000", "|deadline_mode", "|skip_sock_check"]),
        ("drr", &[]),
        ("qfq", &[]),
        ("htb", &["default 1..99", "r2q 1..99", "direct_qlen 1..999"]),
    ];
    let mut words = String::new();
    // The kernel has few such tables, which all qdiscs with the same one share.
    if random.one_in(8) {
        let tables = [
            "stab overhead 24 mpu 64 linklayer atm",
            "stab mtu 4096 tsize 256 overhead 8 linklayer ethernet",
        ];
        words = format!("{} ", random.pick(&tables));
    }
    words + &one_of(random, kinds)
}

/// The words of a random class of this kind.
pub(crate) fn class(random: &mut Random, kind: &str) -> String {
    let kinds: &[Kind] = match kind {
        "drr" => &[("drr", &["quantum 1..60000"])],
        "hfsc" => &[
            (
                "hfsc",
                &["=|ls m2 1mbit|ls m2 5mbit|ls m1 4mbit d 20ms m2 2mbit", "|ul m2 9mbit", "|rt m2 3mbit"],
            ),
            ("hfsc", &["=|sc m2 2mbit|sc m1 4mbit d 20ms m2 2mbit|sc umax 1500 dmax 10ms rate 1mbit"]),
            ("hfsc", &["=|rt m2 3mbit|rt m1 8mbit d 1ms m2 1mbit|rt umax 1500 dmax 10ms rate 1mbit"]),
        ],
        "htb" => &[(
            "htb",
            &[
                "=rate 1..900mbit",
                "|ceil 1gbit|ceil 5gbit",
                "burst 2000..60000",
                "cburst 2000..60000",
                "prio 1..7",
                "=quantum 1500..60000",
                "|overhead 20|overhead 20 linklayer atm|mpu 64",
            ],
        )],
        _ => &[("qfq", &["=weight 1..100", "=maxpkt 512..9000"])],
    };
    one_of(random, kinds)
}

/// The words of a random qdisc that needs a device with four queues. The schedules never begin, so that they stay the coming ones.
pub(crate) fn queued(random: &mut Random) -> String {
    const CLASSES: &str = "num_tc 3 map 2 2 1 0 2 2 2 2 2 2 2 2 2 2 2 2 queues 1@0 1@1 2@2";
    let later = "clockid CLOCK_TAI base-time 4000000000000000000";
    let kinds: &[Kind] = &[
        ("mq", &[]),
        ("mqprio CLASSES hw 0", &[]),
        ("mqprio num_tc 2 map 1 0 queues 1@0 3@1 hw 0", &[]),
        (
            "taprio CLASSES LATER",
            &[
                "cycle-time 2000000..9000000",
                "cycle-time-extension 1..90000",
                "=sched-entry S 01 300000..900000",
                "sched-entry S 06 300000..900000",
            ],
        ),
        (
            "cake_mq",
            &["bandwidth 1..9000mbit", "|besteffort|diffserv4", "rtt 1..900ms", "|nat", "overhead 1..90"],
        ),
    ];
    one_of(random, kinds).replace("CLASSES", CLASSES).replace("LATER", later)
}

/// The first words of a kind, and its options, see [`write_option`].
type Kind = (&'static str, &'static [&'static str]);

fn one_of(random: &mut Random, kinds: &[Kind]) -> String {
    let (kind, options) = random.pick(kinds);
    let mut words = (*kind).to_owned();
    for option in *options {
        write_option(random, &mut words, option);
    }
    words
}

/// The words of a random filter, from the protocol on.
pub(crate) fn filter(random: &mut Random) -> String {
    let matches: &[Kind] = &[
        ("protocol all matchall", &[]),
        ("protocol ip matchall", &["|skip_hw"]),
        ("protocol all handle 7 fw", &[]),
        ("protocol ip handle 7/0xff fw", &[]),
        (
            "protocol ip u32 match u32 0 0",
            &[
                "|match ip protocol 6 0xff",
                "|match ip dst 192.0.2.7/32|match ip dst 192.0.2.0/24",
                "|match ip src 198.51.100.0/25",
                "|match u32 0x11000000 0xff000000 at 0",
                "|match u16 0x0050 0xffff at nexthdr+2",
                "|match ip dsfield 0x10 0xfc",
                "|match mark 6 0xff",
                "|match ip sport 80 0xffff|match ip dport 443 0xffff",
            ],
        ),
        ("protocol ipv6 u32", &["=|match ip6 dst 2001:db8::/32|match ip6 src 2001:db8::7/128", "|skip_hw"]),
        (
            "protocol ip flower",
            &["|dst_ip 192.0.2.0/24|dst_ip 192.0.2.7", "|src_ip 198.51.100.7", "|skip_hw"],
        ),
        (
            "protocol ip flower ip_proto tcp",
            &[
                "dst_port 1..60000",
                "src_port 1..60000",
                "|tcp_flags 0x2/0x17",
                "|ip_flags frag|ip_flags nofrag",
            ],
        ),
        ("protocol ip flower ip_proto tcp", &["=|dst_port 1000-2000|src_port 100-200", "|ip_tos 0x10/0xfc"]),
        (
            "protocol ipv6 flower",
            &["|dst_ip 2001:db8::/32", "|src_ip 2001:db8::7", "|ip_proto icmpv6 type 128"],
        ),
        ("protocol ip flower ip_proto udp", &["=dst_port 1..60000", "ip_ttl 1..255"]),
        ("protocol ip flower ip_proto icmp", &["|type 8", "|code 0"]),
        ("protocol ip flower ip_proto sctp", &["src_port 1..60000"]),
        (
            "protocol arp flower",
            &["|arp_sip 192.0.2.1", "|arp_tip 192.0.2.2/31", "|arp_op request|arp_op reply"],
        ),
        (
            "protocol 802.1q flower",
            &["vlan_id 1..4094", "vlan_prio 1..7", "|vlan_ethtype ip dst_ip 192.0.2.7"],
        ),
        (
            "protocol all flower",
            &["|dst_mac 02:00:00:00:00:09", "|src_mac 02:00:00:00:00:00/ff:ff:ff:ff:ff:00", "|skip_hw"],
        ),
    ];
    let mut words = format!(" {}", one_of(random, matches));
    if random.one_in(3) {
        words += &format!(" action skbedit mark {} pipe", 1 + random.below(900));
    }
    format!("{words} {}", action(random))
}

/// The words of a random action that is the last one.
fn action(random: &mut Random) -> String {
    let actions: &[Kind] = &[
        ("action drop", &[]),
        ("action pass", &["|cookie a1b2c3d4"]),
        ("action continue", &[]),
        ("action reclassify", &[]),
        ("action goto chain 7", &[]),
        ("action gact pass random netrand drop", &["=1..9000"]),
        ("action gact drop random determ pass", &["=1..9000"]),
        ("action skbedit", &["=mark 1..90000", "=priority|1:7"]),
        (
            "action skbedit",
            &["=|mark 7/0xff|mark 9", "|ptype host|ptype otherhost", "|inheritdsfield", "|pass|continue"],
        ),
        ("action police", &["=rate 1..900mbit", "=burst 2000..60000", "=conform-exceed|drop/pipe"]),
        (
            "action police rate 5mbit burst 20k",
            &[
                "|mtu 3000|mtu 3000 peakrate 8mbit",
                "|overhead 24",
                "|linklayer atm",
                "|conform-exceed continue/pass|drop|reclassify",
            ],
        ),
        ("action police", &["=pkts_rate 1..9000", "=pkts_burst 1..900", "=conform-exceed|drop/pass"]),
        ("action mirred egress redirect dev lo", &[]),
        ("action mirred ingress redirect dev lo", &[]),
        ("action mirred ingress mirror dev lo", &["|pass|continue"]),
        ("action mirred egress mirror dev lo action drop", &[]),
        ("action connmark", &["zone 1..900", "|pass|continue"]),
        ("action ctinfo", &["=|dscp 0xfc000000 0x01000000|cpmark 0xff", "zone 1..900", "|pass|continue"]),
    ];
    one_of(random, actions)
}

/// `NAME FROM..TOUNIT`, or words of which one is taken; half of them are left out, but for those with `=` in front.
fn write_option(random: &mut Random, words: &mut String, option: &str) {
    let needed = option.strip_prefix('=');
    if needed.is_none() && random.one_in(2) {
        return;
    }
    let option = needed.unwrap_or(option);
    if let Some(choice) = option.strip_prefix('|') {
        let all: Vec<_> = choice.split('|').collect();
        let _ = write!(words, " {}", random.pick(&all));
        return;
    }
    if let Some((name, value)) = option.split_once('|') {
        let _ = write!(words, " {name} {value}");
        return;
    }
    let (name, range) = option.rsplit_once(' ').unwrap_or(("", option));
    let (from, rest) = range.split_once("..").unwrap();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (to, unit) = rest.split_at(digits);
    let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
    // Two draws, because one has 16 bits.
    let more = (u32::from(random.below(u16::MAX)) << 8 | u32::from(random.below(256))) % (to - from + 1);
    let gap = if name.is_empty() { "" } else { " " };
    let _ = write!(words, " {name}{gap}{}{unit}", from + more);
}

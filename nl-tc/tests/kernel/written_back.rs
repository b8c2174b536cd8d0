//! Random configurations made by `tc`: whatever reads as a typed value is the same after it was written back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nl_tc::filter::{Filter, FilterConfig};
use nl_tc::leaf::Clsact;
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::{TcHandle, TcObject, TcVerb};
use nl_testkit::{Lab, Node, Result};

use crate::support::{DEV, QDISC, filter_lines, lines, qdiscs, wired};
use crate::wish::Random;

/// The number of rounds, and of objects in each, at most `at_once`.
fn rounds(all: u16, at_once: u16) -> (u16, u16) {
    let all = u16::try_from(nl_testkit::scaled(all.into(), 1)).unwrap_or(all);
    ((all / at_once).max(1), all.clamp(1, at_once))
}

/// The words of a random qdisc.
fn qdisc(random: &mut Random) -> String {
    let kinds: &[(&str, &[&str])] = &[
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
        ("sfq", &["perturb 1..90", "quantum 1500..9000", "|headdrop"]),
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
            "cake",
            &[
                "bandwidth 1..9000mbit",
                "|besteffort|diffserv3|diffserv4|diffserv8|precedence",
                "|flowblind|srchost|dsthost|hosts|flows|dual-srchost|dual-dsthost|triple-isolate",
                "|wash|nowash",
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
            ],
        ),
        ("prio", &["bands 3..16"]),
        ("cbs", &["=hicredit 1..900", "=locredit 1..900", "=sendslope 1..900", "=idleslope 1..900"]),
        ("etf", &["=clockid|CLOCK_TAI", "=delta 1..900000", "|deadline_mode", "|skip_sock_check"]),
        ("drr", &[]),
        ("qfq", &[]),
        ("htb", &["default 1..99", "r2q 1..99", "direct_qlen 1..999"]),
    ];
    let (kind, options) = random.pick(kinds);
    let mut words = (*kind).to_owned();
    for option in *options {
        write_option(random, &mut words, option);
    }
    words
}

/// `name FROM..TOunit`, or words of which one is taken; half of them are left out, but for those with `=` in front.
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
    let (name, range) = option.split_once(' ').unwrap();
    let (from, rest) = range.split_once("..").unwrap();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (to, unit) = rest.split_at(digits);
    let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
    // Two draws, because one has 16 bits.
    let more = (u32::from(random.below(u16::MAX)) << 8 | u32::from(random.below(256))) % (to - from + 1);
    let _ = write!(words, " {name} {}{unit}", from + more);
}

/// Runs lines of `tc`. A line that is refused, because it contradicts itself or the kernel lacks the kind, is left out.
async fn batch(node: &Node, name: &str, text: &str) -> Result {
    let path = std::env::temp_dir().join(format!("nl-tc-{}-{name}", std::process::id()));
    std::fs::write(&path, text)?;
    let command = ["tc".into(), "-force".into(), "-batch".into(), path.clone().into_os_string()];
    node.command(command).await;
    std::fs::remove_file(path)?;
    Ok(())
}

/// The lines about qdiscs by handle, without random numbers.
async fn shown(node: &Node) -> BTreeMap<String, String> {
    let all = lines(node, "-d qdisc show dev eth0").await;
    let by_handle = all.into_iter().map(|mut line| {
        line.truncate(line.find(" seed ").unwrap_or(line.len()));
        // With a number of flows, SFQ has at most as many as packets.
        line = line.replace("flows 127 ", "flows 128 ");
        (line.split_whitespace().nth(2).unwrap_or_default().to_owned(), line)
    });
    by_handle.collect()
}

/// The handle of the qdisc on this class.
fn handle(minor: u16) -> TcHandle {
    TcHandle::new(0x1000 + minor, 0)
}

#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"), timeout = 540)]
async fn ten_thousand_qdiscs_of_tc_are_the_same_when_written_back(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let index = node.index_of(DEV).await?;
    let (mut random, mut typed, mut as_bytes) = (Random(16), 0, BTreeMap::<String, u32>::new());
    // Each on a class.
    let (rounds, at_once) = rounds(10_000, 1000);
    for round in 0..rounds {
        let mut text = String::from("qdisc replace dev eth0 root handle 1: htb\n");
        for minor in 1..=at_once {
            let _ = writeln!(
                text,
                "class add dev eth0 parent 1: classid 1:{minor:x} htb rate 1mbit quantum 1500"
            );
            let (on, words) = (handle(minor), qdisc(&mut random));
            let _ = writeln!(text, "qdisc add dev eth0 parent 1:{minor:x} handle {on} {words}");
        }
        batch(&node, "qdiscs", &text).await?;
        let before = shown(&node).await;
        let mut steps: Vec<(TcVerb, TcObject)> = Vec::new();
        for qdisc in qdiscs(&tc).await.into_iter().filter(|qdisc| qdisc.parent.qdisc() == QDISC) {
            match &qdisc.config {
                // The kernel does not report what it needs to be written.
                QdiscConfig::Red(_) => continue,
                QdiscConfig::Other { kind, .. } => {
                    *as_bytes.entry(kind.clone()).or_default() += 1;
                    continue;
                }
                _ => typed += 1,
            }
            let at = Qdisc::at(index, qdisc.parent).handle(qdisc.handle);
            let again = Qdisc::new(index, qdisc.parent, qdisc.config).handle(qdisc.handle);
            steps.push((TcVerb::Delete, at.into()));
            steps.push((TcVerb::Add, again.into()));
        }
        tc.batch(steps).summarize(5).await?.into_result()?;
        let after = shown(&node).await;
        for (handle, line) in &before {
            assert_eq!(after.get(handle), Some(line), "round {round}");
        }
        assert_eq!(after.len(), before.len());
        tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
    }
    eprintln!("{typed} qdiscs were written back; as bytes: {as_bytes:?}");
    assert!(typed > u32::from(at_once) * u32::from(rounds) / 2, "only {typed}");
    Ok(())
}

/// The words of a random filter, from the protocol on.
fn filter(random: &mut Random) -> String {
    let matches: &[&[&str]] = &[
        &["protocol all matchall"],
        &[
            "protocol ip u32",
            "match|ip protocol 6 0xff",
            "match|ip dst 192.0.2.7/32",
            "match|u32 0x11000000 0xff000000 at 0",
        ],
        &["protocol ip flower", "|dst_ip 192.0.2.0/24|dst_ip 192.0.2.7", "|src_ip 198.51.100.7", "|skip_hw"],
        &["protocol ip flower ip_proto tcp", "dst_port 1..60000", "src_port 1..60000", "|tcp_flags 0x2/0x17"],
        &["protocol ipv6 flower", "|dst_ip 2001:db8::/32", "|src_ip 2001:db8::7"],
        &["protocol ip flower ip_proto udp", "=dst_port 1..60000", "ip_ttl 1..255"],
    ];
    let actions: &[&[&str]] = &[
        &["action drop"],
        &["action pass"],
        &["action skbedit", "=mark 1..90000", "=priority|1:7"],
        &["action police", "=rate 1..900mbit", "=burst 2000..60000", "=conform-exceed|drop/pipe"],
        &["action mirred egress redirect dev lo"],
        &["action mirred egress mirror dev lo action drop"],
        &["action connmark", "zone 1..900"],
        &["action goto chain 7"],
    ];
    let mut words = String::new();
    for parts in [random.pick(matches), random.pick(actions)] {
        let (first, options) = parts.split_first().unwrap();
        let _ = write!(words, " {first}");
        if *first == "protocol ip u32" {
            words.push_str(" match u32 0 0");
        }
        for option in options {
            write_option(random, &mut words, option);
        }
    }
    words
}

/// What was read, without the numbers that the kernel chose: it frees that of a deleted action later, and numbers tables of u32 on.
fn for_another(mut filter: Filter) -> Filter {
    let actions = match &mut filter.config {
        FilterConfig::Flower(flower) => &mut flower.actions,
        FilterConfig::Matchall(matchall) => &mut matchall.actions,
        FilterConfig::U32(u32) => {
            filter.handle = 0;
            &mut u32.actions
        }
        _ => return filter,
    };
    for action in actions {
        *action = action.detached();
    }
    filter
}

/// A list of the kernel lacks the `matchall` filter at which one of its messages is full, but not the line about its priority
/// (`mall_walk` counts it as listed).
async fn shown_filters(node: &Node) -> Vec<String> {
    let mut lines = filter_lines(node, "filter show dev eth0 ingress").await;
    let is_lost = |line: &&String| {
        line.ends_with(" matchall chain 0")
            && !lines.iter().any(|l| l.starts_with(&format!("{line} handle ")))
    };
    let lost: Vec<_> = lines.iter().filter(is_lost).cloned().collect();
    for line in lost {
        let priority = line.split_whitespace().nth(4).unwrap_or_default();
        let mut found = filter_lines(node, &format!("filter show dev eth0 ingress pref {priority}")).await;
        found.retain(|l| *l != line);
        lines.extend(found);
    }
    for line in &mut lines {
        let mut after = "";
        let words = line.split_whitespace().map(|word| {
            let shown = if matches!(after, "fh" | "ht") { "N" } else { word };
            after = word;
            shown
        });
        *line = words.collect::<Vec<_>>().join(" ");
    }
    lines.sort();
    lines
}

#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"), timeout = 540)]
async fn two_thousand_filters_of_tc_are_the_same_when_written_back(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let (mut random, mut typed) = (Random(17), 0);
    let parent = TcHandle::CLSACT_INGRESS;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    let (rounds, at_once) = rounds(2000, 200);
    for round in 0..rounds {
        let mut text = String::new();
        for priority in 1..=at_once {
            let _ = writeln!(text, "filter add dev eth0 ingress prio {priority}{}", filter(&mut random));
        }
        batch(&node, "filters", &text).await?;
        let before = shown_filters(&node).await;
        let mut added = tc.filters(DEV, parent).read_all().await?;
        added.retain(Filter::is_added);
        let ours = added.iter().filter(|filter| filter.config.kind() == "matchall").count();
        let theirs = before.iter().filter(|line| line.contains(" matchall chain 0 handle ")).count();
        assert_eq!(ours, theirs, "round {round}");
        for filter in &added {
            let is_other = matches!(filter.config, FilterConfig::Other { .. });
            assert!(!is_other, "round {round}: {filter:?}");
        }
        typed += added.len();
        tc.filters(DEV, parent).flush().await?;
        tc.batch(added.into_iter().map(|filter| (TcVerb::Add, for_another(filter))))
            .summarize(5)
            .await?
            .into_result()?;
        assert_eq!(shown_filters(&node).await, before, "round {round}");
        tc.filters(DEV, parent).flush().await?;
    }
    assert!(typed > usize::from(at_once) * usize::from(rounds) / 2, "only {typed}");
    Ok(())
}

//! A tree applied to any other tree equals the tree that `tc` creates on an empty device.
//!
//! Trees come in rows, each generated from one number. `NL_TESTKIT_SEED` sets the first number.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use nl_core::Protocol;
use nl_core::message::TcMsg;
use nl_core::monitor::Monitor;
use nl_tc::leaf::PfifoConfig;
use nl_tc::tree::Tree;
use nl_tc::{RTNLGRP_TC, Tc, TcHandle};
use nl_testkit::{Lab, Node, Result, scaled, within};

use crate::support::{DEV, QDISC, wired};
use crate::wish::{Random, Wish};

const SEEDS: u32 = 50;
/// One after another, from an empty device to an empty device.
const TREES: usize = 4;
static FILES: AtomicU64 = AtomicU64::new(0);
const SOON: std::time::Duration = std::time::Duration::from_secs(20);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The output of `tc` for a device and the classes of these qdiscs after these commands, in one process.
async fn shown_after(node: &Node, commands: &[String], qdiscs: &[TcHandle]) -> Vec<String> {
    // The list of all classes ends at a netem qdisc.
    let classes = qdiscs.iter().map(|handle| format!("class show dev eth0 parent {handle}"));
    let show: Vec<_> = std::iter::once("qdisc show dev eth0".to_owned()).chain(classes).collect();
    let count = FILES.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("nl-tc-{}-{count}", std::process::id()));
    std::fs::write(&file, [commands, &show[..]].concat().join("\n") + "\n").unwrap();
    let text = node.command(["tc".as_ref(), "-d".as_ref(), "-batch".as_ref(), file.as_os_str()]).await.ok();
    std::fs::remove_file(file).unwrap();
    let mut lines: Vec<_> = text.lines().map(comparable).filter(|line| !line.is_empty()).collect();
    lines.sort();
    lines
}

/// Without references, seeds, and the handles that the kernel chose.
fn comparable(line: &str) -> String {
    let mut out = Vec::new();
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        match word.split_once(':') {
            _ if matches!(word, "refcnt" | "seed") => {
                words.next();
            }
            Some((major, minor)) if u16::from_str_radix(major, 16).is_ok_and(|major| major > 0x8000) => {
                out.push(format!("auto:{minor}"));
            }
            _ => out.push(word.to_owned()),
        }
    }
    out.join(" ")
}

/// A qdisc without a desired handle may have kept its handle.
fn unnamed(lines: Vec<String>, places: &[TcHandle]) -> Vec<String> {
    let places: Vec<_> = places.iter().map(|place| format!(" parent {place} ")).collect();
    let of = |line: &&String| line.starts_with("qdisc ") && places.iter().any(|place| line.contains(place));
    let names: Vec<_> = lines.iter().filter(of).filter_map(|line| line.split(' ').nth(2)).collect();
    let without = |word: &str| match word.split_once(':') {
        Some((major, minor)) if names.contains(&format!("{major}:").as_str()) => format!("auto:{minor}"),
        _ => word.to_owned(),
    };
    let mut out: Vec<_> =
        lines.iter().map(|line| line.split(' ').map(without).collect::<Vec<_>>().join(" ")).collect();
    out.sort();
    out
}

/// All traffic control events of the kernel, by interface.
async fn listen(node: &Node) -> Monitor<u32> {
    let open = || {
        Monitor::builder(Protocol::Route)
            .group(RTNLGRP_TC)
            .open(|message| message.header::<TcMsg>().map(|(header, _)| Some(header.index)))
    };
    node.open(open).await.unwrap()
}

/// The number of events about the device since the last call.
async fn events(tc: &Tc, monitor: &mut Monitor<u32>) -> usize {
    // One of another device comes last.
    tc.qdisc("lo", TcHandle::ROOT).change(PfifoConfig::new().limit(10)).await.unwrap();
    let mut count = 0;
    loop {
        let index = within(SOON, monitor.next(), "the marker").await.unwrap().unwrap();
        if index == 1 {
            return count;
        }
        count += 1;
    }
}

async fn follow_one_another(lab: &Lab, kinds: &[&str]) -> Result {
    let ([node, fresh], tc) = wired(lab).await?;
    tc.qdisc("lo", TcHandle::ROOT).handle(QDISC).add(PfifoConfig::new()).await?;
    let mut monitor = listen(&node).await;
    let begin = shown_after(&node, &[], &[]).await;
    let first = number("NL_TESTKIT_SEED").unwrap_or(1);
    let seeds = u64::from(scaled(SEEDS, 4));
    let mut steps = 0;
    for seed in first..first + seeds {
        let random = &mut Random(seed);
        let mut before: Option<Wish> = None;
        for _ in 0..TREES {
            let wish = match &before {
                Some(before) if !random.one_in(3) => before.changed(random, kinds),
                _ => Wish::random(random, kinds),
            };
            let place = || {
                let before = before.iter().flat_map(Wish::commands).collect::<Vec<_>>().join("\n");
                format!("NL_TESTKIT_SEED={seed}\nbefore:\n{before}\nwanted:\n{}", wish.commands().join("\n"))
            };
            let tree = wish.tree();
            let plan = tc.apply(DEV, &tree).await.unwrap_or_else(|error| panic!("{error}\n{}", place()));
            let reported = events(&tc, &mut monitor).await;
            assert!(reported >= plan.steps().len(), "{reported} events of\n{plan}\n{}", place());
            steps += plan.steps().len();
            let is = unnamed(shown_after(&node, &[], &wish.handles()).await, &wish.unnamed());
            let expected = shown_after(&fresh, &wish.commands(), &wish.handles()).await;
            assert_eq!(is, expected, "after\n{plan}\n{}", place());
            fresh.tc("qdisc del dev eth0 root").await;

            let again =
                tc.apply(DEV, &tree).await.unwrap_or_else(|error| panic!("again: {error}\n{}", place()));
            assert!(again.is_empty(), "again\n{again}\nafter\n{plan}\n{}", place());
            assert_eq!(events(&tc, &mut monitor).await, 0, "events without a change\n{}", place());
            before = Some(wish);
        }
        let plan = tc.apply(DEV, &Tree::new()).await?;
        assert_eq!(plan.steps().len(), 1, "{plan}");
        assert_eq!(shown_after(&node, &[], &[]).await, begin, "NL_TESTKIT_SEED={seed}: removed");
        assert!(tc.apply(DEV, &Tree::new()).await?.is_empty());
        assert_eq!(events(&tc, &mut monitor).await, 1, "NL_TESTKIT_SEED={seed}: removed in one go");
    }
    eprintln!("{seeds} times {TREES} trees, {steps} requests");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", qdisc = "tbf", tool = "tc"), timeout = 120)]
async fn random_htb_trees_apply_one_after_another(lab: Lab) -> Result {
    follow_one_another(&lab, &["htb", "pfifo", "bfifo", "tbf"]).await
}

#[nl_testkit::test(
    needs(
        qdisc = "htb",
        qdisc = "hfsc",
        qdisc = "drr",
        qdisc = "qfq",
        qdisc = "ets",
        qdisc = "tbf",
        qdisc = "fq_codel",
        qdisc = "sfq",
        qdisc = "netem",
        tool = "tc"
    ),
    timeout = 120
)]
async fn random_trees_of_all_kinds_apply_one_after_another(lab: Lab) -> Result {
    let plain = ["pfifo", "bfifo", "tbf", "fq_codel", "sfq", "netem"];
    follow_one_another(&lab, &[&["htb", "hfsc", "drr", "qfq", "ets"][..], &plain].concat()).await
}

//! Random configurations made by `tc`: whatever reads as a typed value is the same after it was written back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nl_tc::class::{Class, ClassConfig};
use nl_tc::filter::{Filter, FilterConfig};
use nl_tc::leaf::Clsact;
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::{TcHandle, TcObject, TcVerb};
use nl_testkit::{Lab, Node, Result};

use crate::random_words;
use crate::support::{DEV, QDISC, classes, filter_lines, lines, open, qdiscs, wired};
use crate::wish::Random;

/// The number of rounds, and of objects in each, at most `at_once`.
fn rounds(all: u16, at_once: u16) -> (u16, u16) {
    let all = u16::try_from(nl_testkit::scaled(all.into(), 1)).unwrap_or(all);
    ((all / at_once).max(1), all.clamp(1, at_once))
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
            let (on, words) = (handle(minor), random_words::qdisc(&mut random));
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
            let mut again = Qdisc::new(index, qdisc.parent, qdisc.config).handle(qdisc.handle);
            again.stab = qdisc.stab;
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

#[nl_testkit::test(
    needs(vm, qdisc = "htb", qdisc = "hfsc", qdisc = "drr", qdisc = "qfq", tool = "tc"),
    timeout = 300
)]
async fn classes_of_tc_are_the_same_when_written_back(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let index = node.index_of(DEV).await?;
    let mut random = Random(18);
    let (_, each) = rounds(2000, 500);
    for kind in ["drr", "hfsc", "htb", "qfq"] {
        let mut text = format!("qdisc replace dev eth0 root handle 1: {kind}\n");
        for minor in 1..=each {
            let words = random_words::class(&mut random, kind);
            let _ = writeln!(text, "class add dev eth0 parent 1: classid 1:{minor:x} {words}");
        }
        batch(&node, "classes", &text).await?;
        let before = lines(&node, "-d class show dev eth0").await;
        let mut read = classes(&tc).await;
        // The root class of HFSC is part of its qdisc.
        read.retain(|class| class.handle != QDISC);
        assert!(read.len() > usize::from(each) / 2, "{kind}: only {}", read.len());
        let mut steps: Vec<(TcVerb, TcObject)> = Vec::new();
        for class in read {
            let is_other = matches!(class.config, ClassConfig::Other { .. });
            assert!(!is_other, "{class:?}");
            steps.push((TcVerb::Delete, Class::at(index, class.handle).into()));
            steps.push((TcVerb::Add, Class::new(index, class.handle, class.config).into()));
        }
        tc.batch(steps).summarize(5).await?.into_result()?;
        assert_eq!(lines(&node, "-d class show dev eth0").await, before, "{kind}");
        tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
    }
    Ok(())
}

/// On a device with four queues.
#[nl_testkit::test(needs(vm, link = "veth", tool = "tc"), timeout = 180)]
async fn qdiscs_of_queues_of_tc_are_the_same_when_written_back(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    let queues = "numtxqueues 4 numrxqueues 4";
    node.ip(&format!("link add eth0 {queues} type veth peer name eth1 {queues}")).await;
    node.up("eth0").await?;
    let (tc, index) = (open(&node).await?, node.index_of(DEV).await?);
    let (mut random, mut seen) = (Random(19), BTreeMap::<String, u32>::new());
    let (_, rounds) = rounds(200, 200);
    for _ in 0..rounds {
        let words = random_words::queued(&mut random);
        // Refused where the kernel lacks the kind.
        batch(&node, "queues", &format!("qdisc add dev eth0 root handle 1: {words}\n")).await?;
        let Some(root) = qdiscs(&tc).await.into_iter().find(|qdisc| qdisc.handle == QDISC) else { continue };
        assert!(!matches!(root.config, QdiscConfig::Other { .. }), "{words}: {root:?}");
        *seen.entry(root.config.kind().to_owned()).or_default() += 1;
        let before = lines(&node, "-d qdisc show dev eth0").await;
        let at = Qdisc::at(index, TcHandle::ROOT).handle(QDISC);
        let again = Qdisc::new(index, TcHandle::ROOT, root.config).handle(QDISC);
        let steps: [(TcVerb, TcObject); 2] =
            [(TcVerb::Delete, at.clone().into()), (TcVerb::Add, again.into())];
        tc.batch(steps).summarize(1).await?.into_result()?;
        assert_eq!(lines(&node, "-d qdisc show dev eth0").await, before, "{words}");
        tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
    }
    eprintln!("{seen:?}");
    for kind in ["mq", "mqprio", "taprio"] {
        assert!(seen.contains_key(kind) || rounds < 50, "no {kind}: {seen:?}");
    }
    Ok(())
}

/// What was read, without the numbers that the kernel chose: it frees that of a deleted action later, and numbers tables of u32 on.
fn for_another(mut filter: Filter) -> Filter {
    let actions = match &mut filter.config {
        FilterConfig::Flower(flower) => &mut flower.actions,
        FilterConfig::Fw(fw) => &mut fw.actions,
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
            let _ = writeln!(
                text,
                "filter add dev eth0 ingress prio {priority}{}",
                random_words::filter(&mut random)
            );
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

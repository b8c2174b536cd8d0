//! Trees applied to a real kernel: `tc` shows the desired state, and a second application does nothing.

use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::ets::{EtsClassConfig, EtsConfig};
use nl_tc::filter::U32;
use nl_tc::hfsc::{HfscClassConfig, HfscConfig};
use nl_tc::htb::HtbConfig;
use nl_tc::leaf::{BfifoConfig, FqCodelConfig, NetemConfig, PfifoConfig, SfqConfig};
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::tree::{Plan, Tree};
use nl_tc::{Rate, Tc, TcHandle, TcVerb};
use nl_testkit::{EthFrame, Lab, Node, Result};

use crate::support::{CLASS, DEV, QDISC, lines, mbit, wired};

const ROOT: TcHandle = TcHandle::ROOT;

/// Applies it twice. The second time does nothing.
async fn settle(tc: &Tc, tree: &Tree) -> Plan {
    let plan = tc.apply(DEV, tree).await.unwrap();
    let again = tc.apply(DEV, tree).await.unwrap();
    assert!(again.is_empty(), "first:\n{plan}\nagain:\n{again}");
    plan
}

/// The output of `tc` without reference counts.
async fn shown(node: &Node) -> Vec<String> {
    let mut all = lines(node, "qdisc show dev eth0").await;
    all.extend(lines(node, "class show dev eth0").await);
    all.iter().map(|line| line.split(" refcnt ").next().unwrap_or_default().to_owned()).collect()
}

fn verbs(plan: &Plan) -> Vec<TcVerb> {
    plan.steps().iter().map(|(verb, _)| *verb).collect()
}

fn names(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect()
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn htb_tree_is_added_changed_and_deleted(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let begin = shown(&node).await;
    let class = |minor| QDISC.class(minor);
    let leaf = TcHandle::new(0x10, 0);
    let tree = |rate| {
        Tree::new()
            .qdisc(ROOT, QDISC, HtbConfig::new().default_class(0x20))
            .class(QDISC, class(1), mbit(100))
            .class(class(1), CLASS, mbit(rate).ceil(Rate::mbit(100)).prio(1))
            .class(class(1), class(0x20), mbit(10))
            .qdisc(CLASS, leaf, PfifoConfig::new().limit(100))
    };
    let plan = settle(&tc, &tree(30)).await;
    assert_eq!(verbs(&plan), [TcVerb::Add; 5]);
    let expected = ["qdisc htb 1:", "qdisc pfifo 10:", "class htb 1:1", "class htb 1:10", "class htb 1:20"];
    assert_eq!(names(&shown(&node).await), expected);

    // A changed class keeps its counters.
    tc.filter(DEV, QDISC).priority(1).add(U32::all(CLASS)).await?;
    let frame = EthFrame::new([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1], EthFrame::TEST, &[0; 986]).to_bytes();
    node.send_frame(DEV, &frame).await?;
    let plan = settle(&tc, &tree(40)).await;
    assert_eq!(verbs(&plan), [TcVerb::Change]);
    assert!(tc.class(DEV, CLASS).get().await?.stats.bytes >= 1000);

    // Changed by another program: corrected again.
    node.tc("class change dev eth0 parent 1:1 classid 1:20 htb rate 1mbit quantum 5000").await;
    node.tc("class add dev eth0 parent 1:1 classid 1:99 htb rate 1mbit").await;
    node.tc("qdisc del dev eth0 parent 1:10").await;
    let plan = settle(&tc, &tree(40)).await;
    assert_eq!(verbs(&plan), [TcVerb::Delete, TcVerb::Add, TcVerb::Change]);
    assert_eq!(names(&shown(&node).await), expected);

    let plan = settle(&tc, &Tree::new()).await;
    assert_eq!(verbs(&plan), [TcVerb::Delete]);
    assert_eq!(names(&shown(&node).await), names(&begin));
    Ok(())
}

/// A leaf becomes a parent, a parent becomes a leaf, and a class moves.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn htb_tree_is_rearranged(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let class = |minor| QDISC.class(minor);
    let (a, b) = (TcHandle::new(0xa, 0), TcHandle::new(0xb, 0));
    let first = Tree::new()
        .qdisc(ROOT, QDISC, HtbConfig::new())
        .class(QDISC, class(1), mbit(10).prio(3).quantum(2000))
        .class(QDISC, class(2), mbit(10))
        .qdisc(class(1), a, PfifoConfig::new().limit(5))
        .qdisc(class(2), b, BfifoConfig::new().limit(5000));
    let second = Tree::new()
        .qdisc(ROOT, QDISC, HtbConfig::new())
        .class(QDISC, class(1), mbit(10))
        .class(class(1), class(2), mbit(10))
        .class(class(1), class(3), mbit(1))
        .qdisc(class(3), a, BfifoConfig::new().limit(5000))
        .qdisc(class(2), b, BfifoConfig::new().limit(6000));
    for tree in [&first, &second, &first, &second, &Tree::new(), &second] {
        settle(&tc, tree).await;
    }
    let shown = shown(&node).await;
    assert!(shown.iter().any(|line| line.starts_with("class htb 1:2 parent 1:1 leaf b: ")), "{shown:#?}");
    assert!(shown.iter().any(|line| line.starts_with("class htb 1:3 parent 1:1 leaf a: ")), "{shown:#?}");
    // A different qdisc, in one request.
    let plan = settle(&tc, &Tree::new().qdisc(ROOT, TcHandle::new(5, 0), PfifoConfig::new().limit(9))).await;
    assert_eq!(verbs(&plan), [TcVerb::Replace]);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "hfsc", qdisc = "fq_codel", tool = "tc"))]
async fn hfsc_tree_is_added_and_loses_a_curve(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    let curves = HfscClassConfig::new;
    let tree = |config: HfscClassConfig| {
        Tree::new()
            .qdisc(ROOT, QDISC, HfscConfig::new().default_class(0x10))
            // Only a real-time curve: the kernel gives it a link-sharing curve because of its child.
            .class(QDISC, QDISC.class(1), curves().real_time(Rate::mbit(10)))
            .class(QDISC.class(1), CLASS, config)
            .qdisc(CLASS, TcHandle::new(0x10, 0), FqCodelConfig::new().limit(100).flows(32))
    };
    let config = curves().service(Rate::mbit(1)).upper_limit(Rate::mbit(2));
    assert_eq!(verbs(&settle(&tc, &tree(config.clone())).await), [TcVerb::Add; 4]);
    let fewer = curves().service(Rate::mbit(1));
    assert_eq!(verbs(&settle(&tc, &tree(fewer)).await), [TcVerb::Delete, TcVerb::Add, TcVerb::Add]);
    assert_eq!(verbs(&settle(&tc, &tree(config)).await), [TcVerb::Change]);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "drr", qdisc = "qfq", qdisc = "sfq", tool = "tc"))]
async fn drr_and_qfq_trees_are_added_and_changed(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    let inner = TcHandle::new(2, 0);
    let tree = |quantum: u32, weight| {
        Tree::new()
            .qdisc(ROOT, QDISC, DrrConfig::new())
            .class(QDISC, CLASS, DrrClassConfig::new().quantum(quantum))
            .class(QDISC, QDISC.class(0x11), DrrClassConfig::new())
            .qdisc(CLASS, inner, QfqConfig::new())
            .class(inner, inner.class(1), QfqClassConfig::new(weight))
            .qdisc(inner.class(1), TcHandle::new(3, 0), SfqConfig::new().limit(50).flows(16))
    };
    assert_eq!(verbs(&settle(&tc, &tree(2000, 5)).await), [TcVerb::Add; 6]);
    assert_eq!(verbs(&settle(&tc, &tree(3000, 6)).await), [TcVerb::Change; 2]);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "ets", qdisc = "netem", tool = "tc"))]
async fn ets_tree_is_added_and_changed(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    let tree = |bands, quantum: u32| {
        Tree::new()
            .qdisc(ROOT, QDISC, EtsConfig::new(bands).strict(1))
            .class(QDISC, QDISC.class(2), EtsClassConfig::new(quantum))
            .qdisc(QDISC.class(1), TcHandle::new(3, 0), NetemConfig::new().limit(50))
    };
    assert_eq!(verbs(&settle(&tc, &tree(3, 2000)).await), [TcVerb::Add, TcVerb::Change, TcVerb::Add]);
    assert_eq!(verbs(&settle(&tc, &tree(3, 3000)).await), [TcVerb::Change]);
    // With other bands the kernel resets the quantum.
    settle(&tc, &tree(4, 3000)).await;
    Ok(())
}

/// The kernel's list of all classes ends at a netem qdisc.
#[nl_testkit::test(needs(qdisc = "htb", qdisc = "drr", qdisc = "netem", tool = "tc"))]
async fn snapshot_beside_netem_has_all_classes(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let mut tree = Tree::new().qdisc(ROOT, QDISC, HtbConfig::new());
    for minor in 1..=8 {
        let leaf = TcHandle::new(0x10 + minor, 0);
        tree = tree.class(QDISC, QDISC.class(minor), mbit(1));
        tree = match minor % 2 {
            0 => tree.qdisc(QDISC.class(minor), leaf, NetemConfig::new().limit(50)),
            _ => tree.qdisc(QDISC.class(minor), leaf, DrrConfig::new()).class(
                leaf,
                leaf.class(1),
                DrrClassConfig::new().quantum(2000),
            ),
        };
    }
    settle(&tc, &tree).await;
    assert_eq!(tc.snapshot(DEV).await?.classes().len(), 8 + 4);
    let listed = tc.classes(DEV).list().await?.collect_all().await?.len();
    eprintln!("{listed} of 12 classes are in the list of all");
    assert_eq!(lines(&node, "class show dev eth0 parent 17:").await.len(), 1);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn refused_step_ends_the_operation_and_is_named(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    // Nine levels; HTB has eight.
    let mut tree = Tree::new().qdisc(ROOT, QDISC, HtbConfig::new());
    for minor in 1..=9 {
        tree = tree.class(QDISC.class(minor - 1), QDISC.class(minor), mbit(1));
    }
    let error = tc.apply(DEV, &tree).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("add class dev eth0 parent 1:8 classid 1:9 htb rate 1Mbit "), "{text}");
    assert!(text.contains(": Invalid argument (EINVAL)"), "{text}");
    assert!(text.contains("step 10 of 10: those before it were carried out: …, add class "), "{text}");
    assert!(text.contains(", add class dev eth0 parent 1:7 classid 1:8 htb rate 1Mbit"), "{text}");
    assert_eq!(tc.classes(DEV).list().await?.collect_all().await?.len(), 8);
    Ok(())
}

//! Each line of `tc` is set by `tc` and read by the crate, and set by the crate and shown by `tc`. Both results are equal.

use nl_tc::class::ClassConfig;
use nl_tc::qdisc::QdiscConfig;
use nl_tc::{Tc, TcHandle};
use nl_testkit::Node;

use crate::support::{CLASS, DEV, QDISC, lines, qdiscs};
use crate::tables::{ClassLine, QdiscLine};

/// Each class alone in its qdisc.
pub(crate) async fn check_classes(
    node: &Node,
    tc: &Tc,
    qdisc: &str,
    lines: impl IntoIterator<Item = ClassLine>,
) {
    for (words, config) in lines {
        check_class(node, tc, qdisc, words, config).await;
    }
}

async fn check_class(node: &Node, tc: &Tc, qdisc: &str, words: &str, config: ClassConfig) {
    let kind = config.kind().to_owned();
    let ets = kind == "ets";
    let verb = if ets { "change" } else { "add" };
    let id = if ets { QDISC.class(2) } else { CLASS };
    let shown = async || lines(node, "-d class show dev eth0").await;
    let there = async || {
        let mut class = tc.class(DEV, id).get().await.unwrap();
        class.stats = Default::default();
        class
    };
    let begin = async || {
        node.tc(&format!("qdisc replace dev eth0 root handle 1: {qdisc}")).await;
    };
    let end = async || {
        node.tc("qdisc del dev eth0 root").await;
    };

    begin().await;
    node.tc(&format!("class {verb} dev eth0 parent 1: classid {id} {kind} {words}")).await;
    let (by_them, read) = (shown().await, there().await);
    assert!(config.is_met_by(&read.config), "{kind} {words}\nread: {:?}\ntable: {config:?}", read.config);
    end().await;

    begin().await;
    let entry = tc.class(DEV, id).parent(QDISC);
    let outcome = match ets {
        true => entry.change(config.clone()).await,
        false => entry.add(config.clone()).await,
    };
    outcome.unwrap();
    assert_eq!(shown().await, by_them, "{kind} {words}: installed by us and shown by tc");
    assert_eq!(there().await, read, "{kind} {words}: installed by us and read by us");
    // The decoded class encodes to the same class.
    tc.class(DEV, id).replace(read.config.clone()).await.unwrap();
    assert_eq!(shown().await, by_them, "{kind} {words}: written back");
    end().await;

    // `Display` prints the words of `tc`.
    begin().await;
    node.tc(&format!("class {verb} dev eth0 parent 1: classid {id} {config}")).await;
    assert_eq!(shown().await, by_them, "{kind} {words}: printed by us as {config}");
    end().await;
}

/// Each qdisc alone on the device.
pub(crate) async fn check_qdiscs(node: &Node, tc: &Tc, lines: impl IntoIterator<Item = QdiscLine>) {
    for (words, config) in lines {
        check_qdisc(node, tc, words, config).await;
    }
}

async fn check_qdisc(node: &Node, tc: &Tc, words: &str, config: QdiscConfig) {
    let ingress = matches!(config, QdiscConfig::Clsact(_) | QdiscConfig::Ingress(_));
    let (place, parent, handle) = match ingress {
        true => ("", TcHandle::CLSACT, TcHandle::NONE),
        false => ("root handle 1:", TcHandle::ROOT, QDISC),
    };
    let shown = async || {
        let mut lines = lines(node, "-d qdisc show dev eth0").await;
        // The seed is a random number.
        for line in &mut lines {
            line.truncate(line.find(" seed ").unwrap_or(line.len()));
        }
        lines
    };
    let there = async || {
        let mut all = qdiscs(tc).await;
        all.retain(|qdisc| qdisc.parent == parent);
        assert_eq!(all.len(), 1, "{words}: {all:?}");
        let mut config = all.remove(0).config;
        if let QdiscConfig::Netem(netem) = &mut config {
            netem.seed = None;
        }
        config
    };

    node.tc(&format!("qdisc add dev eth0 {place} {words}")).await;
    let (by_them, read) = (shown().await, there().await);
    assert!(config.is_met_by(&read), "{words}\nread: {read:?}\ntable: {config:?}");
    tc.qdisc(DEV, parent).delete().await.unwrap();

    tc.qdisc(DEV, parent).handle(handle).add(config.clone()).await.unwrap();
    assert_eq!(shown().await, by_them, "{words}: installed by us and shown by tc");
    assert_eq!(there().await, read, "{words}: installed by us and read by us");
    tc.qdisc(DEV, parent).delete().await.unwrap();

    // The decoded qdisc encodes to the same qdisc.
    tc.qdisc(DEV, parent).handle(handle).add(read).await.unwrap();
    // With a given number of flows, SFQ has at most as many flows as packets.
    let back: Vec<_> = shown().await.iter().map(|line| line.replace("flows 127 ", "flows 128 ")).collect();
    assert_eq!(back, by_them, "{words}: written back");
    tc.qdisc(DEV, parent).delete().await.unwrap();

    // `Display` prints the words of `tc`.
    node.tc(&format!("qdisc add dev eth0 {place} {config}")).await;
    assert_eq!(shown().await, by_them, "{words}: printed by us as {config}");
    tc.qdisc(DEV, parent).delete().await.unwrap();
}

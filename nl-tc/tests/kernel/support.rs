//! A device for the tests, and what both sides list on it.

use nl_core::{Connection, Protocol};
use nl_tc::class::Class;
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::qdisc::Qdisc;
use nl_tc::{Rate, Tc, TcHandle};
use nl_testkit::{Lab, Node, Result};

pub(crate) const DEV: &str = "eth0";
pub(crate) const QDISC: TcHandle = TcHandle::new(1, 0);
pub(crate) const CLASS: TcHandle = TcHandle::new(1, 0x10);

/// Two nodes with a wire between them, and our handle in the first.
pub(crate) async fn wired(lab: &Lab) -> Result<([Node; 2], Tc)> {
    lab.quiet();
    let nodes = lab.wire("a", "b").await?;
    let tc = open(&nodes[0]).await?;
    Ok((nodes, tc))
}

pub(crate) async fn open(node: &Node) -> Result<Tc> {
    Ok(Tc::new(node.open(|| Connection::open(Protocol::Route)).await?))
}

/// The same with an HTB qdisc.
pub(crate) async fn htb(lab: &Lab) -> Result<([Node; 2], Tc)> {
    let (nodes, tc) = wired(lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HtbConfig::new()).await?;
    Ok((nodes, tc))
}

pub(crate) fn mbit(n: u64) -> HtbClassConfig {
    HtbClassConfig::new(Rate::mbit(n))
}

/// The lines of a `tc` command, in order.
pub(crate) async fn lines(node: &Node, args: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        node.tc(args).await.lines().map(|line| line.trim().to_owned()).filter(|l| !l.is_empty()).collect();
    lines.sort();
    lines
}

/// The same for filters, without the indexes that the kernel chose for their actions. It frees the index of a deleted action later.
pub(crate) async fn filter_lines(node: &Node, args: &str) -> Vec<String> {
    let mut lines = lines(node, args).await;
    for line in &mut lines {
        let mut after = "";
        let words = line.split_whitespace().map(|word| {
            let shown = if matches!(after, "index" | "police") { "N" } else { word };
            after = word;
            shown
        });
        *line = words.collect::<Vec<_>>().join(" ");
    }
    lines
}

pub(crate) async fn classes(tc: &Tc) -> Vec<Class> {
    let mut all = tc.classes(DEV).list().await.unwrap().collect_all().await.unwrap();
    all.sort_by_key(|class| class.handle);
    all
}

pub(crate) async fn qdiscs(tc: &Tc) -> Vec<Qdisc> {
    tc.qdiscs().dev(DEV).list().await.unwrap().collect_all().await.unwrap()
}

pub(crate) fn handles(classes: &[Class]) -> Vec<String> {
    classes.iter().map(|class| class.handle.to_string()).collect()
}

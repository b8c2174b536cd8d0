//! One line of `tc` at a time: installed by us and shown by `tc`, installed by `tc` and read by us, both the same.

use nl_tc::class::{Class, ClassConfig};
use nl_tc::qdisc::QdiscConfig;
use nl_tc::{Tc, TcHandle};
use nl_testkit::oracle::both_ways::{Case, Object, Step, check};
use nl_testkit::{Node, Result};
use serde_json::{Value, json};

use crate::support::{CLASS, DEV, QDISC, classes, lines, qdiscs};
use crate::tables::{ClassLine, QdiscLine};

/// Each of the classes, alone under its qdisc.
pub(crate) async fn check_classes(
    node: &Node,
    tc: &Tc,
    qdisc: &str,
    lines: impl IntoIterator<Item = ClassLine>,
) {
    let case = |(words, config): ClassLine| {
        let words = format!("{} {words}", config.kind());
        Case::new(config, words)
    };
    let cases = lines.into_iter().map(case);
    check(&Classes { node, tc, qdisc }, cases).await;
}

/// Each of the qdiscs, alone on the device.
pub(crate) async fn check_qdiscs(node: &Node, tc: &Tc, lines: impl IntoIterator<Item = QdiscLine>) {
    let cases = lines.into_iter().map(|(words, config)| Case::new(config, words));
    check(&Qdiscs { node, tc }, cases).await;
}

/// A class comes with its qdisc, and goes with it.
struct Classes<'a> {
    node: &'a Node,
    tc: &'a Tc,
    qdisc: &'a str,
}

/// An ETS qdisc has its classes from the beginning.
fn is_ets(config: &ClassConfig) -> bool {
    config.kind() == "ets"
}

fn id(config: &ClassConfig) -> TcHandle {
    if is_ets(config) { QDISC.class(2) } else { CLASS }
}

impl Classes<'_> {
    async fn begin(&self) {
        self.node.tc(&format!("qdisc replace dev eth0 root handle 1: {}", self.qdisc)).await;
    }
}

impl Object for Classes<'_> {
    type Ours = ClassConfig;
    type Read = Class;

    async fn set(&self, config: &ClassConfig) -> Result {
        self.begin().await;
        let class = self.tc.class(DEV, id(config)).parent(QDISC);
        match is_ets(config) {
            true => class.change(config.clone()).await?,
            false => class.add(config.clone()).await?,
        };
        Ok(())
    }

    async fn remove(&self, _: &ClassConfig) -> Result {
        self.tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
        Ok(())
    }

    async fn read(&self, config: &ClassConfig, _: Step) -> Result<Option<Class>> {
        let mut all = classes(self.tc).await;
        all.retain(|class| class.handle == id(config));
        let Some(mut class) = all.pop() else { return Ok(None) };
        assert!(all.is_empty(), "{all:?}");
        class.stats = Default::default();
        Ok(Some(class))
    }

    async fn iproute2_sets(&self, config: &ClassConfig, words: &str) -> Result {
        self.begin().await;
        let verb = if is_ets(config) { "change" } else { "add" };
        self.node.tc(&format!("class {verb} dev eth0 parent 1: classid {} {words}", id(config))).await;
        Ok(())
    }

    async fn iproute2_removes(&self, _: &ClassConfig, _: &str) -> Result {
        self.node.tc("qdisc del dev eth0 root").await;
        Ok(())
    }

    async fn shown(&self, _: &ClassConfig, _: Step) -> Result<Value> {
        Ok(value(lines(self.node, "-d class show dev eth0").await))
    }

    fn compare(&self, config: &ClassConfig, read: &Class) -> Result {
        is_met(config.is_met_by(&read.config))
    }

    async fn write_back(&self, config: &ClassConfig, read: &Class) -> Result<bool> {
        self.tc.class(DEV, id(config)).replace(read.config.clone()).await?;
        Ok(true)
    }

    fn words(&self, config: &ClassConfig) -> Option<String> {
        Some(config.to_string())
    }
}

struct Qdiscs<'a> {
    node: &'a Node,
    tc: &'a Tc,
}

/// The words that say where, and the same for us: the parent and the handle.
fn place(config: &QdiscConfig) -> (&'static str, TcHandle, TcHandle) {
    match config {
        QdiscConfig::Clsact(_) | QdiscConfig::Ingress(_) => ("", TcHandle::CLSACT, TcHandle::NONE),
        _ => ("root handle 1:", TcHandle::ROOT, QDISC),
    }
}

impl Object for Qdiscs<'_> {
    type Ours = QdiscConfig;
    type Read = QdiscConfig;

    async fn set(&self, config: &QdiscConfig) -> Result {
        let (_, parent, handle) = place(config);
        self.tc.qdisc(DEV, parent).handle(handle).add(config.clone()).await?;
        Ok(())
    }

    async fn remove(&self, config: &QdiscConfig) -> Result {
        let (_, parent, _) = place(config);
        self.tc.qdisc(DEV, parent).delete().await?;
        Ok(())
    }

    async fn read(&self, config: &QdiscConfig, _: Step) -> Result<Option<QdiscConfig>> {
        let (_, parent, _) = place(config);
        let mut all = qdiscs(self.tc).await;
        all.retain(|qdisc| qdisc.parent == parent && qdisc.config.kind() != DEFAULT);
        let Some(qdisc) = all.pop() else { return Ok(None) };
        assert!(all.is_empty(), "{all:?}");
        let mut config = qdisc.config;
        if let QdiscConfig::Netem(netem) = &mut config {
            netem.current_seed = None;
        }
        Ok(Some(config))
    }

    async fn iproute2_sets(&self, config: &QdiscConfig, words: &str) -> Result {
        let (place, ..) = place(config);
        self.node.tc(&format!("qdisc add dev eth0 {place} {words}")).await;
        Ok(())
    }

    async fn iproute2_removes(&self, config: &QdiscConfig, _: &str) -> Result {
        let place = match place(config).1 {
            TcHandle::CLSACT => config.kind(),
            _ => "root",
        };
        self.node.tc(&format!("qdisc del dev eth0 {place}")).await;
        Ok(())
    }

    async fn shown(&self, _: &QdiscConfig, after: Step) -> Result<Value> {
        let mut lines = lines(self.node, "-d qdisc show dev eth0").await;
        lines.retain(|line| !line.starts_with(&format!("qdisc {DEFAULT} 0: ")));
        for line in &mut lines {
            // Random numbers begin with a random number.
            line.truncate(line.find(" seed ").unwrap_or(line.len()));
            if after == Step::WrittenBack {
                // With a number of flows, SFQ has at most as many as packets.
                *line = line.replace("flows 127 ", "flows 128 ");
            }
        }
        Ok(value(lines))
    }

    fn compare(&self, config: &QdiscConfig, read: &QdiscConfig) -> Result {
        is_met(config.is_met_by(read))
    }

    async fn write_back(&self, config: &QdiscConfig, read: &QdiscConfig) -> Result<bool> {
        if let QdiscConfig::Red(_) = read {
            // The kernel does not report the table that it needs.
            return Ok(false);
        }
        self.remove(config).await?;
        self.set(read).await?;
        Ok(true)
    }

    /// `tc` computes the numbers of RED from others.
    fn words(&self, config: &QdiscConfig) -> Option<String> {
        Some(config.to_string()).filter(|_| config.kind() != "red")
    }
}

fn is_met(met: bool) -> Result {
    if met { Ok(()) } else { Err("what was read does not meet what was set".into()) }
}

fn value(lines: Vec<String>) -> Value {
    if lines.is_empty() { Value::Null } else { json!(lines) }
}

/// What a veth device has when it has no other.
const DEFAULT: &str = "noqueue";

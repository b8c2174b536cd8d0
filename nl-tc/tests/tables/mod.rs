//! What is told twice: in the words of `tc`, and as a configuration.

use std::time::Duration;

use nl_core::message::{NLM_F_ACK, Request};
use nl_tc::class::{Class, ClassConfig};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::{TcHandle, TcVerb};
use nl_testkit::oracle::{BytesOracle, Mismatch, Shape};

use differences::Difference;

pub(crate) mod differences;
pub(crate) mod flat;
pub(crate) mod hfsc;
pub(crate) mod htb;
pub(crate) mod leaf;
mod shape;
pub(crate) mod verbs;

/// A class: the words behind `tc class add … KIND`, and the configuration.
pub(crate) type ClassLine = (&'static str, ClassConfig);

/// A qdisc: the words behind `tc qdisc add …`, and the configuration.
pub(crate) type QdiscLine = (&'static str, QdiscConfig);

/// All classes.
pub(crate) fn classes() -> Vec<ClassLine> {
    [
        htb::exact_classes(),
        htb::classes_of_ticks(),
        hfsc::classes(),
        flat::drr_classes(),
        flat::qfq_classes(),
        flat::ets_classes(),
    ]
    .concat()
}

/// All qdiscs.
pub(crate) fn qdiscs() -> Vec<QdiscLine> {
    [
        htb::qdiscs(),
        htb::qdiscs_of_hardware(),
        hfsc::qdiscs(),
        flat::drr_qdiscs(),
        flat::qfq_qdiscs(),
        flat::ets_qdiscs(),
        leaf::ingress(),
        leaf::fifos(),
        leaf::tbf(),
        leaf::fq_codel(),
        leaf::sfq(),
        leaf::sfq_red(),
        leaf::netem(),
    ]
    .concat()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A command of `tc`, ours for it, and where they differ on purpose.
pub(crate) struct Line {
    pub(crate) command: String,
    pub(crate) shape: &'static Shape,
    /// Ours for an interface of this number, with the flags it is sent with.
    pub(crate) ours: Box<dyn Fn(u32) -> Request>,
    on_purpose: Vec<Difference>,
    /// Further ones, where `tc` cuts bursts to microseconds.
    pub(crate) cut: Vec<Difference>,
    /// Whether it is kept in a golden file: rate tables are long.
    pub(crate) kept: bool,
}

impl Line {
    /// Compares ours with what a `tc` sent that reckons bursts to the tick, or cuts them.
    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8], exact: bool) -> Result<(), Mismatch> {
        let oracle = BytesOracle::new(self.shape).except(&self.on_purpose);
        let oracle = if exact { oracle } else { oracle.except(&self.cut) };
        oracle.compare(ours, theirs)
    }
}

/// Whether the `tc` that sent this for [`TICKS`] reckons bursts to the tick and does not cut them to microseconds.
pub(crate) fn is_exact(sent: &[u8]) -> bool {
    // 1600 bytes at 125000000 bytes per second are 200 ticks of 64 ns, and 12 µs are 187.
    let has = |ticks: u32| {
        let buckets = [ticks.to_ne_bytes(), ticks.to_ne_bytes()].concat();
        sent.windows(8).any(|bytes| bytes == buckets)
    };
    assert!(has(200) != has(187), "`{TICKS}` has neither burst: {sent:?}");
    has(200)
}

/// All classes, each as a command.
pub(crate) fn class_lines() -> Vec<Line> {
    let line = |(words, config): ClassLine| {
        let kind = config.kind().to_owned();
        // Those of ETS are there from the beginning.
        let (verb, word) = if kind == "ets" { (TcVerb::Change, "change") } else { (TcVerb::Add, "add") };
        let command = format!("tc class {word} dev eth0 parent 1: classid 1:10 {kind} {words}");
        Line {
            command: command.trim().to_owned(),
            shape: shape::of(&kind),
            on_purpose: differences::of_class(&kind, words),
            cut: differences::of_cut_bursts(&format!("{kind} {words}")),
            kept: kind != "htb" || htb::KEPT.contains(&words),
            ours: Box::new(move |index| {
                let class = Class::new(index, CLASS, config.clone()).parent(QDISC);
                class.request(verb).with_flags(NLM_F_ACK)
            }),
        }
    };
    classes().into_iter().map(line).collect()
}

/// All qdiscs, each as a command.
pub(crate) fn qdisc_lines() -> Vec<Line> {
    let line = |(words, config): QdiscLine| {
        let kind = config.kind();
        // HFSC's has a number for options, and its class attributes.
        let kind = if kind == "hfsc" { "" } else { kind };
        let ingress = matches!(kind, "clsact" | "ingress");
        let place = if ingress { "" } else { "root handle 1: " };
        Line {
            command: format!("tc qdisc add dev eth0 {place}{words}"),
            shape: shape::of(kind),
            on_purpose: differences::of_qdisc(kind, words),
            cut: differences::of_cut_bursts(words),
            kept: kind != "tbf" || leaf::KEPT.contains(&words),
            ours: Box::new(move |index| {
                let qdisc = match ingress {
                    true => Qdisc::new(index, TcHandle::CLSACT, config.clone()),
                    false => Qdisc::new(index, TcHandle::ROOT, config.clone()).handle(QDISC),
                };
                qdisc.request(TcVerb::Add).with_flags(NLM_F_ACK)
            }),
        }
    };
    qdiscs().into_iter().map(line).collect()
}

/// The golden file of this name.
pub(crate) fn golden(name: &str) -> String {
    format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) const DEV: &str = "eth0";
pub(crate) const QDISC: TcHandle = TcHandle::new(1, 0);
pub(crate) const CLASS: TcHandle = TcHandle::new(1, 0x10);
/// The line that tells how a `tc` reckons bursts.
pub(crate) const TICKS: &str = "tc class add dev eth0 parent 1: classid 1:10 htb rate 1gbit";

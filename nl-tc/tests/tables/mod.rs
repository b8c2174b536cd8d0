//! Values in two forms: in the words of `tc`, and as a configuration.

use std::time::Duration;

use nl_core::Request;
use nl_core::message::NLM_F_ACK;
use nl_tc::class::{Class, ClassConfig};
use nl_tc::leaf::PfifoConfig;
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::{LinkLayer, SizeTable, TcHandle, TcVerb};
use nl_testkit::oracle::{BytesOracle, Mismatch, Shape};

use differences::Difference;

pub(crate) mod action;
pub(crate) mod aqm;
pub(crate) mod differences;
pub(crate) mod filters;
pub(crate) mod flat;
pub(crate) mod hfsc;
pub(crate) mod htb;
pub(crate) mod leaf;
pub(crate) mod queues;
mod shape;
pub(crate) mod verbs;

/// A class: the words after `tc class add … KIND`, and the configuration.
pub(crate) type ClassLine = (&'static str, ClassConfig);

/// A qdisc: the words after `tc qdisc add …`, and the configuration.
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
        leaf::netem_of_no_ticks(),
    ]
    .concat()
}

/// The qdiscs whose requests are compared with those of the `tc` of the machine, and are in no golden file.
pub(crate) fn later_qdiscs() -> Vec<QdiscLine> {
    [
        leaf::cake(),
        leaf::fq(),
        leaf::prio(),
        aqm::codel(),
        aqm::pie(),
        aqm::fq_pie(),
        queues::red(),
        queues::cbs(),
        queues::etf(),
        queues::mqprio(),
        queues::taprio(),
    ]
    .concat()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A `tc` command, the request of the crate, and the intended differences.
pub(crate) struct Line {
    pub(crate) command: String,
    pub(crate) shape: &'static Shape,
    /// The request for this interface index, with the flags it is sent with.
    pub(crate) ours: Box<dyn Fn(u32) -> Request>,
    on_purpose: Vec<Difference>,
    /// Further differences from a `tc` with this habit.
    pub(crate) of_habits: Vec<(Habit, Difference)>,
    /// Rate tables of policers. Some releases of `tc` round some of their entries up, and the kernel reads none.
    tables: &'static [Difference],
    /// Whether it is stored in a golden file. Rate tables are too long.
    pub(crate) stored: bool,
}

impl Line {
    /// Compares the request with that of a `tc` with these habits.
    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8], habits: &[Habit]) -> Result<(), Mismatch> {
        let mut on_purpose = self.on_purpose.clone();
        let of_habits = self.of_habits.iter().filter(|(habit, _)| habits.contains(habit));
        on_purpose.extend(of_habits.map(|(_, difference)| *difference));
        let compare = |also: &[Difference]| {
            BytesOracle::new(self.shape).except(&[&on_purpose, also].concat()).compare(ours, theirs)
        };
        // Where the tables are the same, so is the rest.
        compare(&[]).or_else(|mismatch| match self.tables {
            [] => Err(mismatch),
            tables => compare(tables),
        })
    }
}

/// The habits of older releases of `tc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Bursts are rounded down to microseconds.
    CutsBursts,
    /// Lists everything and filters while reading.
    ListsAll,
    /// The times of netem are sent in ticks of 64 ns, after rounding down to microseconds.
    SaysTicks,
}

impl Habit {
    /// Each habit with a command that shows it.
    pub(crate) const ALL: [(Self, &str); 3] = [
        (Self::CutsBursts, "tc class add dev eth0 parent 1: classid 1:10 htb rate 1gbit"),
        (Self::ListsAll, "tc qdisc show dev eth0 handle 1:"),
        (Self::SaysTicks, "tc qdisc add dev eth0 root handle 1: netem delay 100ms"),
    ];

    /// Whether the request of that command shows the habit.
    pub(crate) fn is_in(self, sent: &[u8]) -> bool {
        let (with, without) = match self {
            // 1600 bytes at 125000000 bytes per second are 200 ticks, and 12 µs are 187.
            Self::CutsBursts => ([187_u32, 187].map(u32::to_ne_bytes), [200_u32, 200].map(u32::to_ne_bytes)),
            // The requested handle and parent.
            Self::ListsAll => ([[0; 4]; 2], [QDISC.bits().to_ne_bytes(), [0; 4]]),
            // And the limit after it.
            Self::SaysTicks => {
                ([1_562_500_u32, 1000].map(u32::to_ne_bytes), [0_u32, 1000].map(u32::to_ne_bytes))
            }
        };
        let place = if self == Self::ListsAll { sent.get(24..32).unwrap_or_default() } else { sent };
        let [with, without] =
            [with, without].map(|bytes| place.windows(8).any(|window| window == bytes.as_flattened()));
        assert!(with != without, "{self:?} is neither seen nor not: {sent:?}");
        with
    }
}

/// All classes, each as a command.
pub(crate) fn class_lines() -> Vec<Line> {
    let line = |(words, config): ClassLine| {
        let kind = config.kind().to_owned();
        // The classes of ETS exist from the beginning.
        let (verb, word) = if kind == "ets" { (TcVerb::Change, "change") } else { (TcVerb::Add, "add") };
        let command = format!("tc class {word} dev eth0 parent 1: classid 1:10 {kind} {words}");
        Line {
            command: command.trim().to_owned(),
            shape: shape::of(&kind),
            on_purpose: differences::of_class(&kind, words),
            of_habits: differences::of_habits(&format!("{kind} {words}")),
            tables: &[],
            stored: kind != "htb" || htb::STORED.contains(&words),
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
    lines_of(qdiscs(), |kind, words| kind != "tbf" || leaf::STORED.contains(&words))
}

/// The later qdiscs, each as a command.
pub(crate) fn later_qdisc_lines() -> Vec<Line> {
    lines_of(later_qdiscs(), |_, _| false)
}

/// These qdiscs, and which of them are in the golden file.
fn lines_of(qdiscs: Vec<QdiscLine>, is_stored: fn(&str, &str) -> bool) -> Vec<Line> {
    let line = |(words, config): QdiscLine| {
        let kind = config.kind();
        // The options of an HFSC qdisc are a number, those of its class are attributes.
        let kind = if kind == "hfsc" { "" } else { kind };
        let ingress = matches!(kind, "clsact" | "ingress");
        let place = if ingress { "" } else { "root handle 1: " };
        let mut of_habits = differences::of_habits(words);
        if let QdiscConfig::Netem(netem) = &config {
            of_habits.extend(differences::of_netem(netem));
        }
        Line {
            command: format!("tc qdisc add dev eth0 {place}{words}"),
            shape: shape::of(kind),
            on_purpose: differences::of_qdisc(kind, words),
            of_habits,
            tables: &[],
            stored: is_stored(kind, words),
            ours: Box::new(move |index| {
                let qdisc = match ingress {
                    true => Qdisc::new(index, TcHandle::CLSACT, config.clone()),
                    false => Qdisc::new(index, TcHandle::ROOT, config.clone()).handle(QDISC),
                };
                qdisc.request(TcVerb::Add).with_flags(NLM_F_ACK)
            }),
        }
    };
    qdiscs.into_iter().map(line).collect()
}

/// All size tables, each on a qdisc.
pub(crate) fn size_table_lines() -> Vec<Line> {
    let line = |(words, table): (&str, SizeTable)| Line {
        command: format!("tc qdisc add dev eth0 root handle 1: stab {words} pfifo"),
        shape: shape::of("pfifo"),
        on_purpose: vec![differences::STAB],
        of_habits: Vec::new(),
        tables: &[],
        stored: true,
        ours: Box::new(move |index| {
            let qdisc = Qdisc::new(index, TcHandle::ROOT, PfifoConfig::new()).handle(QDISC).stab(table);
            qdisc.request(TcVerb::Add).with_flags(NLM_F_ACK)
        }),
    };
    size_tables().into_iter().map(line).collect()
}

/// Size tables: the words after `stab`, and the table.
pub(crate) fn size_tables() -> Vec<(&'static str, SizeTable)> {
    let table = SizeTable::new();
    let (ethernet, atm) = (table.link_layer(LinkLayer::Ethernet), table.link_layer(LinkLayer::Atm));
    vec![
        ("overhead 10", table.overhead(10)),
        ("overhead -4", table.overhead(-4)),
        ("mpu 64", table.mpu(64)),
        ("mpu 64 overhead 24", table.mpu(64).overhead(24)),
        ("linklayer ethernet", ethernet),
        ("linklayer ethernet mpu 64 overhead -4 mtu 1500 tsize 128", {
            ethernet.mpu(64).overhead(-4).mtu(1500).slots(128)
        }),
        ("linklayer atm", atm),
        ("linklayer adsl overhead 10", atm.overhead(10)),
        ("linklayer atm overhead 32 mtu 1500 tsize 128", atm.overhead(32).mtu(1500).slots(128)),
        // Sizes in units of four bytes.
        ("linklayer atm mtu 100000 tsize 16", atm.mtu(100_000).slots(16)),
        ("linklayer atm mpu 96 tsize 1", atm.mpu(96).slots(1)),
        ("mpu 1 mtu 1 tsize 1", table.mpu(1).mtu(1).slots(1)),
        ("mpu 70000 tsize 32", table.mpu(70_000).slots(32)),
        ("mpu 64 mtu 65536 tsize 1024", table.mpu(64).mtu(65_536).slots(1024)),
        // No table is created, whatever its size.
        ("mtu 9000 tsize 64 overhead 4", table.mtu(9000).slots(64).overhead(4)),
    ]
}

/// The golden file of this name.
pub(crate) fn golden(name: &str) -> String {
    format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) const DEV: &str = "eth0";
pub(crate) const QDISC: TcHandle = TcHandle::new(1, 0);
pub(crate) const CLASS: TcHandle = TcHandle::new(1, 0x10);

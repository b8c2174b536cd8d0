//! The differences from the requests of `tc`, with their reasons. Each of them must exist.

use nl_tc::leaf::NetemConfig;

use super::Habit;

/// The path of the difference, and the reason.
pub(crate) type Difference = (&'static str, &'static str);

/// The differences of a class, by the words after its kind.
pub(crate) fn of_class(kind: &str, words: &str) -> Vec<Difference> {
    let always = match kind {
        "htb" => HTB_CLASS,
        "drr" | "hfsc" | "qfq" => NOT_MARKED,
        _ => &[],
    };
    with(always, &format!("{kind} {words}"))
}

/// The differences of a qdisc, by its words.
pub(crate) fn of_qdisc(kind: &str, words: &str) -> Vec<Difference> {
    let always = match kind {
        "cake" | "cbs" | "codel" | "etf" | "fq" | "fq_codel" | "htb" | "pie" | "red" | "taprio" => NOT_MARKED,
        "prio" => PRIO,
        "tbf" => TBF,
        _ => &[],
    };
    with(always, words)
}

fn with(always: &[Difference], line: &str) -> Vec<Difference> {
    let mut all = always.to_vec();
    all.extend(listed(LINES, line));
    all
}

/// The differences of a line from a `tc` with a habit.
pub(crate) fn of_habits(line: &str) -> Vec<(Habit, Difference)> {
    listed(LINES_OF_CUT_BURSTS, line).into_iter().map(|difference| (Habit::CutsBursts, difference)).collect()
}

/// The differences of netem from a `tc` that sends ticks.
pub(crate) fn of_netem(netem: &NetemConfig) -> Vec<(Habit, Difference)> {
    let ticks = "nanoseconds are exact, ticks of 64 ns are not";
    let mut all = Vec::new();
    if !netem.delay.is_zero() {
        all.extend([("TCA_OPTIONS.latency", ticks), ("TCA_OPTIONS/TCA_NETEM_LATENCY64", ticks)]);
    }
    if !netem.jitter.is_zero() {
        all.extend([("TCA_OPTIONS.jitter", ticks), ("TCA_OPTIONS/TCA_NETEM_JITTER64", ticks)]);
    }
    all.into_iter().map(|difference| (Habit::SaysTicks, difference)).collect()
}

fn listed(lists: &[(&str, &[Difference])], line: &str) -> Vec<Difference> {
    lists.iter().filter(|(of, _)| *of == line).flat_map(|(_, list)| list.iter().copied()).collect()
}

const NESTED: &str =
    "options are marked as a nest, as the kernel's strict parsers ask; tc marks those of new kinds";
const TABLE: &str =
    "where the link layer is given, as it always is, the kernel has no use for the rate table";

pub(crate) const NOT_MARKED: &[Difference] = &[("TCA_OPTIONS.bits", NESTED)];
const LIST: &str =
    "lists of actions are marked as a nest, as options are; tc marks the options of an action only";
/// The list, the first action and the second.
pub(crate) const ACTIONS_OF_MATCHALL: &[Difference] = &[
    ("TCA_OPTIONS/TCA_MATCHALL_ACT.bits", LIST),
    ("TCA_OPTIONS/TCA_MATCHALL_ACT/1.bits", LIST),
    ("TCA_OPTIONS/TCA_MATCHALL_ACT/2.bits", LIST),
];
pub(crate) const ACTIONS_OF_FW: &[Difference] =
    &[("TCA_OPTIONS/TCA_FW_ACT.bits", LIST), ("TCA_OPTIONS/TCA_FW_ACT/1.bits", LIST)];
pub(crate) const ACTIONS_OF_FLOWER: &[Difference] =
    &[("TCA_OPTIONS/TCA_FLOWER_ACT.bits", LIST), ("TCA_OPTIONS/TCA_FLOWER_ACT/1.bits", LIST)];
pub(crate) const ACTIONS_OF_U32: &[Difference] =
    &[("TCA_OPTIONS/TCA_U32_ACT.bits", LIST), ("TCA_OPTIONS/TCA_U32_ACT/1.bits", LIST)];
/// The rate table of a policer for every packet, `TCA_POLICE_RATE`.
pub(crate) const RATE_TABLE: &[Difference] =
    &[("TCA_OPTIONS/TCA_MATCHALL_ACT/1/TCA_ACT_OPTIONS/attribute 2", TABLE)];
/// And that of its peak rate, `TCA_POLICE_PEAKRATE`.
pub(crate) const RATE_TABLES: &[Difference] = &[
    ("TCA_OPTIONS/TCA_MATCHALL_ACT/1/TCA_ACT_OPTIONS/attribute 2", TABLE),
    ("TCA_OPTIONS/TCA_MATCHALL_ACT/1/TCA_ACT_OPTIONS/attribute 3", TABLE),
];
/// The differences when all actions of a kind are deleted.
pub(crate) const FLUSH: Difference =
    ("attribute 2", "TCA_ROOT_FLAGS; tc asks for long messages of a list here too, where nothing is listed");
/// The differences of an action that filters share.
pub(crate) const SHARED: &[Difference] = &[("TCA_ACT_TAB.bits", LIST), ("TCA_ACT_TAB/1.bits", LIST)];
/// The differences of a flower filter without flags.
pub(crate) const FLOWER: &[Difference] =
    &[("TCA_OPTIONS/TCA_FLOWER_FLAGS", "tc sends flags also if they are 0, which is what none means")];
const MASK: &str =
    "every key that can have a mask is sent with it; tc sends none of a port that is compared whole";
pub(crate) const TCP_PORT: &[Difference] = &[("TCA_OPTIONS/TCA_FLOWER_KEY_TCP_DST_MASK", MASK)];
pub(crate) const UDP_PORT: &[Difference] = &[("TCA_OPTIONS/TCA_FLOWER_KEY_UDP_DST_MASK", MASK)];
/// The differences of a size table.
pub(crate) const STAB: Difference = ("TCA_STAB.bits", NESTED);
const HTB_CLASS: &[Difference] = &[
    ("TCA_OPTIONS.bits", NESTED),
    ("TCA_OPTIONS/TCA_HTB_RTAB", TABLE),
    ("TCA_OPTIONS/TCA_HTB_CTAB", TABLE),
    ("TCA_OPTIONS/TCA_HTB_PARMS.rate.cell_log", TABLE),
    ("TCA_OPTIONS/TCA_HTB_PARMS.rate.cell_align", TABLE),
    ("TCA_OPTIONS/TCA_HTB_PARMS.ceil.cell_log", TABLE),
    ("TCA_OPTIONS/TCA_HTB_PARMS.ceil.cell_align", TABLE),
];
const TBF: &[Difference] = &[
    ("TCA_OPTIONS.bits", NESTED),
    ("TCA_OPTIONS/TCA_TBF_RTAB", TABLE),
    ("TCA_OPTIONS/TCA_TBF_PARMS.rate.cell_log", TABLE),
    ("TCA_OPTIONS/TCA_TBF_PARMS.rate.cell_align", TABLE),
];

const PRIO: &[Difference] = &[(
    "TCA_OPTIONS",
    "tc appends an empty attribute, in which other releases had options; the kernel has none",
)];
const AUTORATE: &[Difference] = &[(
    "TCA_OPTIONS/TCA_CAKE_AUTORATE",
    "a bandwidth alone does not end autorate-ingress here, as options not given stay; in tc it does",
)];

const PEAK: Difference = ("TCA_OPTIONS/TCA_TBF_PTAB", TABLE);
const PEAK_LOG: Difference = ("TCA_OPTIONS/TCA_TBF_PARMS.peakrate.cell_log", TABLE);
const PEAK_ALIGN: Difference = ("TCA_OPTIONS/TCA_TBF_PARMS.peakrate.cell_align", TABLE);
const COMPUTED_AT_32_BITS: &str =
    "tc computes it at 4294967295 bytes per second, the maximum of the field, and not at the rate";
const WEIGHT: &[Difference] =
    &[("TCA_OPTIONS/TCA_QFQ_WEIGHT", "a change without one would make it 1, so it is always said")];

const CORRELATIONS: &[Difference] =
    &[("TCA_OPTIONS/TCA_NETEM_CORR", "tc sends correlations of delay, loss and duplication, all of them 0")];

/// The differences of single lines: `KIND WORDS` of a class, the words of a qdisc.
pub(crate) const LINES: &[(&str, &[Difference])] = &[
    ("qfq ", WEIGHT),
    ("qfq maxpkt 512", WEIGHT),
    ("qfq maxpkt 2048", WEIGHT),
    ("tbf rate 1mbit burst 5kb limit 10k peakrate 2mbit mtu 2000", &[PEAK, PEAK_LOG, PEAK_ALIGN]),
    (
        "tbf rate 1mbit burst 5kb limit 10k peakrate 100gbit mtu 20000",
        &[PEAK, PEAK_LOG, PEAK_ALIGN, ("TCA_OPTIONS/TCA_TBF_PARMS.mtu", COMPUTED_AT_32_BITS)],
    ),
    ("tbf rate 40gbit burst 1mb limit 10mb", &[("TCA_OPTIONS/TCA_TBF_PARMS.buffer", COMPUTED_AT_32_BITS)]),
    ("sfq", &[("TCA_OPTIONS", "all is said, so that a replacement starts again as well")]),
    ("cake unlimited", AUTORATE),
    ("cake bandwidth 20mbit", AUTORATE),
    ("cake bandwidth 40gbit", AUTORATE),
    ("netem corrupt 0.1% 25%", CORRELATIONS),
    ("netem delay 10ms reorder 25% 50%", CORRELATIONS),
];

const CUT: &str = "rounded up, so that the burst is no smaller than asked; tc cuts to microseconds";
const BUFFER: Difference = ("TCA_OPTIONS/TCA_HTB_PARMS.buffer", CUT);
const CBUFFER: Difference = ("TCA_OPTIONS/TCA_HTB_PARMS.cbuffer", CUT);
const BOTH: &[Difference] = &[BUFFER, CBUFFER];

/// The differences of single lines from a `tc` that rounds bursts down to microseconds, as old releases do.
pub(crate) const LINES_OF_CUT_BURSTS: &[(&str, &[Difference])] = &[
    ("htb rate 1gbit", BOTH),
    ("htb rate 10gbit", BOTH),
    ("htb rate 40gbit quantum 60000", BOTH),
    ("htb rate 100gbit quantum 60000", BOTH),
    ("htb rate 3mbit", BOTH),
    ("htb rate 7mbit ceil 11mbit", BOTH),
    ("htb rate 1kibps", BOTH),
    ("htb rate 1mibit", BOTH),
    ("htb rate 1.5mbit burst 1599b", &[CBUFFER]),
    ("tbf rate 7mbit burst 1599b latency 50ms", &[("TCA_OPTIONS/TCA_TBF_PARMS.buffer", CUT)]),
];

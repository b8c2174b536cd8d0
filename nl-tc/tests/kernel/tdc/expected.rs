//! The expected results of the cases. Cases that are not in these lists pass.

use self::Outcome::{FailsWithTc, NotApplicable};

/// The outcome of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The case passes.
    Passes,
    /// The case fails, also with the real `tc`.
    FailsWithTc,
    /// The case cannot run.
    NotApplicable,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) outcome: Outcome,
    /// Part of the reason given.
    pub(super) reason: &'static str,
}

/// The expected result of a case on a kernel.
pub(super) fn of(id: &str, kernel: &str) -> Expected {
    let is_it =
        |(known, kernels, ..): &&Exception| *known == id && (kernels.is_empty() || kernels.contains(&kernel));
    match EXCEPTIONS.iter().find(is_it) {
        Some(&(_, _, outcome, reason)) => Expected { outcome, reason },
        None => Expected { outcome: Outcome::Passes, reason: "" },
    }
}

/// A line of [`EXCEPTIONS`] that says what was measured, with the beginning of the reason.
pub(super) fn line(id: &str, kernel: &str, outcome: Outcome, reason: &str) -> String {
    let reason: String = reason.lines().next().unwrap_or_default().chars().take(80).collect();
    format!("    ({id:?}, &[{kernel:?}], {outcome:?}, {reason:?}),\n")
}

/// Whether the crate refuses this although the kernel accepts it.
pub(super) fn is_declined(id: &str, reason: &str) -> bool {
    DECLINED.iter().any(|(known, why)| *known == id && reason.contains(why))
}

const DECLINED: &[(&str, &str)] =
    &[("837a", QUANTUM), ("b9e9", QUANTUM), ("ca5e", NAME), ("e4b7", NAME), ("aa71", NAME), ("a86e", NAME)];
/// The kernel raises it to 256 without an error.
const QUANTUM: &str = "quantum 1; 256 to 1048576 are possible";
/// The kernel accepts it for any kind.
const NAME: &str = "handle ffff: is for ingress and clsact";

/// The reason not to run a case: it crashes this kernel, or an unknown kernel may crash.
pub(super) fn brings_down(id: &str, kernel: Option<&str>) -> Option<String> {
    let is_it = |(known, on, _): &&Down| *known == id && kernel.is_none_or(|kernel| *on == kernel);
    DOWN.iter().find(is_it).map(|(_, on, what)| format!("it brings {on} down: {what}"))
}

/// The case, the kernel, and what happens there with the real `tc`.
type Down = (&'static str, &'static str, &'static str);

const DOWN: &[Down] = &[
    ("3a62", "6.12", "a null pointer in qfq_dequeue of 6.12.118"),
    // Seen with the crate: iproute2 6.1 could not prepare the case.
    ("3a62", "6.1", "a null pointer in qfq_dequeue of 6.1.192"),
    // With one of these or both: a kernel warns only once.
    ("82d9", "6.1", "a warning in qfq_dequeue of 6.1.192"),
    ("c797", "6.1", "a warning in qfq_dequeue of 6.1.192"),
    // Not tried, but known from the fixes: mirred checks neither lock nor loop there.
    ("7eba", "6.1", "the lock of a qdisc is taken twice (CVE-2024-27010)"),
    ("b1d7", "6.1", ENDLESS),
    ("531c", "6.1", ENDLESS),
    ("37d7", "6.1", ENDLESS),
    ("6d02", "6.1", ENDLESS),
    ("6f62", "6.1", TIMERS),
    ("6f62", "6.12", TIMERS),
    ("6f62", "7", TIMERS),
    ("831f", "6.1", TIMERS),
    ("831f", "6.12", TIMERS),
    ("831f", "7", TIMERS),
];
/// The kernel refuses these times for a slow device only, and a veth has 10 Gbit/s.
const TIMERS: &str = "timers of taprio every 300 ns leave an emulated processor no time for anything else";
/// `act_mirred` of 6.1 notices a loop only while it is inside itself, and not one through the backlog of a processor.
const ENDLESS: &str = "a packet is redirected for ever";

/// The case, the kernels (all if empty), the outcome, and part of the reason.
pub(super) type Exception = (&'static str, &'static [&'static str], Outcome, &'static str);

const EXCEPTIONS: &[Exception] = &[
    // Refused by the crate, see above.
    ("837a", &[], NotApplicable, QUANTUM),
    ("b9e9", &[], NotApplicable, QUANTUM),
    ("ca5e", &[], NotApplicable, NAME),
    ("e4b7", &[], NotApplicable, NAME),
    // Not available in Debian's cloud kernels.
    ("41f5", &[], NotApplicable, "what comes before fails"),
    ("291d", &[], NotApplicable, "the kernel makes no dualpi2 qdisc"),
    ("9c6d", &[], NotApplicable, "the kernel makes no dualpi2 qdisc"),
    ("d3da", &[], NotApplicable, "the kernel makes no dualpi2 qdisc"),
    // Not run there, see above.
    ("3a62", &["6.1", "6.12"], NotApplicable, "qfq_dequeue"),
    ("82d9", &["6.1"], NotApplicable, "qfq_dequeue"),
    ("c797", &["6.1"], NotApplicable, "qfq_dequeue"),
    ("7eba", &["6.1"], NotApplicable, "it brings 6.1 down"),
    ("b1d7", &["6.1"], NotApplicable, "it brings 6.1 down"),
    ("531c", &["6.1"], NotApplicable, "it brings 6.1 down"),
    ("37d7", &["6.1"], NotApplicable, "it brings 6.1 down"),
    ("6d02", &["6.1"], NotApplicable, "it brings 6.1 down"),
    ("6f62", &["6.1", "6.12", "7"], NotApplicable, "timers of taprio"),
    ("831f", &["6.1", "6.12", "7"], NotApplicable, "timers of taprio"),
    // Programs that the kernel's runner has beside its cases.
    ("4d6f", &[], NotApplicable, "sfq_rejects_limit_1.py is no command of tc"),
    ("d774", &[], NotApplicable, "ping is no command of tc"),
    // What a guest lacks: a card with a clock of PTP.
    ("e8a1", &[], FailsWithTc, "Device does not have a PTP clock"),
    ("6a83", &[], FailsWithTc, "Device does not have a PTP clock"),
    // A filter without a device and a block, which the crate refuses.
    ("b7e3", &[], NotApplicable, "add a filter nowhere"),
    ("c8f4", &[], NotApplicable, "add a filter nowhere"),
    // Other counts and refusals of that kernel.
    ("2071", &["6.1", "6.12"], FailsWithTc, "is shown where 1 "),
    ("4ed9", &["6.1", "6.12"], FailsWithTc, "is shown where 1 "),
    ("aa99", &["6.1"], FailsWithTc, "is shown where 1 "),
    ("8c17", &["6.1"], FailsWithTc, "what comes before fails"),
    ("c7e1", &["6.1"], FailsWithTc, "what comes before fails"),
    // fifo and prio: refused by the crate.
    ("a86e", &[], NotApplicable, NAME),
    ("aa71", &[], NotApplicable, NAME),
    // sfq
    ("6472", &[], NotApplicable, "redflowlimit"),
    // flower: a million filters out of files that scripts of the kernel's runner write.
    ("e41d", &[], NotApplicable, "it needs $BATCH_DIR"),
    ("6f52", &[], NotApplicable, "it needs $BATCH_DIR"),
    ("c9da", &[], NotApplicable, "it needs $BATCH_DIR"),
    ("14be", &[], NotApplicable, "it needs $BATCH_DIR"),
    ("0c44", &[], NotApplicable, "it needs $BATCH_DIR"),
    ("ab62", &[], NotApplicable, "it needs $BATCH_DIR"),
    ("6e8f", &[], NotApplicable, "it needs $BATCH_DIR"),
    ("d052", &[], NotApplicable, "it needs $BATCH_FILE"),
    // taprio: a case whose command under test is no `tc`, cases that wait by means of a script of the kernel's runner, and an
    // offload, which a veth lacks.
    ("3e1e", &[], NotApplicable, "/bin/true is no command of tc"),
    ("39b4", &[], NotApplicable, "what comes before fails"),
    // mirred to a block came with Linux 6.8.
    ("456d", &["6.1"], FailsWithTc, ""),
    ("2358", &["6.1"], FailsWithTc, ""),
    ("fdb1", &["6.1"], FailsWithTc, ""),
    ("20cc", &["6.1"], FailsWithTc, ""),
    ("3188", &["6.1"], FailsWithTc, ""),
    ("83cc", &["6.1"], FailsWithTc, ""),
    // Two netems that duplicate in one tree are allowed again in 7.2.
    ("bf1d", &["6.1"], FailsWithTc, "cannot mix duplicating netems"),
];

//! What is known of the cases beforehand: those that are not in these lists pass.

use self::Outcome::NotApplicable;

/// What becomes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As it says.
    Passes,
    /// Not as it says, and with the real `tc` neither.
    FailsWithTc,
    /// It cannot be tried.
    NotApplicable,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) outcome: Outcome,
    /// Part of the reason given.
    pub(super) reason: &'static str,
}

/// What is expected of a case on a kernel.
pub(super) fn of(id: &str, kernel: &str) -> Expected {
    let exception = EXCEPTIONS
        .iter()
        .find(|(known, kernels, ..)| *known == id && (kernels.is_empty() || kernels.contains(&kernel)));
    match exception {
        Some((_, _, outcome, reason)) => Expected { outcome: *outcome, reason },
        None => Expected { outcome: Outcome::Passes, reason: "" },
    }
}

/// Whether the crate means to refuse this, although the kernel takes it.
pub(super) fn is_declined(id: &str, reason: &str) -> bool {
    DECLINED.iter().any(|(known, why)| *known == id && reason.contains(why))
}

const DECLINED: &[(&str, &str)] = &[("837a", QUANTUM), ("b9e9", QUANTUM)];
/// The kernel makes it 256 without a word.
const QUANTUM: &str = "quantum 1; 256 to 1048576 are possible";

/// The case, the kernels it is true of (all when empty), what becomes of it, and part of the reason.
type Exception = (&'static str, &'static [&'static str], Outcome, &'static str);

const EXCEPTIONS: &[Exception] = &[
    // What the crate refuses, see above.
    ("837a", &[], NotApplicable, QUANTUM),
    ("b9e9", &[], NotApplicable, QUANTUM),
    // What Debian's cloud kernels do not have.
    ("41f5", &[], NotApplicable, "it needs netdevsim"),
];

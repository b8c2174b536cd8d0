//! Results that were predicted and not measured yet. A wrong one fails its test, which prints the line for `EXCEPTIONS` in `expected.rs`
//! that is right; a right one is printed as such a line too.

use super::expected::{
    Exception, NAME,
    Outcome::{FailsWithTc, NotApplicable},
};

pub(super) const PREDICTED: &[Exception] = &[
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
];

//! The kernels the tests run under.

use nl_testkit::Result;

/// A line of kernel releases and the suite of Debian that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// As given to `--kernel`.
    pub(crate) kernel: &'static str,
    /// How its releases begin.
    pub(crate) number: &'static str,
    /// As in the table and in `NL_TESTKIT_LANE`.
    pub(crate) lane: &'static str,
    pub(crate) suite: &'static str,
    /// By emulation, which runs all on one processor of this machine: a second costs a fifth of the time, and one series has it.
    pub(crate) processors: usize,
    /// Whether netdevsim is built for it; of the tests only those that need it are run then.
    pub(crate) netdevsim: bool,
}

impl Series {
    pub(crate) fn find(name: &str) -> Result<Self> {
        let known = || ALL.iter().map(|series| series.kernel).collect::<Vec<_>>().join(", ");
        let found = ALL.iter().find(|series| series.kernel == name).copied();
        found.ok_or_else(|| {
            format!("no kernel {name}: there are {}, and the path of a bzImage or .deb", known()).into()
        })
    }

    /// The need that tests must declare to be run under this kernel, as `NL_TESTKIT_ONLY` has it.
    pub(crate) fn only(&self) -> Option<&'static str> {
        self.netdevsim.then_some("netdevsim")
    }
}

/// Oldest and newest first, as they are most likely to fail.
pub(crate) const ALL: &[Series] = &[
    Series {
        kernel: "6.1",
        number: "6.1",
        lane: "vm-6.1",
        suite: "bookworm",
        processors: 1,
        netdevsim: false,
    },
    Series { kernel: "7", number: "7", lane: "vm-7", suite: "sid", processors: 2, netdevsim: false },
    Series {
        kernel: "6.12",
        number: "6.12",
        lane: "vm-6.12",
        suite: "trixie",
        processors: 1,
        netdevsim: false,
    },
    Series {
        kernel: "offload",
        number: "6.12",
        lane: "vm-offload",
        suite: "bookworm-backports",
        processors: 1,
        netdevsim: true,
    },
];

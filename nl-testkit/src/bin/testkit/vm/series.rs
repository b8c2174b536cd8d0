//! The kernels the tests run under.

use nl_testkit::Result;

/// A line of kernel releases and the suite of Debian that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// As given to `--kernel`.
    pub(crate) number: &'static str,
    /// As in the table and in `NL_TESTKIT_LANE`.
    pub(crate) lane: &'static str,
    pub(crate) suite: &'static str,
    /// What the lane promises.
    pub(crate) promises: &'static str,
}

impl Series {
    /// Reads `6.1,7`; all of them for `None`.
    pub(crate) fn list(text: Option<&str>) -> Result<Vec<Self>> {
        let Some(text) = text else { return Ok(ALL.to_vec()) };
        text.split(',').map(Self::find).collect()
    }

    pub(crate) fn find(name: &str) -> Result<Self> {
        let name = name.trim();
        let known = || ALL.iter().map(|series| series.number).collect::<Vec<_>>().join(", ");
        let found = ALL.iter().find(|series| series.number == name).copied();
        found.ok_or_else(|| format!("no kernel {name}: there are {}", known()).into())
    }
}

/// Oldest and newest first, as they are most likely to fail.
pub(crate) const ALL: &[Series] = &[
    Series {
        number: "6.1",
        lane: "vm-6.1",
        suite: "bookworm",
        promises: include_str!("../../../../lanes/vm-6.1.txt"),
    },
    Series { number: "7", lane: "vm-7", suite: "sid", promises: include_str!("../../../../lanes/vm-7.txt") },
    Series {
        number: "6.12",
        lane: "vm-6.12",
        suite: "trixie",
        promises: include_str!("../../../../lanes/vm-6.12.txt"),
    },
];

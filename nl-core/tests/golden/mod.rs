//! The commands of `ip`, ours for each, and where the two differ on purpose: for the tests that ask iproute2, and for those that
//! read what it once said from the `.hex` files here.

#[cfg(feature = "address")]
pub(crate) mod address;
#[cfg(feature = "neighbour")]
pub(crate) mod neighbour;
#[cfg(feature = "rule")]
pub(crate) mod rule;

use std::collections::BTreeMap;

use nl_core::{Connection, Pending, Request};
use nl_testkit::oracle::{BytesOracle, Mismatch, Shape};

/// The numbers of the interfaces in the commands.
pub(crate) type Indexes = BTreeMap<String, u32>;

/// A line of `ip`, ours for it, and where they differ on purpose.
pub(crate) struct Line {
    pub(crate) command: &'static str,
    /// Ours from the codec.
    pub(crate) codec: fn(&Indexes) -> Request,
    /// Ours from the handle.
    pub(crate) handle: fn(Connection) -> Pending<()>,
    pub(crate) on_purpose: &'static [(&'static str, &'static str)],
}

/// The lines about one kind of object.
pub(crate) struct Table {
    pub(crate) shape: &'static Shape,
    /// Where the commands' requests are kept.
    pub(crate) file: &'static str,
    pub(crate) kinds: &'static [u16],
    pub(crate) lines: Vec<Line>,
}

impl Table {
    /// Compares ours with what iproute2 made of the command.
    pub(crate) fn compare(&self, line: &Line, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        BytesOracle::new(self.shape).except(line.on_purpose).compare(ours, theirs)
    }
}

//! This project's crates: the one file that knows them (feature `ours`).
//!
//! Connecting comes before the watch starts, as for every contestant; what a function did is checked by its caller.

use crate::Result;
use crate::entry::{Mac, Seen, Tally};
use crate::measure::{Cost, Kib};

/// Streams the static entries of the bridge `IFINDEX_BRIDGE` into a tally.
pub(crate) fn list() -> Result<(Cost, Tally)> {
    unavailable()
}

/// Adds `macs` as static entries on `IFINDEX_PORT`, exclusively, through the batch.
pub(crate) fn insert(_: &[Mac]) -> Result<Cost> {
    unavailable()
}

/// Deletes all static entries of the port with one flush.
pub(crate) fn delete(_: &[Mac]) -> Result<Cost> {
    unavailable()
}

/// Decodes one RTM_NEWNEIGH, netlink header included.
pub(crate) fn decode(_: &[u8]) -> Result<Seen> {
    unavailable()
}

/// As `list`, with the peak of resident memory in place of time.
pub(crate) fn stream() -> Result<(Kib, Tally)> {
    unavailable()
}

fn unavailable<T>() -> Result<T> {
    Err("nl-bridge has no FDB handle to measure: build without the feature `ours`".into())
}

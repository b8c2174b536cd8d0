use std::collections::HashSet;

use crate::TcHandle;
use crate::qdisc::{Places, QdiscConfig};

/// The qdiscs with one place below them. The kernel finds that place under any minor number and reports the one it was given, so
/// that `1:` and `1:1` are the same.
#[derive(Debug, Default)]
pub(super) struct Single(HashSet<TcHandle>);

impl Single {
    pub(super) fn of<'a>(qdiscs: impl Iterator<Item = (TcHandle, &'a QdiscConfig)>) -> Self {
        let one = qdiscs.filter(|(handle, config)| !handle.is_none() && config.places() == Places::One);
        Self(one.map(|(handle, _)| handle).collect())
    }

    /// The one name of a parent.
    pub(super) fn place(&self, parent: TcHandle) -> TcHandle {
        match self.0.contains(&parent.qdisc()) {
            true => parent.class(1),
            false => parent,
        }
    }
}

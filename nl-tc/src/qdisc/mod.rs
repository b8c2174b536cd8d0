//! Qdiscs: how a device or a leaf class queues packets.

mod codec;
mod handle;

pub use codec::{Qdisc, QdiscConfig, QdiscFilter};
pub(crate) use codec::{describe, write_place};
pub use handle::{QdiscEntry, Qdiscs};

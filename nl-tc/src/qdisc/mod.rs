//! Qdiscs: how a device or a leaf class queues packets.

mod codec;
mod config;
mod handle;

pub use codec::{Qdisc, QdiscFilter};
pub(crate) use config::Places;
pub use config::QdiscConfig;
pub(crate) use handle::list;
pub use handle::{QdiscEntry, Qdiscs};

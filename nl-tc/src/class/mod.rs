//! Classes: how a classful qdisc divides a link's bandwidth.

mod codec;
mod config;
mod handle;

pub use codec::{Class, ClassFilter};
pub use config::ClassConfig;
pub(crate) use handle::list;
pub use handle::{ClassEntry, Classes};

//! Classes: how a classful qdisc divides a link's bandwidth.

mod codec;
mod handle;

pub use codec::{Class, ClassConfig, ClassFilter};
pub(crate) use codec::{Place, describe, write_place};
pub use handle::{ClassEntry, Classes};

//! Classes: how a classful qdisc divides a link's bandwidth.

mod codec;
mod config;
mod event;
mod handle;

pub use codec::{Class, ClassFilter};
pub use config::ClassConfig;
pub use event::ClassEvent;
pub(crate) use handle::list;
pub use handle::{ClassEntry, Classes};

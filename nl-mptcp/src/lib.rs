//! Multipath TCP of Linux through netlink, for path managers, edge gateways and test labs.
//!
//! # What it does
//! [`endpoint`] is what the kernel's own path manager works with: the addresses it uses and announces.
//!
//! # Permissions and namespaces
//! Reading endpoints and limits takes no privilege. Changing takes `CAP_NET_ADMIN` in the user namespace that owns the
//! network namespace, so an unprivileged user can do it in a user and network namespace of his own. Whoever has it may do
//! this to every connection of the namespace. Everything happens in the namespace the netlink connection was opened in.
//!
//! # Features
//! - `tokio` (on by default): the handle. Without it the crate encodes and decodes only.
//! - `serde`: `Serialize` on what is read from the kernel.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod endpoint;
mod id;
mod message;

pub use id::{AddressId, Token};
pub use message::{EVENT_GROUP, FAMILY};

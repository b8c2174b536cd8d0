//! Multipath TCP of Linux through netlink, for path managers, edge gateways and test labs.
//!
//! # What it does
//! [`endpoint`] is what the kernel's own path manager works with: the addresses it uses and announces. [`diag`] lists
//! connections with their subflows and statistics, [`socket`] asks about sockets the program has itself, and [`mib`] reads
//! the namespace's counters.
//!
//! # Permissions and namespaces
//! Reading endpoints and limits takes no privilege. Changing takes `CAP_NET_ADMIN` in the user namespace that owns the
//! network namespace, so an unprivileged user can do it in a user and network namespace of his own. Whoever has it may do
//! this to every connection of the namespace. Everything happens in the namespace the netlink connection was opened in.
//!
//! # Features
//! - `tokio` (on by default): the handle. Without it the crate encodes and decodes only.
//! - `diag`, `mib`, `socket` (on by default): the modules of those names.
//! - `serde`: `Serialize` on what is read from the kernel.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "diag")]
pub mod diag;
pub mod endpoint;
mod id;
#[cfg(any(feature = "diag", feature = "socket"))]
mod info;
mod message;
#[cfg(feature = "mib")]
pub mod mib;
#[cfg(feature = "socket")]
pub mod socket;

pub use id::{AddressId, Token};
pub use message::{EVENT_GROUP, FAMILY};

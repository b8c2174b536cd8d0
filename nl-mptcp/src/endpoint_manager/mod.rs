//! Endpoints that follow the addresses of a namespace: what the program decides for the kernel's path manager.
//!
//! The kernel's [endpoints](crate::endpoint) do not follow its addresses: one whose address is gone stays, and a new address has none. An
//! [`EndpointPolicy`] says which interfaces and networks have endpoints, with which flags; an [`EndpointManager`] makes the table of
//! endpoints converge to that at its start, with each change of a link or an address, and in intervals. It leaves the endpoints that
//! others made, unless the policy is [exact](EndpointPolicy::exact): its own have [ids in a range](EndpointPolicy::ids). What the rules
//! of a policy say, [reviews](EndpointPolicy::review) can veto or alter.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_mptcp::Mptcp;
//! use nl_mptcp::endpoint::EndpointFlags;
//! use nl_mptcp::endpoint_manager::{EndpointManager, EndpointPolicy};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
//! let policy = EndpointPolicy::new()
//!     .interface("wwan*", EndpointFlags::SUBFLOW | EndpointFlags::BACKUP)
//!     .interface("*", EndpointFlags::SUBFLOW)
//!     .except("docker*")
//!     .limits(Some(4), None);
//! let mut manager = EndpointManager::open(&mptcp, policy).await?;
//! while let Some(report) = manager.next().await {
//!     println!("{}", report?);
//! }
//! # Ok(())
//! # }
//! ```
//! Unlike [`path_manager`](crate::path_manager), it needs no program to be running for connections to get their subflows: what it added
//! stays when it ends, unless [`EndpointManager::remove`] is called. Connections of the userspace path manager do not use endpoints.
//!
//! Changes need `CAP_NET_ADMIN`. Linux 5.6. Equivalent: the plugin `addr_adv` of `mptcpd`, and NetworkManager's `mptcp-flags`.

mod driver;
mod plan;
mod policy;

pub use driver::{EndpointManager, EndpointReport};
pub use plan::EndpointStep;
pub use policy::{EndpointPolicy, LocalAddress};

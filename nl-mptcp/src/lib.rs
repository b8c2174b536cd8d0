//! Multipath TCP of Linux through netlink, for path managers, edge gateways and test labs.
//!
//! # What it does
//! | | |
//! |---|---|
//! | [`endpoint`], [`limits`] | the kernel's path manager: the addresses that it uses and announces, and its limits |
//! | [`connection`], [`subflow`] | for a program that is the path manager: announce and withdraw addresses, create and destroy subflows |
//! | [`event`] | events of connections, addresses and subflows |
//! | `diag` | connections with their subflows and statistics |
//! | `endpoint_manager` | endpoints that follow the addresses of a namespace, by rules |
//! | `path_manager` | a path manager to embed in a program, with policies such as full mesh |
//! | `socket` | statistics of the program's own sockets |
//! | `mib`, `settings` | the counters and the `net.mptcp` settings of a namespace |
//! [`manual`] is the guide: a recipe for each task, and what to check when nothing happens.
//!
//! # Example
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_mptcp::Mptcp;
//! use nl_mptcp::event::MptcpEvent;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
//!
//!     // The kernel's path manager. ip mptcp limits set subflows 4 add_addr_accepted 4
//!     mptcp.limits().subflows(4).add_addr_accepted(4).set().await?;
//!     // ip mptcp endpoint add 192.0.2.1 dev eth1 subflow backup
//!     mptcp.endpoint(std::net::Ipv4Addr::new(192, 0, 2, 1)).dev("eth1").subflow().backup().add().await?;
//!
//!     // The program as path manager: create a subflow to each address that a peer announces. ip mptcp monitor
//!     let mut events = mptcp.events().await?;
//!     while let Some(event) = events.try_next().await? {
//!         println!("{event}");
//!         if let MptcpEvent::Announced(address) = event {
//!             let local = "192.0.2.1:0".parse()?;
//!             mptcp.mptcp_connection(address.token).subflow(local, address.remote).id(7).create().await?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Without a runtime, under feature `blocking`, `.wait()` takes the place of `.await`, and lists, events and `PathManager` are read in
//! `for` loops:
//! ```no_run
//! # #[cfg(feature = "blocking")]
//! fn main() -> nl_core::Result<()> {
//!     let mptcp = nl_mptcp::Mptcp::new(nl_core::Connection::open(nl_core::Protocol::Generic)?);
//!     mptcp.limits().subflows(4).set().wait()?;
//!     for endpoint in mptcp.endpoints().list().wait()? {
//!         println!("{}", endpoint?);
//!     }
//!     for event in &mut mptcp.events().wait()? {
//!         println!("{}", event?);
//!     }
//!     Ok(())
//! }
//! # #[cfg(not(feature = "blocking"))]
//! # fn main() {}
//! ```
//!
//! # Permissions and namespaces
//! Reading endpoints and limits needs no privilege. Changes need `CAP_NET_ADMIN` in the user namespace that owns the network
//! namespace, so an unprivileged user can make them in a network namespace of their own. The capability covers every connection of
//! the namespace. All calls act in the network namespace in which the netlink connection was opened.
//!
//! # Features
//! - `tokio` (on by default): waiting inside a tokio runtime: `.await` on operations, lists and events.
//! - `blocking`: waiting without a runtime: [`Pending::wait`](nl_core::Pending), and `for` loops over lists and events; needs no tokio.
//! - `diag`, `endpoint-manager`, `mib`, `path-manager`, `socket`, `settings` (on by default): the modules of those names.
//! - `serde`: `Serialize` on what is read from the kernel, and `Deserialize` on the flags of endpoints.
//! - `tracing`: spans of requests and events about losses; see nl-core.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
mod readme {}

#[macro_use]
mod serialize;

mod channel;
pub mod connection;
#[cfg(feature = "diag")]
pub mod diag;
pub mod endpoint;
#[cfg(feature = "endpoint-manager")]
pub mod endpoint_manager;
pub mod event;
mod id;
#[cfg(any(feature = "diag", feature = "socket"))]
mod info;
pub mod limits;
pub mod manual;
mod message;
#[cfg(feature = "mib")]
pub mod mib;
mod mptcp;
#[cfg(feature = "path-manager")]
pub mod path_manager;
#[cfg(any(feature = "endpoint-manager", feature = "path-manager"))]
mod selection;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(feature = "socket")]
pub mod socket;
pub mod subflow;

pub use id::{AddressId, Token};
pub use message::{EVENT_GROUP, FAMILY};
pub use mptcp::Mptcp;

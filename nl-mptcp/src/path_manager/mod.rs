//! A path manager to be embedded in a program: it follows connections, their subflows and the addresses of the namespace, asks a
//! [`Policy`] what to do, and has the kernel do it.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_mptcp::Mptcp;
//! use nl_mptcp::path_manager::{BackupOnMetered, FollowInterfaces, FullMesh, PathManager, Report};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
//! // sysctl net.mptcp.pm_type=1: new connections are left to a program.
//! let policy = (FollowInterfaces::new(), (FullMesh::new(), BackupOnMetered::new(["wwan0"])));
//! let mut manager = PathManager::open(&mptcp, policy).await?;
//! while let Some(report) = manager.next().await {
//!     match report? {
//!         Report::Event(event) => println!("{event:?}"),
//!         Report::Done(decision) => println!("{decision}"),
//!         Report::Failed { error, .. } => eprintln!("{error}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It is for connections of the userspace path manager only: those whose sockets were made while `net.mptcp.path_manager` was
//! `userspace` (see [`connection`](crate::connection)). Others are in the table too, for nothing tells them apart; the first
//! decision about one fails and marks it as [the kernel's](ConnectionState::kernels), and no further ones are taken.
//!
//! Equivalent: the daemon `mptcpd` with its plugins. iproute2 has none.
//!
//! # Policies
//! | policy | what it does |
//! |---|---|
//! | [`FullMesh`] | a subflow from every local address to every address of the peer |
//! | [`NDiffPorts`] | so many subflows between the two addresses of the first, from different ports |
//! | [`BackupOnMetered`] | subflows from some interfaces carry data only when no other can |
//! | [`FollowInterfaces`] | what came from an interface goes when it goes down, and comes back when it is up |
//! | `(A, B)` | both: `B` sees what `A` decided |
//! | a closure | `FnMut(&PathEvent, &mut Plan<'_>)` |
//!
//! # Writing a policy
//! A policy is asked once for everything that happens, and takes its decisions with the [`Plan`]. These show in the plan's table at
//! once, so a policy that compares what should be with what the table shows is right whatever happened: it does too much at no time,
//! and makes up for lost events at [`PathEvent::Synced`]. Ids of addresses are chosen by the plan.
//!
//! ```
//! use nl_mptcp::subflow::Subflow;
//! use nl_mptcp::path_manager::{PathEvent, Plan, Policy};
//!
//! /// One more subflow, from whichever other address there is to wherever the first goes.
//! struct OneMore;
//!
//! impl Policy for OneMore {
//!     fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
//!         let PathEvent::Established { token } = *event else { return };
//!         let Some(connection) = plan.table().connection(token) else { return };
//!         // The side that accepted leaves it to the other, which may be behind a NAT.
//!         if connection.server_side != Some(false) || connection.subflows.len() > 1 {
//!             return;
//!         }
//!         let (first, remote) = (connection.local.ip(), connection.remote);
//!         let fits = |a: &std::net::IpAddr| *a != first && a.is_ipv4() == remote.is_ipv4();
//!         let other = plan.table().usable_addresses().map(|(_, address)| address).find(fits);
//!         if let Some(other) = other {
//!             plan.create(token, Subflow::new((other, 0).into(), remote));
//!         }
//!     }
//! }
//! ```
//!
//! What fails comes back as [`PathEvent::Failed`]; trying again at once would go on for ever.
//!
//! # How the table stays right
//! It begins with lists: links, addresses, and connections with their subflows from `sock_diag`. Events that arrive meanwhile are
//! applied afterwards, in their order. Each event holds the new state and not a difference, so an event older than a list does no
//! harm. When the kernel drops events, the receive buffer is read empty, everything is listed again, and the differences are
//! reported as events. What no list contains is kept from before: the addresses that either side announced.
//!
//! The kernel does not report three things, so the table lacks them: what the peer announced while events were lost or before the
//! path manager began; a subflow that ends while its connection is being closed; a connection that falls back to plain TCP later.

mod driver;
mod event;
mod machine;
mod plan;
mod policies;
mod policy;
mod snapshot;
mod table;

pub use driver::{PathManager, PathManagerBuilder};
pub use event::{PathEvent, Report};
pub use plan::{Decision, Plan};
pub use policies::{BackupOnMetered, FollowInterfaces, FullMesh, NDiffPorts};
pub use policy::Policy;
pub use table::{AddressKind, ConnectionState, Interface, SubflowState, Table};

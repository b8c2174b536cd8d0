//! A path manager to embed in a program: it follows connections, their subflows and the addresses of the namespace, calls a
//! [`Policy`] for each event, and sends its decisions to the kernel.
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
//!         Report::Pending(decision) => println!("{decision}: the first packet was sent"),
//!         Report::Done(decision) => println!("{decision}: done"),
//!         Report::Failed { error, .. } => eprintln!("{error}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//! It is for connections of the userspace path manager only: those whose sockets were created while `net.mptcp.path_manager` was
//! `userspace` (see [`connection`](crate::connection)). Others are in the table too, because the kernel does not report which
//! path manager a connection has. The first decision about one fails and marks it as
//! [kernel-managed](ConnectionState::kernel_managed); further decisions are refused.
//!
//! Where new connections are left to the kernel's path manager, or Multipath TCP is off, [`Report::Idle`] says so.
//!
//! Equivalent: the daemon `mptcpd` with its plugins. iproute2 has none.
//!
//! # Policies
//! | policy | what it does |
//! |---|---|
//! | [`FullMesh`] | a subflow from every local address to every address of the peer |
//! | [`NDiffPorts`] | a number of subflows between the addresses of the initial one, from different ports |
//! | [`BackupOnMetered`] | subflows from some interfaces are backups |
//! | [`FollowInterfaces`] | the subflows of an interface are destroyed and its addresses withdrawn when it goes down, and restored when it comes up |
//! | `(A, B)` | both: `B` sees the decisions of `A` in the table, and can [veto or alter](Policy::review) them before |
//! | [`Guarded`] | another policy, whose decisions a guard can veto or alter |
//! | a closure | `FnMut(&PathEvent, &mut Plan<'_>)` |
//!
//! # Writing a policy
//! A policy is called once for each event, and decides through the [`Plan`]. The plan's table shows each decision at once. A policy
//! that compares the desired subflows with the table therefore never issues the same decision twice, and catches up after lost events
//! at [`PathEvent::Synced`]. The plan chooses the ids of addresses.
//!
//! ```
//! use nl_mptcp::subflow::Subflow;
//! use nl_mptcp::path_manager::{PathEvent, Plan, Policy};
//!
//! /// One more subflow, from another address to the destination of the initial one.
//! struct OneMore;
//!
//! impl Policy for OneMore {
//!     fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
//!         let PathEvent::Established { token } = *event else { return };
//!         let Some(connection) = plan.table().connection(token) else { return };
//!         // The server leaves it to the client, which may be behind a NAT.
//!         if connection.server_side != Some(false) || connection.subflows.len() > 1 {
//!             return;
//!         }
//!         let (first, remote) = (connection.local.ip(), connection.remote);
//!         let fits = |a: &std::net::IpAddr| *a != first && a.is_ipv4() == remote.is_ipv4();
//!         let other = plan.table().usable_addresses().map(|(_, address)| address).find(fits);
//!         if let Some(other) = other {
//!             let mut subflow = Subflow::new((other, 0).into(), remote);
//!             // Without it, the route to the peer decides by which interface it leaves.
//!             subflow.index = plan.table().binding(other);
//!             plan.create(token, subflow);
//!         }
//!     }
//! }
//! ```
//! A decision that the kernel refuses is reported as [`PathEvent::Failed`], a subflow that is not established as
//! [`PathEvent::SubflowClosed`]. Retrying at once would repeat forever. What was decided about a connection that has ended meanwhile is
//! only counted: [`Report::Ended`].
//!
//! A subflow without an [interface](crate::subflow::Subflow::index()) leaves by the route to the peer, not by the interface of its
//! address.
//!
//! # Time and counters
//! A policy that acts later asks for a call with [`Plan::wake_after`], and compares [`Plan::now`] with the times it remembers at
//! [`PathEvent::Woken`]. [`PathManagerBuilder::every`] calls it at regular times, [`PathManager::wake`] at any. One that acts on what
//! was sent, or on round-trip times, [watches](Plan::watch) connections: their [`Counters`] are in the table, read again and again at
//! [a bounded rate](PathManagerBuilder::counters_every), and each reading is a [`PathEvent::Counted`]. The example `mptcp_policies` has
//! three of twenty lines.
//!
//! # How the table stays correct
//! Interfaces and addresses are those of [`LinkWatch`](nl_core::link::LinkWatch) and [`AddressWatch`](nl_core::address::AddressWatch),
//! which keep themselves correct. Connections start with a list of `sock_diag`, with their subflows. Events that arrive meanwhile are
//! applied afterwards, in order. Each event holds the new state and not a difference, so an event older than a list is harmless. When
//! the kernel drops events, of connections or of a watch, the receive buffer is drained, the table is listed again, and the differences
//! are reported as events. [`PathEvent::Synced`] follows when all of it is complete.
//! What no list contains is retained: the addresses that either side announced.
//! The kernel does not report four things, so the table lacks them: addresses that the peer announced while events were lost or
//! before the path manager started; the end of a subflow while its connection is being closed; a later fallback to plain TCP; and,
//! until everything is listed again, that another program made a subflow of this side a backup.

mod clock;
mod counters;
mod driver;
mod event;
mod interfaces;
mod machine;
mod plan;
mod policies;
mod policy;
mod snapshot;
mod table;

pub use counters::{Counters, SubflowCounters};
pub use driver::{PathManager, PathManagerBuilder};
pub use event::{Idle, PathEvent, Report};
pub use plan::{Decision, Guard, Plan};
pub use policies::{BackupOnMetered, FollowInterfaces, FullMesh, Guarded, NDiffPorts};
pub use policy::Policy;
pub use table::{AddressKind, ConnectionState, Interface, SubflowState, Table};

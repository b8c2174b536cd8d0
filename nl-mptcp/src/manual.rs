//! The guide: which path manager to use, how to use it, what can be observed, and what to check when nothing happens.
//!
//! # Two path managers
//! A Multipath TCP connection starts with one TCP connection, its initial subflow. A *path manager* adds further subflows. Linux has
//! two path managers. A connection has the same one for its whole life:
//!
//! | | kernel | userspace |
//! |---|---|---|
//! | configured with | [endpoints](crate::endpoint) and [limits](crate::limits) of the namespace | requests about each [connection](crate::connection), selected by its token |
//! | use for | the same rules for all connections | decisions for each connection |
//! | if the program stops | continues | creates no further subflows |
//! | since | Linux 5.6 | Linux 5.19 |
//! The setting `net.mptcp.path_manager` (`net.mptcp.pm_type` before Linux 6.15) selects it when a socket is created, and for an
//! accepted socket when it is accepted. The default is the kernel's path manager.
//! A program uses Multipath TCP if it creates its sockets with protocol 262 (`IPPROTO_MPTCP`, socket2's `Protocol::MPTCP`). Both ends
//! must do so.
//!
//! # The kernel's path manager
//! The client usually has an endpoint for each further address, and a limit that allows the subflows.
//! ```no_run
//! # async fn example(mptcp: nl_mptcp::Mptcp) -> nl_core::Result<()> {
//! // ip mptcp limits set subflows 2 add_addr_accepted 2
//! mptcp.limits().subflows(2).add_addr_accepted(2).set().await?;
//! // ip mptcp endpoint add 198.51.100.7 dev wwan0 subflow backup
//! mptcp.endpoint(std::net::Ipv4Addr::new(198, 51, 100, 7)).dev("wwan0").subflow().backup().add().await?;
//! # Ok(())
//! # }
//! ```
//! The server announces its further addresses, and the client connects to them.
//! ```no_run
//! # async fn example(mptcp: nl_mptcp::Mptcp) -> nl_core::Result<()> {
//! // ip mptcp limits set subflows 2
//! mptcp.limits().subflows(2).set().await?;
//! // ip mptcp endpoint add 192.0.2.2 signal
//! mptcp.endpoint(std::net::Ipv4Addr::new(192, 0, 2, 2)).signal().add().await?;
//! # Ok(())
//! # }
//! ```
//! # A path manager in the program
//! It listens to the [events](crate::event), and sends requests about their connections. The program assigns the `id`s: 1 to 255, one
//! for each address of a connection. Id 0 is the address of the initial subflow.
#![cfg_attr(feature = "settings", doc = "```no_run")]
#![cfg_attr(not(feature = "settings"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use futures_util::TryStreamExt;
//! use nl_mptcp::event::MptcpEvent;
//! use nl_mptcp::settings::PathManagerType;
//!
//! # async fn example(mptcp: nl_mptcp::Mptcp) -> Result<(), Box<dyn std::error::Error>> {
//! // sysctl net.mptcp.pm_type=1
//! mptcp.settings()?.set_path_manager(&PathManagerType::Userspace)?;
//! let mut events = mptcp.events().await?;
//! while let Some(event) = events.try_next().await? {
//!     match event {
//!         MptcpEvent::Established(event) if !event.server_side => {
//!             // From the other address to the destination of the initial subflow. Waits until the peer accepts.
//!             let connection = mptcp.mptcp_connection(event.token);
//!             let subflow = connection.subflow("198.51.100.7:0".parse()?, event.remote).id(1);
//!             match subflow.create_established(Duration::from_secs(5)).await {
//!                 Ok(made) => println!("{} to {}", made.local, made.remote),
//!                 Err(error) => eprintln!("{error}"),
//!             }
//!         }
//!         MptcpEvent::SubflowClosed(event) => println!("{} closed: {:?}", event.local, event.error),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//! This example does not handle existing connections, lost events and address changes, and it waits for one peer at a time.
//! `PathManager` of module `path_manager` handles all of these, and leaves the decisions to a policy.
//!
//! # Several uplinks
//! A subflow leaves by the route to the peer, whatever its local address, unless it is bound to an interface: two default routes with
//! different metrics send everything by the first, and routers that check the source drop what belongs to the second.
//! `FullMesh` of module `path_manager` binds each subflow to the interface of its address, as does an endpoint with `dev`. Linux 6.1
//! cannot bind subflows of the userspace path manager: there an `ip rule` for each source address leads to a table with its own default
//! route. The machine itself needs `rp_filter` 0 or 2, because the answers arrive by an uplink that its main table would not use.
//!
//! # An address that goes
//! The peer uses a path until it knows better. Withdraw the id of an address that is gone: the peer closes its subflows at once.
//! Destroying the subflow closes this end only, and leaves the peer to its retransmissions; withdrawing closes the peer's end only, if
//! the path is broken. `FollowInterfaces` does both, in an order in which the withdrawal leaves by a path that works.
//!
//! # What can be observed
//! | question | answer | iproute2 |
//! |---|---|---|
//! | what is happening | [`MptcpEvent`](crate::event::MptcpEvent) | `ip mptcp monitor` |
//! | which connections and subflows exist, and how much data each carried | `diag::SockDiag::connections()` | `ss -M -i`, `ss -t -i` |
//! | the same for a socket of this program | `socket::full_info()` | |
//! | how often something happened in the namespace | `mib::Mib` | `nstat -a -z` |
//! | how the kernel's path manager is configured | `Mptcp::endpoints()`, `Mptcp::limits()` | `ip mptcp endpoint`, `ip mptcp limits` |
//! Amounts of data are in bytes, rates in bytes per second, times in the unit that the field states. Tokens are shown in hexadecimal,
//! as in iproute2.
//!
//! # When nothing happens
//! | symptom | cause | where to look |
//! |---|---|---|
//! | nothing at all | `Mptcp::status()` says whether the namespace has Multipath TCP, and which path manager | |
//! | the connection is plain TCP | the peer does not support Multipath TCP, or a middlebox removes the option | `InfoFlags::FALLBACK`; `MPCapableFallbackSYNACK` |
//! | creating the socket fails with `ENOPROTOOPT` | `net.mptcp.enabled` is 0 | `settings::Settings::enabled` |
//! | an endpoint creates no subflow | the limit `subflows` is reached, at either end; no data was sent yet, which completes the handshake; the connection has the userspace path manager | [`limits`](crate::limits); `MPJoinSynTx` |
//! | the peer does not connect to an announced address | `add_addr_accepted` of the peer is 0, the default | `AddAddr`, `AddAddrDrop` |
//! | `userspace PM not selected` | the socket was created while the setting was `kernel` | |
//! | `ENOTCONN` from `create()` | the peer has not sent anything yet | [`Established`](crate::event::MptcpEvent::Established) |
//! | a subflow from a second uplink is not answered | it leaves by the first one | [several uplinks](#several-uplinks) |
//! | `withdraw()` says not found, and the subflow lives | a creation with the same id failed, and the kernel forgot the id | [`destroy()`](crate::subflow::SubflowEntry::destroy) |
//! | `create()` succeeds and no subflow exists | success means only that the first packet was sent | `create_established()`; [`SubflowClosed`](crate::event::MptcpEvent::SubflowClosed) |
//! | the peer refuses every subflow | its limit `subflows`; it has the userspace path manager, and no program listens to events; the port is neither announced nor that of the initial subflow | `MPJoinRejected`, `MismatchPortSynRx` |
//! | connections are listed without subflows | older kernels list these for `CAP_NET_ADMIN` only | |
//! | the peer does not receive a withdrawal | an announcement was still waiting to be sent | `RmAddrTxDrop` |
//! | a backup carries data | each sender follows the backup flag of its *peer*: set it at both ends | `SubflowFlags::BKUP_REM` |
//!
//! # Privileges
//! Changes and listening to events need `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Reading needs no
//! privilege, except for sequence numbers and marks of sockets, and on older kernels (6.12, not 6.18) for subflows. The capability
//! covers every connection of the namespace, whoever owns its socket.

//! The guide: which path manager, how to drive each, what there is to see, and why nothing happens.
//!
//! # Two path managers
//! A Multipath TCP connection begins as one TCP connection. Further ones, its subflows, join it when a *path manager* says so. Linux
//! has two, and a connection has one of them for good:
//!
//! | | the kernel's | the program's ("userspace") |
//! |---|---|---|
//! | driven by | [endpoints](crate::endpoint) and [limits](crate::limits) of the namespace | requests about each [connection](crate::connection), named by its token |
//! | good for | the same for all connections | a choice for each connection |
//! | without it | works on its own once it is set up | no further subflow is ever made |
//! | since | Linux 5.6 | Linux 5.19 |
//!
//! Which it is says the switch `net.mptcp.path_manager` (`net.mptcp.pm_type` before Linux 6.15) at the moment the socket is made, for
//! an accepted socket at the moment it is accepted. The first is the default.
//!
//! A program speaks Multipath TCP if it makes its sockets with protocol 262 (`IPPROTO_MPTCP`, socket2's `Protocol::MPTCP`); both
//! ends must.
//!
//! # The kernel's path manager
//! On the side that connects, usually: an endpoint for each further address, and room for subflows.
//! ```no_run
//! # async fn example(mptcp: nl_mptcp::Mptcp) -> nl_core::Result<()> {
//! // ip mptcp limits set subflows 2 add_addr_accepted 2
//! mptcp.limits().subflows(2).add_addr_accepted(2).set().await?;
//! // ip mptcp endpoint add 198.51.100.7 dev wwan0 subflow backup
//! mptcp.endpoint(std::net::Ipv4Addr::new(198, 51, 100, 7)).dev("wwan0").subflow().backup().add().await?;
//! # Ok(())
//! # }
//! ```
//!
//! On the side that accepts: its further addresses are announced, and the peer connects to them.
//! ```no_run
//! # async fn example(mptcp: nl_mptcp::Mptcp) -> nl_core::Result<()> {
//! // ip mptcp limits set subflows 2
//! mptcp.limits().subflows(2).set().await?;
//! // ip mptcp endpoint add 192.0.2.2 signal
//! mptcp.endpoint(std::net::Ipv4Addr::new(192, 0, 2, 2)).signal().add().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A path manager of one's own
//! It listens to the [events](crate::event), and answers with requests about the connection each is about. `id`s are the program's
//! to give: 1 to 255, one for each address of a connection. 0 is the address of the first subflow.
#![cfg_attr(feature = "settings", doc = "```no_run")]
#![cfg_attr(not(feature = "settings"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use futures_util::TryStreamExt;
//! use nl_mptcp::event::MptcpEvent;
//! use nl_mptcp::settings::PathManager;
//!
//! # async fn example(mptcp: nl_mptcp::Mptcp) -> Result<(), Box<dyn std::error::Error>> {
//! // sysctl net.mptcp.pm_type=1
//! mptcp.settings()?.set_path_manager(&PathManager::Userspace)?;
//! let mut events = mptcp.events().await?;
//! while let Some(event) = events.try_next().await? {
//!     match event {
//!         MptcpEvent::Established(event) if !event.server_side => {
//!             // From the other address to wherever the first subflow goes; that the peer agrees is waited for.
//!             let connection = mptcp.mptcp_connection(event.token);
//!             let subflow = connection.subflow("198.51.100.7:0".parse()?, event.remote).id(1);
//!             match subflow.create_established(Duration::from_secs(5)).await {
//!                 Ok(made) => println!("{} to {}", made.local, made.remote),
//!                 Err(error) => eprintln!("{error}"),
//!             }
//!         }
//!         MptcpEvent::SubflowClosed(event) => println!("{} is gone: {:?}", event.local, event.error),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What this leaves out is most of the work: connections that were there before, events that were lost, addresses that come and go,
//! not waiting for one peer while others do something. `PathManager` of module `path_manager` does that, and leaves the choice to a
//! policy.
//!
//! # What there is to see
//! | question | answer | iproute2 |
//! |---|---|---|
//! | what happens | [`MptcpEvent`](crate::event::MptcpEvent) | `ip mptcp monitor` |
//! | which connections there are, over which subflows, how much went over each | `diag::SockDiag::connections()` | `ss -M -i`, `ss -t -i` |
//! | the same of a socket of one's own | `socket::full_info()` | |
//! | how often something happened in the namespace | `mib::Mib` | `nstat -a -z` |
//! | what the kernel's path manager is told | `Mptcp::endpoints()`, `Mptcp::limits()` | `ip mptcp endpoint`, `ip mptcp limits` |
//!
//! Counts of bytes are bytes, rates bytes a second, times what their fields say; ids and tokens are plain numbers, tokens shown in
//! hexadecimal as iproute2 does.
//!
//! # When nothing happens
//! | what is seen | why | where to look |
//! |---|---|---|
//! | the connection is plain TCP | the peer does not speak Multipath TCP, or something between the two takes the option out | `InfoFlags::FALLBACK`; `MPCapableFallbackSYNACK` |
//! | making the socket fails with `ENOPROTOOPT` | `net.mptcp.enabled` is 0 | `settings::Settings::enabled` |
//! | an endpoint opens no subflow | the limit `subflows` is used up, at either end; nothing was sent yet, and the handshake is complete with the first data only; the connection is the program's | [`limits`](crate::limits); `MPJoinSynTx` |
//! | an announced address is not connected to | `add_addr_accepted` of the peer is 0, as by default | `AddAddr`, `AddAddrDrop` |
//! | `userspace PM not selected` | the socket was made while the switch said `kernel` | |
//! | `ENOTCONN` from `create()` | nothing came from the peer yet | [`Established`](crate::event::MptcpEvent::Established) |
//! | `create()` succeeds and there is no subflow | success says that the first packet was sent | `create_established()`; [`SubflowClosed`](crate::event::MptcpEvent::SubflowClosed) |
//! | the peer refuses every subflow | its limit `subflows`; its path manager is a program, and nobody listens to events; the port is neither that of the first subflow nor announced | `MPJoinRejected`, `MismatchPortSynRx` |
//! | connections are listed without subflows | older kernels tell these to `CAP_NET_ADMIN` only | |
//! | a withdrawal does not arrive | an announcement was still to be sent | `RmAddrTxDrop` |
//! | a backup carries data | each sender heeds what its *peer* asked for: it takes both ends | `SubflowFlags::BKUP_REM` |
//!
//! # Privileges
//! Everything that changes something and listening to events take `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
//! Everything else is for everybody, but for sequence numbers and marks of sockets, and on older kernels (6.12, not
//! 6.18) subflows, of which others see none. Who may, may do it to every connection of the
//! namespace, whosever sockets they are.

//! Events of Multipath TCP.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_events::{NetworkEvent, Source, stream::Events};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let family = Connection::open(Protocol::Generic)?.family(nl_mptcp::FAMILY).await?;
//! let mut events = Events::builder().source(Source::mptcp(&family)?).open()?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Ok(NetworkEvent::Mptcp(event)) => println!("{event}"),
//!         Ok(_) => {}
//!         Err(error) if error.is_overrun() => eprintln!("events were lost"),
//!         Err(error) => return Err(error),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Listening needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Equivalent: `ip mptcp monitor`.

pub use nl_mptcp::event::{
    AddressEvent, ConnectionEvent, ConnectionFlags, MptcpEvent, Reset, ResetReason, SubflowEvent,
};

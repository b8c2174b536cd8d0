//! Events of MACsec devices.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_events::macsec::MacsecEvent;
//! use nl_events::{NetworkEvent, Source, stream::Events};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let mut events = Events::builder().source(Source::MACSEC).open()?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Ok(NetworkEvent::Macsec(MacsecEvent::New(device))) if device.options.encrypt == Some(false) => {
//!             eprintln!("{} does not encrypt", device.link.name);
//!         }
//!         Ok(NetworkEvent::Macsec(event)) => println!("{event}"),
//!         Ok(_) => {}
//!         Err(error) if error.is_overrun() => eprintln!("events were lost"),
//!         Err(error) => return Err(error),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Listening needs no privilege. Equivalent: `ip -d monitor link`.

pub use nl_macsec::device::{MacsecDevice, MacsecEvent, MacsecLink};

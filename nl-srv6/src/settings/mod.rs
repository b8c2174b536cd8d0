//! The settings of segment routing, per namespace and per interface.
//!
//! ```no_run
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::settings::{RequireHmac, Settings};
//!
//! # fn example() -> nl_core::Result<()> {
//! let settings = Settings::new(&Connection::open(Protocol::Route)?)?;
//! // sysctl net.ipv6.conf.all.forwarding=1
//! settings.set_forwarding("all", true)?;
//! // Headers to the addresses of this host are processed where both are 1.
//! settings.set_enabled("all", true)?;
//! settings.set_enabled("eth0", true)?;
//! assert!(settings.is_effective("eth0")?);
//! settings.set_require_hmac("eth0", RequireHmac::Always)?;
//! // For End.DT4, End.DT46, and End.DT6 with the table of a VRF.
//! settings.set_vrf_strict_mode(true)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What they are about
//! `seg6_enabled` is about headers in packets to an *address* of this host. [Local SIDs](https://docs.rs/nl-srv6/latest/nl_srv6/sid/)
//! and encapsulation do not look at it. `seg6_require_hmac` is about the interface that a packet comes through, and local SIDs look at
//! it; `all` has no effect.
//!
//! Reading takes no privilege; writing takes `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Nothing is waited
//! for, so the operations are no [`Pending`](nl_core::Pending).
//!
//! Kernel: `Documentation/networking/seg6-sysctl.rst`. Linux 4.10. Equivalent: `sysctl`.

mod handle;
mod types;

pub use handle::Settings;
pub use types::{FlowLabel, RequireHmac};

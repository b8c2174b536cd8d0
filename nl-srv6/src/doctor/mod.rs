//! Finds what makes SRv6 packets vanish without an error, and the commands that mend it.
//!
//! ```no_run
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::doctor::Doctor;
//!
//! # async fn example() -> nl_core::Result<()> {
//! for finding in Doctor::new(Connection::open(Protocol::Route)?).examine().await? {
//!     println!("{finding}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A finding is a line that names the object and the fault, and where there is one, a second line with the command:
//!
//! ```text
//! fcbb:0:d:d46:: encap seg6local action End.DT46 vrftable 100 dev d0: no VRF has table 100, so every packet is dropped
//!   mend: ip link add NAME type vrf table 100, and then make the SID again
//! ```
//!
//! # What is looked for
//! * routes with segments, and local SIDs, on loopback or on a device that is down
//! * lists that the kernel takes and then drops packets for: HMACs with too many segments or without a key, segments that are never
//!   visited, flavours that are not performed
//! * a first segment that no route leads to, or that leads into the same route again
//! * SIDs whose VRF or output device is gone, and reverse path filters behind SIDs that decapsulate IPv4
//! * forwarding that is turned off
//!
//! Reading takes no privilege, with one exception: without `CAP_NET_ADMIN` in the initial user namespace the keys are not compared. What
//! other nodes do wrong is not found.

mod diagnose;
mod facts;
mod finding;
mod handle;

pub use facts::{Device, Facts};
pub use finding::{Fault, Finding};
pub use handle::Doctor;

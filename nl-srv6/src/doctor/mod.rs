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
//! # Several nodes
//! Much of what goes wrong is between nodes. [`Doctor::facts`] reads what is known of one; under feature `serde` it is written as JSON and
//! read elsewhere, and [`diagnose()`] takes the facts of all:
//!
//! ```no_run
//! use nl_srv6::doctor::{Facts, diagnose};
//!
//! # fn example(of_a: Facts, of_b: Facts) {
//! for finding in diagnose(&[of_a.named("a"), of_b.named("b")]) {
//!     println!("{finding}");
//! }
//! # }
//! ```
//!
//! The example `srv6_doctor` does that with files.
//!
//! A list is followed from SID to SID as long as its segments belong to nodes that are known; behind them nothing is claimed.
//! `PolicySet::diagnose`, with feature `policy`, does the same for a description before it is applied.
//!
//! # What is looked for
//! In the facts of [one node](Needs::OneNode):
//! * routes with segments, and local SIDs, on loopback or on a device that is down
//! * lists that the kernel takes and then drops packets for: HMACs with too many segments or without a key, segments that are never
//!   visited, flavours that are not performed
//! * a reduced mode with its first segment twice
//! * a first segment that no route leads to, or that leads into the same route again; an unreachable default route of a VRF that takes
//!   the packet with segments
//! * SIDs whose VRF or output device is gone, `End.DT6` with the table of a VRF as a plain one, VRFs that are not in strict mode, and
//!   reverse path filters behind SIDs that decapsulate IPv4
//! * `End.X` to a link-local router without an output device
//! * forwarding that is turned off, and `seg6_enabled` that is half set
//!
//! In the facts of [several nodes](Needs::SeveralNodes):
//! * a last segment that does not decapsulate, or not what is in the packets, one that decapsulates before the end, and a list in
//!   reverse
//! * a segment that no route leads to from the node before
//! * an HMAC that a node requires and the list has not, or whose key a node does not have
//! * a segment that is an address of a node which does not process headers
//!
//! Reading takes no privilege, with one exception: without `CAP_NET_ADMIN` in the initial user namespace the keys are not compared. Which
//! tables a node asks for a segment is up to its rules, which are not read: a way in any table that belongs to no VRF counts.

mod diagnose;
mod facts;
mod finding;
mod handle;
mod lists;
mod paths;
#[cfg(feature = "policy")]
mod policies;
#[cfg(feature = "serde")]
mod record;
mod walk;
mod words;

pub use diagnose::diagnose;
pub use facts::{Destination, Device, Facts};
pub use finding::{Fault, Finding, Needs};
pub use handle::Doctor;

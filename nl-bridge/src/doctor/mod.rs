//! Finds why a VLAN does not reach its VNI, and the command that mends it.
//!
//! ```no_run
//! use nl_bridge::doctor::Doctor;
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! for finding in Doctor::new(Connection::open(Protocol::Route)?).examine().await? {
//!     println!("{finding}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A finding is a line that names the object and the fault, and a second line with the command:
//!
//! ```text
//! vlan 10 dev vx0: it is untagged, so frames lose the tag by which their VNI is found
//!   mend: bridge vlan add dev vx0 vid 10
//! ```
//!
//! It does not matter who configured the leaf. One device for all VNIs (`external`) is examined, and so are devices with one VNI each.
//! The example `doctor` prints the findings as text or as JSON.
//!
//! # What is looked for
//! | fault | of |
//! |---|---|
//! | a device is down | bridge, VXLAN device, and the ports of a VLAN if all are down |
//! | VLANs are not filtered | bridge |
//! | `external` is missing, `vlan_tunnel` is off | VXLAN device |
//! | membership, mapping or state is missing or wrong, `untagged` | a VLAN on the VXLAN port |
//! | no port is in it | a VLAN that has a VNI |
//! | not in the filter, no flood entry | the VNI of a VLAN; an L3 VNI needs no flood entry |
//!
//! The kernel reports none of them: frames are dropped silently. What other leaves do wrong is not found, nor what the network between
//! them does.

mod diagnose;
mod finding;
mod handle;

pub use diagnose::diagnose;
pub use finding::{Fault, Finding};
pub use handle::Doctor;

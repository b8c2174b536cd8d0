//! Multiple spanning trees: the state of a port in each MSTI (`bridge mst`).
//!
//! ```no_run
//! use nl_bridge::mst::{Mst, StpState};
//! use nl_core::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let mst = Mst::new(Connection::open(Protocol::Route)?);
//! // bridge vlan global set vid 10-19 dev br0 msti 5
//! mst.vlans("br0", 10..=19).msti(5).set().await?;
//! // bridge mst set dev swp1 msti 5 state blocking
//! mst.entry("swp1", 5).state(StpState::Blocking).set().await?;
//! for entry in mst.entries().dev("swp1").list().await?.collect_all().await? {
//!     println!("{entry}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Order
//! 1. `mst_enabled 1` on the bridge. The kernel refuses it (`EBUSY`) while a port has a VLAN, which a new port has unless
//!    `vlan_default_pvid` is 0. The bridge's own VLANs do not count.
//! 2. VLANs on the ports.
//! 3. [`Mst::vlans`]: the MSTI of VLANs. A VLAN whose MSTI is new to a port is disabled there.
//! 4. [`Mst::entry`]: the state of the MSTI on each port. MSTI 0, the common tree, has the state of the port.
//!
//! # What is lost silently
//! - The kernel takes the state of an MSTI that no VLAN of the port is in, and forgets it.
//! - When the last VLAN of an MSTI leaves a port, so does the state of the MSTI. A VLAN of the MSTI that is added to the port later
//!   gets the state that the kernel gives to a new VLAN.
//! - A state that is set has **no event**. A program that follows them has to list them; `nl_bridge::vlan_db::VlanWatch` sees them
//!   in the states of the VLANs when it lists these for another reason.
//!
//! Kernel: `IFLA_BRIDGE_MST_*` of [`include/uapi/linux/if_bridge.h`], `net/bridge/br_mst.c`. Linux 5.18.
//!
//! [`include/uapi/linux/if_bridge.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_bridge.h?h=v6.12

mod codec;
mod handle;

pub use codec::{MstEntry, list_request};
pub use handle::{Entries, Entry, Mst};

pub use crate::state::StpState;

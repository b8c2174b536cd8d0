//! Events of the forwarding database (FDB) of bridges and VXLAN devices.
//!
//! [`FdbEvent`] is what the kernel reports. [`FdbWatch`] reports what it means: an address was added, moved to another port,
//! updated or deleted. It starts with the entries that exist, and it recovers from lost events.
//!
//! # How the watch stays correct
//! - It listens before it lists the table, and replays the events that arrived meanwhile over the list.
//! - When the kernel drops events (`ENOBUFS`), the watch first reads the receive buffer empty, because until then the kernel
//!   goes on dropping and reports it only once. Then it lists the table on another socket and reports the differences.
//! - The kernel resumes a list by counting entries, so a list skips entries when others are deleted meanwhile. An entry that
//!   a list lacks is therefore reported as deleted only after the kernel has said that it does not exist. A listing during
//!   which something was deleted is repeated, because it may also lack an entry that is new.
//! - Only a refusal by the kernel means that an entry or a table does not exist. An error of a socket never does.
//! - [`FdbChange::Synced`] is reported after a listing during which nothing was lost or deleted.
//!
//! # What is in the tables
//! Entries of bridges and tunnel endpoints of VXLAN devices. The address filters of plain devices (`33:33:…`, `01:00:5e:…`
//! in `bridge fdb`) are left out, because the kernel changes them without an event.

mod change;
mod event;
mod watch;

pub use change::FdbChange;
pub use event::FdbEvent;
pub use watch::{FdbWatch, FdbWatchBuilder};

//! Events of the forwarding database (FDB) of bridges and VXLAN devices.
//! [`FdbEvent`] is an event of the kernel. [`FdbWatch`] reports the resulting change: an address was added, moved to another port,
//! updated or deleted. It starts with the entries that exist, and it recovers from lost events.
//!
//! # How the watch stays correct
//! Like every [`nl_core::watch`], it lists the table again after lost events, and reports an entry as deleted only after the
//! kernel has said that it does not exist.
//!
//! # What is in the tables
//! Entries of bridges and tunnel endpoints of VXLAN devices. The address filters of plain devices (`33:33:…`, `01:00:5e:…`
//! in `bridge fdb`) are left out, because the kernel changes them without an event.

mod change;
mod event;
mod row;
mod tables;
#[cfg(test)]
mod tests;
mod watch;

pub use change::FdbChange;
pub use event::FdbEvent;
pub use watch::{FdbWatch, FdbWatchBuilder};

//! Events of the forwarding database (FDB) of bridges and VXLAN devices.
//! [`FdbEvent`] is an event of the kernel. [`FdbWatch`] reports the resulting change: an address was added, moved to another port,
//! updated or deleted. It starts with the entries that exist, and it recovers from lost events.
//!
//! # How the watch stays correct
//! Like every [`nl_core::watch`], it lists the table again after lost events, and reports an entry as deleted only after the
//! kernel has said that it does not exist.
//!
//! The kernel also changes these tables without an event. The watch follows what does have one, and lists the table again:
//! - An FDB nexthop group that is deleted (`ip nexthop del`) takes the entries that are behind it along.
//! - A VXLAN device that moves to another namespace takes its entries along, and brings them where it goes.
//!
//! What is listed again is reported as soon as the list was read, which is within a second while much changes.
//!
//! # What cannot be known
//! - A device that was deleted and made again with the same index while events were lost is taken for the same device.
//! - An entry that the kernel removed without an event, and that was added again before the list, was never gone.
//! - When the last frame of an address was seen: see [`FdbWatch::entries`].
//!
//! [`FdbWatch::resync`] lists the table again at any time.
//!
//! # Namespaces
//! A watch holds the namespace of its connection open, as every netlink socket does: its devices live as long as the watch.
//!
//! # What is in the tables
//! Entries of bridges and tunnel endpoints of VXLAN devices. The address filters of plain devices (`33:33:…`, `01:00:5e:…`
//! in `bridge fdb`) are left out, because the kernel changes them without an event.

mod change;
mod event;
mod row;
mod scope;
mod tables;
#[cfg(test)]
mod tests;
mod watch;

pub use change::FdbChange;
pub use event::FdbEvent;
pub use watch::{FdbWatch, FdbWatchBuilder};

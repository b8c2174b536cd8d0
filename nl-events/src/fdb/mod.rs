//! Events of the forwarding database (FDB) of bridges and VXLAN devices.
//!
//! [`FdbEvent`] is what the kernel says. [`FdbWatch`] says what it means: an address was added, moved from port to port,
//! updated or deleted, beginning with what is there, and without ever being wrong for good.
//!
//! # How the watch stays right
//! - It listens before it lists, and replays what happened meanwhile over the list.
//! - When the kernel drops events (`ENOBUFS`) it reads the receive buffer empty first, since until then the kernel goes
//!   on dropping and says so once only. Then it lists the table on another socket, and tells the difference.
//! - A listing of a table that loses entries meanwhile can skip others that are there: the kernel resumes by counting.
//!   So an entry that a listing lacks is not reported deleted before the kernel was asked for that very entry; and a
//!   listing during which something was deleted is repeated, for it may also lack an entry that is new.
//! - [`FdbChange::Synced`] is told when a listing was undisturbed: then the table is the kernel's.
//!
//! # What is in the tables
//! Entries of bridges and tunnel endpoints of VXLAN devices. The address filter of plain devices (`33:33:…`, `01:00:5e:…`
//! in `bridge fdb`) is left out: the kernel changes it without telling.

mod event;
#[cfg(feature = "tokio")]
mod table;
#[cfg(feature = "tokio")]
mod watch;

pub use event::FdbEvent;
#[cfg(feature = "tokio")]
pub use table::FdbChange;
#[cfg(feature = "tokio")]
pub use watch::{FdbWatch, FdbWatchBuilder};

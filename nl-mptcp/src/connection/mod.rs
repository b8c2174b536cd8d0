//! One connection, selected by its token: addresses are announced and withdrawn, and [subflows](crate::subflow) created and
//! destroyed, by a program that is the path manager.
//!
//! # Which path manager
//! These requests act on a connection if its socket was created while `net.mptcp.path_manager` was `userspace`
//! (`net.mptcp.pm_type` 1 before Linux 6.15). For an accepted socket the time of the accept counts, not that of the listen. For
//! other connections the kernel refuses them ("userspace PM not selected").
//!
//! **A program must listen to the events.** Otherwise the kernel refuses incoming subflows and ignores addresses that the peer
//! announces: see [`MptcpEvent`](crate::event::MptcpEvent). A listener in any namespace of the machine is enough.
//!
//! Kernel: `MPTCP_PM_CMD_ANNOUNCE` and following of [`include/uapi/linux/mptcp_pm.h`], `net/mptcp/pm_userspace.c`. Linux 5.19.
//! iproute2 has no equivalent; the kernel's selftests have `pm_nl_ctl ann` and `rem`.
//!
//! [`include/uapi/linux/mptcp_pm.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/mptcp_pm.h?h=v6.18

mod codec;
mod handle;

pub use codec::{get_request, list_request, withdraw_request};
pub use handle::{AddressEntry, ConnectionEntry};

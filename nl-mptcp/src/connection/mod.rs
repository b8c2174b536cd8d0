//! One connection, named by its token: addresses announced and withdrawn, subflows created and destroyed, for a program that
//! is the path manager itself.
//!
//! # Which path manager
//! A connection obeys to these requests if its socket was made while `net.mptcp.path_manager` was `userspace`
//! (`net.mptcp.pm_type` 1 before Linux 6.15). For a socket that was accepted the moment of acceptance counts, not that of
//! listening. On other connections the kernel refuses them ("userspace PM not selected").
//!
//! **Somebody must listen to the events**, or the kernel refuses subflows that come in and passes over addresses the peer
//! announces: see [`MptcpEvent`](crate::event::MptcpEvent). It is content with a listener in any namespace of the machine.
//!
//! Kernel: `MPTCP_PM_CMD_ANNOUNCE` and following of [`include/uapi/linux/mptcp_pm.h`], `net/mptcp/pm_userspace.c`. Linux 5.19.
//! iproute2 has no equivalent; the kernel's selftests have `pm_nl_ctl ann`, `rem`, `csf`, `dsf` and `set`.
//!
//! [`include/uapi/linux/mptcp_pm.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/mptcp_pm.h?h=v6.18

mod codec;
mod handle;

pub use codec::{Subflow, SubflowVerb, get_request, list_request, withdraw_request};
pub use handle::{AddressEntry, ConnectionEntry, SubflowEntry};

//! Subflows of a [connection](crate::connection): created, changed and destroyed by the program that is the path manager.
//!
//! Kernel: `MPTCP_PM_CMD_SUBFLOW_CREATE`, `MPTCP_PM_CMD_SUBFLOW_DESTROY` and `MPTCP_PM_CMD_SET_FLAGS` of
//! [`include/uapi/linux/mptcp_pm.h`], `net/mptcp/pm_userspace.c`. Linux 5.19. iproute2 has no equivalent; the kernel's selftests
//! have `pm_nl_ctl csf`, `dsf` and `set`.
//!
//! [`include/uapi/linux/mptcp_pm.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/mptcp_pm.h?h=v6.18

mod codec;
mod handle;

pub use codec::{Subflow, SubflowVerb};
pub use handle::SubflowEntry;

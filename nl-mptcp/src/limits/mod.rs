//! Limits of the kernel's path manager, per namespace.
//!
//! Kernel: `MPTCP_PM_ATTR_RCV_ADD_ADDRS` and `MPTCP_PM_ATTR_SUBFLOWS` of `include/uapi/linux/mptcp_pm.h`. Linux 5.6.
//! Equivalent: `ip mptcp limits`.

mod codec;
mod handle;

pub use codec::Limits;
pub use handle::LimitsEntry;

//! Endpoints: the local addresses that the kernel's path manager uses for subflows, announces, or both.
//!
//! Kernel: `MPTCP_PM_ADDR_*` of [`include/uapi/linux/mptcp_pm.h`], `net/mptcp/pm_kernel.c`. Linux 5.6. Equivalent:
//! `ip mptcp endpoint`.
//!
//! [`include/uapi/linux/mptcp_pm.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/mptcp_pm.h?h=v6.18

mod codec;
mod handle;
#[cfg(feature = "serde")]
mod read;

pub(crate) use codec::check_port;
pub use codec::{Endpoint, EndpointFlags, EndpointVerb};
pub use handle::{EndpointEntry, EndpointKey, Endpoints};

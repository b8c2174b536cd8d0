//! Events of every Multipath TCP connection of a namespace.
//! The kernel sends them to the multicast group [`EVENT_GROUP`](crate::EVENT_GROUP) of the family, for the connections of both path
//! managers. Joining takes `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Listening has an effect: while no program
//! listens, in any namespace of the machine, connections of the userspace path manager refuse incoming subflows.
//!
//! Kernel: `enum mptcp_event_type` and `enum mptcp_event_attr` of [`include/uapi/linux/mptcp_pm.h`],
//! `net/mptcp/pm_netlink.c`. Linux 5.12. Equivalent: `ip mptcp monitor`.
//!
//! [`include/uapi/linux/mptcp_pm.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/mptcp_pm.h?h=v6.18

mod codec;
mod handle;

pub use codec::{
    AddressEvent, ConnectionEvent, ConnectionFlags, MptcpEvent, Reset, ResetReason, SubflowEvent,
};
pub(crate) use handle::listen;

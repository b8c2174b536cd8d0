use nl_core::Pending;
use nl_core::error::Ack;

use super::codec::Limits;
use crate::channel::Channel;

/// The limits of the kernel's path manager, to be read or set. The verb comes last and returns a [`Pending`].
///
/// ```no_run
/// # async fn example(mptcp: nl_mptcp::Mptcp) -> nl_core::Result<()> {
/// // ip mptcp limits set add_addr_accepted 4 subflows 4
/// mptcp.limits().add_addr_accepted(4).subflows(4).set().await?;
/// println!("{}", mptcp.limits().get().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct LimitsEntry {
    channel: Channel,
    add_addr_accepted: Option<u32>,
    subflows: Option<u32>,
}

impl LimitsEntry {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel, add_addr_accepted: None, subflows: None }
    }

    /// The number of announced addresses that are accepted from the peer: 0 to 8, to 64 since Linux 7.2.
    pub fn add_addr_accepted(mut self, limit: u32) -> Self {
        self.add_addr_accepted = Some(limit);
        self
    }

    /// The number of subflows of a connection besides the initial one: 0 to 8, to 64 since Linux 7.2.
    pub fn subflows(mut self, limit: u32) -> Self {
        self.subflows = Some(limit);
        self
    }

    /// Sets the limits that are given. A limit that is not given does not change.
    ///
    /// Equivalent: `ip mptcp limits set`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EINVAL` above the kernel's maximum, which newer kernels name in their text; no limit is given.
    pub fn set(self) -> Pending<Ack> {
        Pending::new(async move {
            let encode = |family| Limits::set_request(family, self.add_addr_accepted, self.subflows);
            self.channel.acknowledged(encode).await
        })
    }

    /// Reads the limits.
    ///
    /// Equivalent: `ip mptcp limits show`. Needs no privilege.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the kernel has no Multipath TCP.
    pub fn get(self) -> Pending<Limits> {
        Pending::new(async move { self.channel.answered(Limits::get_request, Limits::decode).await })
    }
}

use nl_core::error::Ack;
use nl_core::{Pending, Result};

use super::codec::Limits;
use crate::mptcp::Mptcp;

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
    mptcp: Mptcp,
    add_addr_accepted: Option<u32>,
    subflows: Option<u32>,
}

impl LimitsEntry {
    pub(crate) fn new(mptcp: Mptcp) -> Self {
        Self { mptcp, add_addr_accepted: None, subflows: None }
    }

    /// How many announced addresses of the peer are taken up: 0 to 8, to 64 since Linux 7.2.
    pub fn add_addr_accepted(mut self, limit: u32) -> Self {
        self.add_addr_accepted = Some(limit);
        self
    }

    /// How many subflows a connection has besides its first: 0 to 8, to 64 since Linux 7.2.
    pub fn subflows(mut self, limit: u32) -> Self {
        self.subflows = Some(limit);
        self
    }

    /// Sets the limits that are given and leaves the other.
    ///
    /// Equivalent: `ip mptcp limits set`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EINVAL` over what this kernel allows, which newer kernels name in their text; no limit is given.
    pub fn set(self) -> Pending<Ack> {
        Pending::new(async move { self.try_set().await })
    }

    async fn try_set(&self) -> Result<Ack> {
        let named = |error: nl_core::Error| match error.operation() {
            None => error.during(|| "set mptcp limits".into()),
            Some(_) => error,
        };
        let family = self.mptcp.family().await.map_err(named)?.id;
        self.mptcp.conn.acknowledged(Limits::set_request(family, self.add_addr_accepted, self.subflows)).await
    }

    /// Reads the limits.
    ///
    /// Equivalent: `ip mptcp limits show`. Needs no privilege.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the kernel has no Multipath TCP.
    pub fn get(self) -> Pending<Limits> {
        Pending::new(async move {
            let family = self.mptcp.family().await?.id;
            self.mptcp.conn.answered(Limits::get_request(family), Limits::decode).await
        })
    }
}

use nl_core::Protocol;
use nl_core::error::Result;
use nl_core::genl::Family;

use super::Source;
use crate::event::NetworkEvent;
use crate::mptcp::MptcpEvent;

impl Source {
    /// Events of Multipath TCP: [`mptcp_pm_events`](nl_mptcp::EVENT_GROUP) of the generic netlink family
    /// [`mptcp_pm`](nl_mptcp::FAMILY), as [resolved](nl_core::Connection::family) by a connection.
    ///
    /// Listening needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Linux 5.12. Equivalent:
    /// `ip mptcp monitor`.
    ///
    /// # Errors
    /// The family has no such group.
    pub fn mptcp(family: &Family) -> Result<Self> {
        Ok(Self {
            protocol: Protocol::Generic,
            group: family.group(nl_mptcp::EVENT_GROUP)?,
            kinds: (family.id, family.id),
            family: Some((nl_mptcp::FAMILY, nl_mptcp::EVENT_GROUP)),
            families: &[],
            // The type of a generic netlink message is the number of its family.
            decode: |message| Ok(MptcpEvent::decode(message.kind(), message)?.map(NetworkEvent::Mptcp)),
        })
    }
}

use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;

#[cfg(feature = "fdb")]
use crate::fdb::FdbEvent;
#[cfg(feature = "mptcp")]
use crate::mptcp::MptcpEvent;

/// An event of the network.
///
/// Each source is a Cargo feature. Events of sources that are not compiled in are not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NetworkEvent {
    /// Of the forwarding database of a bridge or of a VXLAN device.
    #[cfg(feature = "fdb")]
    Fdb(FdbEvent),
    /// Of a Multipath TCP connection.
    #[cfg(feature = "mptcp")]
    Mptcp(MptcpEvent),
}

impl NetworkEvent {
    /// Decodes a message of the `NETLINK_ROUTE` multicast groups; `None` if it belongs to no source that is compiled in.
    ///
    /// # Errors
    /// The message is malformed.
    #[inline]
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        #[cfg(feature = "fdb")]
        if let Some(event) = FdbEvent::decode(message)? {
            return Ok(Some(Self::Fdb(event)));
        }
        let _ = message;
        Ok(None)
    }

    /// Decodes a message of the event group of generic netlink family [`mptcp_pm`](nl_mptcp::FAMILY), whose number is
    /// `family`; `None` if it is not an event.
    ///
    /// # Errors
    /// The message is malformed.
    #[cfg(feature = "mptcp")]
    pub fn decode_mptcp(family: u16, message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(MptcpEvent::decode(family, message)?.map(Self::Mptcp))
    }
}

/// A multicast group of `NETLINK_ROUTE` to listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RtnetlinkGroup {
    /// Forwarding database entries: `RTNLGRP_NEIGH`, number 3, filtered to the family `AF_BRIDGE`.
    ///
    /// The kernel has no group for the FDB alone. The group's other messages, about ARP and neighbour discovery, are skipped,
    /// but they do fill the receive buffer.
    #[cfg(feature = "fdb")]
    BridgeFdb,
}

impl RtnetlinkGroup {
    /// The number of the group (`enum rtnetlink_groups` in `include/uapi/linux/rtnetlink.h`).
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            #[cfg(feature = "fdb")]
            Self::BridgeFdb => nl_bridge::fdb::RTNLGRP_NEIGH,
        }
    }
}

use crate::attr::{Attr, DecodeError, Fields};

/// Counters of a device (`struct rtnl_link_stats64`). They start at 0 when the device is created and never decrease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LinkStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Bad packets received.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Received packets that were dropped, for lack of memory or of a protocol.
    pub rx_dropped: u64,
    /// Packets dropped on their way out.
    pub tx_dropped: u64,
    /// Multicast packets received.
    pub multicast: u64,
    /// Collisions on the wire.
    pub collisions: u64,
    /// Received packets dropped because no protocol handled them. Linux 4.6.
    pub rx_nohandler: u64,
}

impl LinkStats {
    pub(super) fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let mut f: Fields<'_> = attr.fields();
        let mut stats = Self {
            rx_packets: f.u64()?,
            tx_packets: f.u64()?,
            rx_bytes: f.u64()?,
            tx_bytes: f.u64()?,
            rx_errors: f.u64()?,
            tx_errors: f.u64()?,
            rx_dropped: f.u64()?,
            tx_dropped: f.u64()?,
            multicast: f.u64()?,
            collisions: f.u64()?,
            rx_nohandler: 0,
        };
        // Thirteen counters of what exactly went wrong stand between.
        f.skip(13 * 8)?;
        stats.rx_nohandler = f.later(Fields::u64).unwrap_or(0);
        Ok(stats)
    }
}

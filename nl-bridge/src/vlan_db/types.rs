use bitflags::bitflags;

bitflags! {
    /// Flags of a VLAN on a port or on the bridge (`BRIDGE_VLAN_INFO_*`). Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VlanInfo: u16 {
        /// On the bridge device too; only read of the bridge.
        const MASTER = 0x01;
        /// Frames without a tag come into this VLAN.
        const PVID = 0x02;
        /// Frames of this VLAN leave without a tag.
        const UNTAGGED = 0x04;
        /// The bridge device itself is in the VLAN; only read.
        const BRENTRY = 0x20;
        /// In a request: the options alone are meant.
        const ONLY_OPTS = 0x40;
        const _ = !0;
    }
}

/// The bits as a number.
#[cfg(feature = "serde")]
impl serde::Serialize for VlanInfo {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bits().serialize(serializer)
    }
}

/// What went through a VLAN of a port or bridge.
///
/// The kernel counts with `vlan_stats_enabled 1` on the bridge; of one port with `vlan_stats_per_port 1`, and otherwise a port's
/// counters are those of the whole bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct VlanStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

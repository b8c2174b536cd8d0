use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bitflags::bitflags;
use nl_core::MacAddr;
use nl_core::attr::{Attr, AttrWriter, DecodeError};
use nl_core::link::AttrValue;
use nl_core::{attr_enum, attr_names};

use crate::time::of_ticks;
use crate::wire::ticks;

attr_enum! {
    /// Who runs the spanning tree of a bridge (`enum` of `stp_enabled` in `net/bridge/br_private.h`).
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum BridgeStp: u32 {
        /// Nobody.
        Off = 0 "0",
        /// The kernel; in a request, the kernel or a program, as it finds one.
        Kernel = 1 "1",
        /// A program; only read.
        User = 2 "2",
    }
}

impl From<bool> for BridgeStp {
    fn from(on: bool) -> Self {
        if on { Self::Kernel } else { Self::Off }
    }
}

attr_enum! {
    /// Who is to run the spanning tree once it is on (`enum br_stp_mode`). Linux 7.1.
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum StpMode: u32 {
        /// A program if `/sbin/bridge-stp` starts one, otherwise the kernel.
        Auto = 0 "auto",
        /// A program, without `/sbin/bridge-stp` being asked.
        User = 1 "user",
        /// The kernel.
        Kernel = 2 "kernel",
    }
}

bitflags! {
    /// The options of a bridge that are one bit each (`BR_BOOLOPT_*` in `include/uapi/linux/if_bridge.h`). Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct BridgeFlags: u32 {
        /// Nothing is learned from link-local frames (`no_linklocal_learn`). Linux 5.0.
        const NO_LINKLOCAL_LEARN = 0x1;
        /// Multicast is snooped for each VLAN (`mcast_vlan_snooping`). Linux 5.15.
        const MCAST_VLAN_SNOOPING = 0x2;
        /// Multiple spanning trees (`mst_enabled`). Linux 5.18.
        const MST = 0x4;
        /// A multicast entry that the hardware failed to take makes an event (`mdb_offload_fail_notification`). Linux 6.16.
        const MDB_OFFLOAD_FAIL_NOTIFICATION = 0x8;
        /// The bridge's own addresses are entered in VLAN 0 only, and looked up there for every VLAN (`fdb_local_vlan_0`). Linux 6.18.
        const FDB_LOCAL_VLAN_0 = 0x10;
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for BridgeFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.bits())
    }
}

/// Which flags change, and to what; as it is read, which flags the kernel has, and how they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BridgeFlagChange {
    /// The flags.
    pub flags: BridgeFlags,
    /// Which of them count.
    pub mask: BridgeFlags,
}

impl BridgeFlagChange {
    /// With these flags on or off.
    #[must_use]
    pub fn with(mut self, flags: BridgeFlags, on: bool) -> Self {
        self.mask |= flags;
        self.flags = if on { self.flags | flags } else { self.flags - flags };
        self
    }
}

pub(super) const FLAG_WORDS: [(BridgeFlags, &str); 5] = [
    (BridgeFlags::NO_LINKLOCAL_LEARN, "no_linklocal_learn"),
    (BridgeFlags::MCAST_VLAN_SNOOPING, "mcast_vlan_snooping"),
    (BridgeFlags::MST, "mst_enabled"),
    (BridgeFlags::MDB_OFFLOAD_FAIL_NOTIFICATION, "mdb_offload_fail_notification"),
    (BridgeFlags::FDB_LOCAL_VLAN_0, "fdb_local_vlan_0"),
];

/// `struct br_boolopt_multi`.
impl AttrValue for BridgeFlagChange {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.bytes(kind, [self.flags.bits(), self.mask.bits()].map(u32::to_ne_bytes).as_flattened());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let mut fields = attr.fields();
        let mut flags = || fields.u32().map(BridgeFlags::from_bits_retain);
        Ok(Self { flags: flags()?, mask: flags()? })
    }

    fn words(&self, _: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, word) in FLAG_WORDS {
            if self.mask.contains(flag) {
                write!(f, " {word} {}", u8::from(self.flags.contains(flag)))?;
            }
        }
        Ok(())
    }
}

/// What a bridge is called in a spanning tree, written `8000.02:00:00:00:00:01`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BridgeId {
    /// The priority; the lowest wins.
    pub priority: u16,
    /// The address.
    pub address: MacAddr,
}

/// `struct ifla_bridge_id`.
impl AttrValue for BridgeId {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.bytes(kind, &[&self.priority.to_be_bytes()[..], &self.address.octets()].concat());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let [a, b, address @ ..] = attr.array::<8>()?;
        Ok(Self { priority: u16::from_be_bytes([a, b]), address: MacAddr::new(address) })
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}

impl fmt::Display for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}.{}", self.priority, self.address)
    }
}

attr_names! { QUERIER {
    BRIDGE_QUERIER_IP_ADDRESS = 1,
    BRIDGE_QUERIER_IP_PORT = 2,
    BRIDGE_QUERIER_IP_OTHER_TIMER = 3,
    BRIDGE_QUERIER_PAD = 4,
    BRIDGE_QUERIER_IPV6_ADDRESS = 5,
    BRIDGE_QUERIER_IPV6_PORT = 6,
    BRIDGE_QUERIER_IPV6_OTHER_TIMER = 7,
} }

/// Who asks for multicast listeners behind a bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct McastQuerier {
    /// Who sends IGMP queries.
    pub ipv4: Option<Ipv4Addr>,
    /// The port that one is behind; `None` if it is the bridge.
    pub ipv4_port: Option<u32>,
    /// How long it counts without another query.
    pub ipv4_timer: Option<Duration>,
    /// Who sends MLD queries.
    pub ipv6: Option<Ipv6Addr>,
    /// The port that one is behind; `None` if it is the bridge.
    pub ipv6_port: Option<u32>,
    /// How long it counts without another query.
    pub ipv6_timer: Option<Duration>,
}

impl AttrValue for McastQuerier {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        let mut nest = w.nested(kind);
        if let Some(address) = self.ipv4 {
            nest.bytes(BRIDGE_QUERIER_IP_ADDRESS, &address.octets());
        }
        nest.opt(BRIDGE_QUERIER_IP_PORT, self.ipv4_port, AttrWriter::u32);
        nest.opt(BRIDGE_QUERIER_IP_OTHER_TIMER, self.ipv4_timer.map(ticks), AttrWriter::u64);
        if let Some(address) = self.ipv6 {
            nest.bytes(BRIDGE_QUERIER_IPV6_ADDRESS, &address.octets());
        }
        nest.opt(BRIDGE_QUERIER_IPV6_PORT, self.ipv6_port, AttrWriter::u32);
        nest.opt(BRIDGE_QUERIER_IPV6_OTHER_TIMER, self.ipv6_timer.map(ticks), AttrWriter::u64);
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let mut querier = Self::default();
        for attr in attr.attrs() {
            let attr = attr?;
            match attr.kind() {
                BRIDGE_QUERIER_IP_ADDRESS => querier.ipv4 = Some(attr.array::<4>()?.into()),
                BRIDGE_QUERIER_IP_PORT => querier.ipv4_port = Some(attr.u32()?),
                BRIDGE_QUERIER_IP_OTHER_TIMER => querier.ipv4_timer = Some(of_ticks(attr.u64()?)),
                BRIDGE_QUERIER_IPV6_ADDRESS => querier.ipv6 = Some(attr.array::<16>()?.into()),
                BRIDGE_QUERIER_IPV6_PORT => querier.ipv6_port = Some(attr.u32()?),
                BRIDGE_QUERIER_IPV6_OTHER_TIMER => querier.ipv6_timer = Some(of_ticks(attr.u64()?)),
                _ => {}
            }
        }
        Ok(querier)
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.ipv4 {
            write!(f, " {word}_ipv4_addr {address}")?;
        }
        if let Some(address) = self.ipv6 {
            write!(f, " {word}_ipv6_addr {address}")?;
        }
        Ok(())
    }
}

use std::fmt;

use bitflags::bitflags;

use crate::attr::{Attr, AttrWriter, DecodeError};
use crate::link::AttrValue;
use crate::{attr_enum, link_kind};

attr_enum! {
    /// Which devices on the same device below may talk to each other (`enum macvlan_mode`).
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum MacVlanMode: u32 {
        /// None.
        Private = 1 "private",
        /// Through the external switch, which sends frames back (hairpin).
        Vepa = 2 "vepa",
        /// All, directly.
        Bridge = 4 "bridge",
        /// A single device, which takes over the device below.
        Passthru = 8 "passthru",
        /// Only for frames from certain addresses.
        Source = 16 "source",
    }
}

link_kind! {
    /// A device with a hardware address of its own on top of another one (`type macvlan`). Needs a `link`.
    ///
    /// Header: `IFLA_MACVLAN_*` in `include/uapi/linux/if_link.h`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct MacVlan("macvlan") {
        /// How many broadcast and multicast packets can be queued. Linux 5.11.
        bc_queue_len: u32 = IFLA_MACVLAN_BC_QUEUE_LEN(7) "bcqueuelen";
        /// From how many receivers on broadcasts are copied later: −1 never, 0 by the number of devices. Linux 6.4.
        bc_cutoff: i32 = IFLA_MACVLAN_BC_CUTOFF(9) "bclim";
        /// Who may talk to whom; VEPA unless set.
        mode: MacVlanMode = IFLA_MACVLAN_MODE(1) "mode";
        /// 1: the device below is not made promiscuous in passthru mode (`nopromisc`).
        flags: u16 = IFLA_MACVLAN_FLAGS(2) "flags";
    }
    read {
        /// How many source addresses there are.
        mac_count: u32 = IFLA_MACVLAN_MACADDR_COUNT(6) "macaddr_count";
        /// The queue length in use, the maximum that any device on the same device below asks for.
        bc_queue_len_used: u32 = IFLA_MACVLAN_BC_QUEUE_LEN_USED(8) "usedbcqueuelen";
    }
    needs_link = true;
}

impl MacVlan {
    /// In this mode.
    #[must_use]
    pub fn new(mode: MacVlanMode) -> Self {
        Self::default().mode(mode)
    }
}

attr_enum! {
    /// At which layer packets are handed over (`enum ipvlan_mode`).
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum IpVlanMode: u16 {
        /// Layer 2.
        L2 = 0 "l2",
        /// Layer 3.
        L3 = 1 "l3",
        /// Layer 3, through netfilter.
        L3s = 2 "l3s",
    }
}

bitflags! {
    /// Who may talk to whom (`IPVLAN_F_*`). Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct IpVlanFlags: u16 {
        /// Devices on the same one do not talk to each other.
        const PRIVATE = 0x1;
        /// They talk through the external switch.
        const VEPA = 0x2;
    }
}
serialize_bits! { IpVlanFlags }

impl AttrValue for IpVlanFlags {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.u16(kind, self.bits());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Ok(Self::from_bits_retain(attr.u16()?))
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::PRIVATE => f.write_str(" private"),
            Self::VEPA => f.write_str(" vepa"),
            flags if flags.is_empty() => f.write_str(" bridge"),
            other => write!(f, " {word} {:#x}", other.bits()),
        }
    }
}

link_kind! {
    /// A device that shares the hardware address of the one below and has IP addresses of its own (`type ipvlan`). Needs a
    /// `link`.
    ///
    /// Header: `IFLA_IPVLAN_*` in `include/uapi/linux/if_link.h`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct IpVlan("ipvlan") {
        /// At which layer packets are handed over; layer 3 unless set.
        mode: IpVlanMode = IFLA_IPVLAN_MODE(1) "mode";
        /// Who may talk to whom; all unless set.
        flags: IpVlanFlags = IFLA_IPVLAN_FLAGS(2) "flags";
    }
    needs_link = true;
}

impl IpVlan {
    /// In this mode, with devices that may talk to each other.
    #[must_use]
    pub fn new(mode: IpVlanMode) -> Self {
        Self::default().mode(mode).flags(IpVlanFlags::empty())
    }
}

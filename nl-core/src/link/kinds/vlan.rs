use std::fmt;

use bitflags::bitflags;

use crate::attr::{Attr, AttrWriter, DecodeError};
use crate::check::{Invalid, opt_within};
use crate::link::{AttrValue, Be16, LinkVerb};
use crate::link_kind;

/// The largest VLAN; 4095 is reserved.
const VLAN_MAX: u16 = 4094;

const IFLA_VLAN_QOS_MAPPING: u16 = 1;

bitflags! {
    /// The options of a VLAN device that are on or off (`VLAN_FLAG_*`). Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VlanFlags: u32 {
        /// Packet sockets see frames without the tag (`reorder_hdr`); on unless changed.
        const REORDER_HDR = 0x1;
        /// The VLAN is announced by GVRP (`gvrp`).
        const GVRP = 0x2;
        /// The state does not follow that of the device below (`loose_binding`).
        const LOOSE_BINDING = 0x4;
        /// The VLAN is announced by MVRP (`mvrp`).
        const MVRP = 0x8;
        /// Up only while a port of the bridge below that is in the VLAN is up (`bridge_binding`).
        const BRIDGE_BINDING = 0x10;
    }
}
serialize_bits! { VlanFlags }

/// Which flags change, and to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VlanFlagChange {
    /// The flags.
    pub flags: VlanFlags,
    /// Which of them change.
    pub mask: VlanFlags,
}

impl AttrValue for VlanFlagChange {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.bytes(kind, [self.flags.bits(), self.mask.bits()].map(u32::to_ne_bytes).as_flattened());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let mut fields = attr.fields();
        let mut flags = || fields.u32().map(VlanFlags::from_bits_retain);
        Ok(Self { flags: flags()?, mask: flags()? })
    }

    fn words(&self, _: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, word) in [
            (VlanFlags::REORDER_HDR, "reorder_hdr"),
            (VlanFlags::GVRP, "gvrp"),
            (VlanFlags::LOOSE_BINDING, "loose_binding"),
            (VlanFlags::MVRP, "mvrp"),
            (VlanFlags::BRIDGE_BINDING, "bridge_binding"),
        ] {
            if self.mask.contains(flag) {
                write!(f, " {word} {}", if self.flags.contains(flag) { "on" } else { "off" })?;
            }
        }
        Ok(())
    }
}

/// Priorities of packets and of frames, mapped to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QosMap(pub Vec<(u32, u32)>);

impl AttrValue for QosMap {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        let mut nest = w.nested_unmarked(kind);
        for (from, to) in &self.0 {
            nest.bytes(IFLA_VLAN_QOS_MAPPING, [*from, *to].map(u32::to_ne_bytes).as_flattened());
        }
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let mut map = Vec::new();
        for mapping in attr.attrs() {
            let mapping = mapping?;
            let mut fields = mapping.fields();
            map.push((fields.u32()?, fields.u32()?));
        }
        Ok(Self(map))
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {word}")?;
        self.0.iter().try_for_each(|(from, to)| write!(f, " {from}:{to}"))
    }
}

impl<const N: usize> From<[(u32, u32); N]> for QosMap {
    fn from(map: [(u32, u32); N]) -> Self {
        Self(map.into())
    }
}

/// The protocol of the tag: an Ethernet type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum VlanProtocol {
    /// 802.1Q, a customer's tag.
    Dot1q,
    /// 802.1ad, a provider's tag.
    Dot1ad,
    /// Another Ethernet type.
    Other(u16),
}

impl AttrValue for VlanProtocol {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        Be16(match self {
            Self::Dot1q => 0x8100,
            Self::Dot1ad => 0x88a8,
            Self::Other(number) => *number,
        })
        .write(w, kind);
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Ok(match attr.be16()? {
            0x8100 => Self::Dot1q,
            0x88a8 => Self::Dot1ad,
            other => Self::Other(other),
        })
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dot1q => write!(f, " {word} 802.1Q"),
            Self::Dot1ad => write!(f, " {word} 802.1ad"),
            Self::Other(number) => write!(f, " {word} {number:#06x}"),
        }
    }
}

link_kind! {
    /// The frames of one VLAN of the device below (`type vlan`). Needs a `link`.
    ///
    /// Header: `IFLA_VLAN_*` in `include/uapi/linux/if_link.h`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct Vlan("vlan") {
        /// The protocol of the tag.
        protocol: VlanProtocol = IFLA_VLAN_PROTOCOL(5) "protocol";
        /// The VLAN, 0 to 4094; set when the device is created.
        id: u16 = IFLA_VLAN_ID(1) "id";
        /// The packet priority for each priority of received frames.
        ingress_qos_map: QosMap = IFLA_VLAN_INGRESS_QOS(4) "ingress-qos-map";
        /// The frame priority for each priority of sent packets.
        egress_qos_map: QosMap = IFLA_VLAN_EGRESS_QOS(3) "egress-qos-map";
        /// What is on or off.
        flags: VlanFlagChange = IFLA_VLAN_FLAGS(2) "flags";
    }
    needs_link = true;
    check = check;
}

impl Vlan {
    /// The VLAN of this number, 0 to 4094.
    #[must_use]
    pub fn new(id: u16) -> Self {
        Self::default().id(id)
    }

    /// With these options on or off.
    #[must_use]
    pub fn set(mut self, flags: VlanFlags, on: bool) -> Self {
        let change = self.flags.get_or_insert_default();
        change.mask |= flags;
        change.flags = if on { change.flags | flags } else { change.flags - flags };
        self
    }
}

fn check(vlan: &Vlan, verb: LinkVerb) -> Result<(), Invalid> {
    opt_within("vlan id", vlan.id, 0, VLAN_MAX)?;
    Invalid::when(verb == LinkVerb::Add && vlan.id.is_none(), "a VLAN device needs an id")?;
    // The kernel ignores both.
    Invalid::when(
        verb == LinkVerb::Change && (vlan.id.is_some() || vlan.protocol.is_some()),
        "id and protocol are set when the device is created",
    )?;
    for map in [&vlan.ingress_qos_map, &vlan.egress_qos_map].into_iter().flatten() {
        // On the wire side the priority has three bits.
        let egress = vlan.egress_qos_map.as_ref() == Some(map);
        for (from, to) in &map.0 {
            crate::check::within("priority of a frame", if egress { *to } else { *from }, 0, 7)?;
        }
    }
    Ok(())
}

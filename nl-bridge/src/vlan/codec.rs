use std::fmt;

use bitflags::bitflags;
use nl_core::addr::Name;
use nl_core::attr::{Attr, Attrs, DecodeError};
use nl_core::link::{RTM_DELLINK, RTM_NEWLINK};
use nl_core::message::{AF_BRIDGE, IfInfoMsg, MessageRef};
use nl_core::{Request, attr_names};

use crate::{VlanId, VlanRange};

// `include/uapi/linux/rtnetlink.h`
pub(super) const RTM_GETLINK: u16 = 18;
const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 4;

bitflags! {
    /// The flags of a VLAN on a device (`BRIDGE_VLAN_INFO_*` in `include/uapi/linux/if_bridge.h`). Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct VlanFlags: u16 {
        /// In a request: the bridge's VLAN too.
        const MASTER = 0x1;
        /// Untagged frames are in this VLAN (`pvid`).
        const PVID = 0x2;
        /// Frames leave without a tag (`untagged`).
        const UNTAGGED = 0x4;
        /// The bridge itself is in the VLAN.
        const BRENTRY = 0x20;
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for VlanFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.bits())
    }
}

pub(super) const RANGE_BEGIN: u16 = 0x8;
pub(super) const RANGE_END: u16 = 0x10;

/// VLANs that a device is in, all in one way.
///
/// ```
/// use nl_bridge::VlanRange;
/// use nl_bridge::vlan::{VlanFlags, VlanMember};
///
/// let member = VlanMember::new(VlanRange::new(10, 20)?).with(VlanFlags::UNTAGGED);
/// assert_eq!(member.to_string(), "10-20 untagged");
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct VlanMember {
    /// The VLANs.
    pub vlans: VlanRange,
    /// How the device is in them.
    pub flags: VlanFlags,
}

impl VlanMember {
    /// In these VLANs, with a tag.
    #[must_use]
    pub fn new(vlans: impl Into<VlanRange>) -> Self {
        Self { vlans: vlans.into(), flags: VlanFlags::empty() }
    }

    /// With these flags too.
    #[must_use]
    pub fn with(mut self, flags: VlanFlags) -> Self {
        self.flags |= flags;
        self
    }

    /// Whether untagged frames are in this VLAN.
    #[must_use]
    pub const fn is_pvid(&self) -> bool {
        self.flags.contains(VlanFlags::PVID)
    }

    /// Whether frames leave without a tag.
    #[must_use]
    pub const fn is_untagged(&self) -> bool {
        self.flags.contains(VlanFlags::UNTAGGED)
    }

    /// As the kernel is to take it: without what is only read.
    pub(super) fn written(mut self) -> Self {
        self.flags -= VlanFlags::BRENTRY;
        self
    }
}

/// The VLANs of a port, or of a bridge itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeviceVlans {
    /// The interface index.
    pub index: u32,
    /// The name.
    pub name: Name,
    /// The bridge; that itself, if these are its own.
    pub master: Option<u32>,
    /// The VLANs, in ranges from the smallest on.
    pub members: Vec<VlanMember>,
    /// Whether these are what the device's own driver keeps (`self`), as that of a card with a switch does. Such a device is listed
    /// twice if it is the port of a bridge too.
    pub of_driver: bool,
}

impl DeviceVlans {
    /// Reads an `RTM_NEWLINK` message of family `AF_BRIDGE`, with ranges or without. Without VLANs, there are no members.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed; a range has no beginning or no end.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWLINK | RTM_DELLINK) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (header, attrs) = message.header::<IfInfoMsg>()?;
        if header.family != AF_BRIDGE {
            return Err(DecodeError::Kind(message.kind()));
        }
        let mut device = Self { index: header.index, ..Self::default() };
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                IFLA_IFNAME => device.name = attr.text().as_str().into(),
                IFLA_MASTER => device.master = Some(attr.u32()?),
                IFLA_AF_SPEC => {
                    let flags = attr.attrs().find(IFLA_BRIDGE_FLAGS)?.map(|flags| flags.u16()).transpose()?;
                    device.of_driver = flags.is_some_and(|flags| flags & BRIDGE_FLAGS_SELF != 0);
                    // A driver can have several nests.
                    device.members.extend(read_members(attr.attrs())?);
                }
                _ => {}
            }
        }
        Ok(device)
    }

    /// How the device is in a VLAN; `None` if it is not.
    #[must_use]
    pub fn get(&self, vlan: VlanId) -> Option<VlanMember> {
        let member = self.members.iter().find(|member| member.vlans.contains(vlan))?;
        Some(VlanMember { vlans: vlan.into(), flags: member.flags })
    }

    /// The VLAN that untagged frames are in.
    #[must_use]
    pub fn pvid(&self) -> Option<VlanId> {
        self.members.iter().find(|member| member.is_pvid()).map(|member| member.vlans.first())
    }

    /// Whether these are the bridge's own.
    #[must_use]
    pub fn is_bridge(&self) -> bool {
        !self.of_driver && self.master.is_none_or(|master| master == self.index)
    }
}

/// The kernel says so of what a driver keeps, in `ndo_dflt_bridge_getlink`; of what a bridge keeps it says nothing.
const BRIDGE_FLAGS_SELF: u16 = 2;

/// The VLANs in a nest, where ranges are two entries.
pub(super) fn read_members(spec: Attrs<'_>) -> Result<Vec<VlanMember>, DecodeError> {
    let (mut members, mut begin) = (Vec::new(), None);
    for attr in spec {
        let attr = attr?;
        if attr.kind() != IFLA_BRIDGE_VLAN_INFO {
            continue;
        }
        let (flags, vlan) = read_info(attr)?;
        let is_end = flags & RANGE_END != 0;
        let first = match (begin.take(), is_end) {
            (None, false) if flags & RANGE_BEGIN != 0 => {
                begin = Some(vlan);
                continue;
            }
            (None, false) => vlan,
            (Some(first), true) => first,
            (None, true) => return Err(attr.invalid("a range of VLANs without a beginning")),
            (Some(_), false) => return Err(attr.invalid("a range of VLANs without an end")),
        };
        let vlans = VlanRange::new(first, vlan).map_err(|_| attr.invalid("no VLAN from 1 to 4094"))?;
        let flags = VlanFlags::from_bits_retain(flags & !(RANGE_BEGIN | RANGE_END));
        members.push(VlanMember { vlans, flags });
    }
    match begin {
        None => Ok(members),
        Some(_) => {
            Err(DecodeError::Value { kind: IFLA_BRIDGE_VLAN_INFO, why: "a range of VLANs without an end" })
        }
    }
}

/// `struct bridge_vlan_info`: flags and VLAN.
pub(super) fn read_info(attr: Attr<'_>) -> Result<(u16, u16), DecodeError> {
    let [a, b, c, d] = attr.array()?;
    Ok((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
}

/// The request that lists the VLANs of all devices, in ranges.
pub(super) fn list_request() -> Request {
    let header = IfInfoMsg { family: AF_BRIDGE, ..IfInfoMsg::default() };
    let mut request = Request::new(RTM_GETLINK, &NAMES, |_| "list vlans".to_owned()).with_header(&header);
    request.attrs().u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
    request
}

/// The words of `bridge vlan`, behind `vid`.
impl fmt::Display for VlanMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.vlans.fmt(f)?;
        if self.is_pvid() {
            f.write_str(" pvid")?;
        }
        if self.is_untagged() {
            f.write_str(" untagged")?;
        }
        Ok(())
    }
}

/// The device and its VLANs: `swp1 vid 10 pvid untagged vid 20-30`.
impl fmt::Display for DeviceVlans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        self.members.iter().try_for_each(|member| write!(f, " vid {member}"))
    }
}

attr_names! { pub(super) NAMES: IfInfoMsg {
    IFLA_IFNAME = 3,
    IFLA_MASTER = 10,
    IFLA_AF_SPEC = 26 {
        IFLA_BRIDGE_FLAGS = 0,
        IFLA_BRIDGE_MODE = 1,
        IFLA_BRIDGE_VLAN_INFO = 2,
    },
    IFLA_EXT_MASK = 29,
} }

use std::net::IpAddr;

use crate::{StpState, VlanRange};

/// VLANs of a port, or of the bridge itself, that are all alike.
///
/// ```
/// use nl_bridge::VlanRange;
/// use nl_bridge::leaf::VlanConfig;
///
/// let access = VlanConfig::new(VlanRange::try_from(10)?).pvid().untagged();
/// let trunk = VlanConfig::new(VlanRange::new(20, 29)?);
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct VlanConfig {
    /// The VLANs.
    #[cfg_attr(feature = "serde", serde(with = "crate::leaf::text::one"))]
    pub vid: VlanRange,
    /// Whether untagged frames are in this VLAN, which is one then.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub pvid: bool,
    /// Whether frames leave without a tag.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub untagged: bool,
    /// The state of the VLANs on the port. Unset, it is left as it is, and a new VLAN forwards. Not with MST.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "crate::leaf::text::option", skip_serializing_if = "Option::is_none")
    )]
    pub state: Option<StpState>,
}

impl VlanConfig {
    /// In these VLANs, with a tag.
    #[must_use]
    pub fn new(vlans: impl Into<VlanRange>) -> Self {
        Self { vid: vlans.into(), pvid: false, untagged: false, state: None }
    }

    /// Untagged frames are in this VLAN (`pvid`).
    #[must_use]
    pub const fn pvid(mut self) -> Self {
        self.pvid = true;
        self
    }

    /// Frames leave without a tag (`untagged`).
    #[must_use]
    pub const fn untagged(mut self) -> Self {
        self.untagged = true;
        self
    }

    /// In this state (`state`). Not with MST.
    #[must_use]
    pub const fn state(mut self, state: StpState) -> Self {
        self.state = Some(state);
        self
    }
}

/// An instance of the multiple spanning tree (MSTI) and the VLANs in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct InstanceConfig {
    /// The number, 1 to 4095.
    pub msti: u16,
    /// The VLANs. Those that are in no instance are in the common tree.
    #[cfg_attr(feature = "serde", serde(with = "crate::leaf::text::list"))]
    pub vlans: Vec<VlanRange>,
}

impl InstanceConfig {
    /// This instance, with these VLANs.
    #[must_use]
    pub fn new(msti: u16, vlans: impl IntoIterator<Item = VlanRange>) -> Self {
        Self { msti, vlans: vlans.into_iter().collect() }
    }
}

/// The state of an instance on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct InstanceState {
    /// The instance, 1 to 4095.
    pub msti: u16,
    /// Its state.
    #[cfg_attr(feature = "serde", serde(with = "crate::leaf::text::one"))]
    pub state: StpState,
}

impl InstanceState {
    /// This instance, in this state.
    #[must_use]
    pub const fn new(msti: u16, state: StpState) -> Self {
        Self { msti, state }
    }
}

/// The leaves that a host is behind, all at once: an Ethernet segment of EVPN. It is an FDB nexthop group.
///
/// ```
/// use nl_bridge::leaf::SegmentConfig;
///
/// let segment = SegmentConfig::new(5001).leaf("192.0.2.2".parse()?).leaf("192.0.2.3".parse()?);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// MAC addresses behind it have its number in place of a leaf ([`RemoteMac::nexthop`](crate::fdb::RemoteMac::nexthop)). When its leaves
/// change, the group is replaced, and all of these addresses follow at once. Each leaf is a nexthop of its own, whose number is one of
/// [`own_nexthops`](super::BridgeConfig::own_nexthops()).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct SegmentConfig {
    /// The number of the group, one of `own_nexthops`.
    pub id: u32,
    /// The outer addresses of the leaves, at least one.
    pub leaves: Vec<IpAddr>,
}

impl SegmentConfig {
    /// The group with this number, without leaves yet.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self { id, leaves: Vec::new() }
    }

    /// With one more leaf.
    #[must_use]
    pub fn leaf(mut self, leaf: IpAddr) -> Self {
        self.leaves.push(leaf);
        self
    }
}

use std::net::IpAddr;

use nl_core::check::Invalid;

use crate::{Checked, VlanRange, VniRange};

/// `IANA_VXLAN_UDP_PORT`
const UDP_PORT: u16 = 4789;

/// The VXLAN device of a leaf as it is to be: one device for all VNIs (`external`), with a VLAN for each VNI.
///
/// ```
/// use nl_bridge::leaf::VxlanConfig;
///
/// let vxlan = VxlanConfig::new("vx0")
///     .local("192.0.2.1".parse()?)
///     .map(10, 10010)
///     .map(20..=29, 10020..=10029)
///     .flood("192.0.2.2".parse()?);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// The device is made a port of the bridge with `vlan_tunnel on learning off`, is in just the VLANs that are mapped, tagged, and
/// receives just their VNIs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct VxlanConfig {
    /// The name of the device.
    pub name: String,
    /// The outer source address, which other leaves know this one by. Unset, it is the kernel's choice, or as it is.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub local: Option<IpAddr>,
    /// The outer UDP destination port, from 1; 4789 unless set.
    #[cfg_attr(feature = "serde", serde(default = "default_port"))]
    pub port: u16,
    /// Whether only the VNIs of the description are received (`vnifilter`); so it is unless set. Without it, other VXLAN devices cannot
    /// have the same port.
    #[cfg_attr(feature = "serde", serde(default = "default_filter"))]
    pub vni_filter: bool,
    /// The MTU in bytes, from 68.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mtu: Option<u32>,
    /// Whether requests for known neighbours are answered and go no further. Unset, it is left as it is.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub neigh_suppress: Option<bool>,
    /// The VLANs and their VNIs.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub maps: Vec<VniMap>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) invalid: Option<Invalid>,
}

#[cfg(feature = "serde")]
const fn default_port() -> u16 {
    UDP_PORT
}

#[cfg(feature = "serde")]
const fn default_filter() -> bool {
    true
}

impl VxlanConfig {
    /// A device of this name, without VNIs yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            local: None,
            port: UDP_PORT,
            vni_filter: true,
            mtu: None,
            neigh_suppress: None,
            maps: Vec::new(),
            invalid: None,
        }
    }

    /// With this outer source address.
    #[must_use]
    pub const fn local(mut self, local: IpAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// With this outer UDP destination port.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Whether only the VNIs of the description are received.
    #[must_use]
    pub const fn vni_filter(mut self, on: bool) -> Self {
        self.vni_filter = on;
        self
    }

    /// With this MTU in bytes.
    #[must_use]
    pub const fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Whether requests for known neighbours are answered and go no further.
    #[must_use]
    pub const fn neigh_suppress(mut self, on: bool) -> Self {
        self.neigh_suppress = Some(on);
        self
    }

    /// A VLAN and its VNI, or ranges of the same length: `map(10, 10010)`, `map(20..=29, 10020..=10029)`.
    #[must_use]
    pub fn map(mut self, vlans: impl Into<Checked<VlanRange>>, vnis: impl Into<Checked<VniRange>>) -> Self {
        match (vlans.into().check(), vnis.into().check()) {
            (Ok(vlans), Ok(vnis)) => self.maps.push(VniMap::new(vlans, vnis)),
            (Err(why), _) | (_, Err(why)) => {
                self.invalid.get_or_insert(why);
            }
        }
        self
    }

    /// Frames to unknown addresses, broadcast and multicast of all VNIs that were mapped so far go to this leaf too.
    #[must_use]
    pub fn flood(mut self, leaf: IpAddr) -> Self {
        for map in &mut self.maps {
            map.flood.push(leaf);
        }
        self
    }
}

/// A VLAN and its VNI, or as many VLANs as VNIs in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct VniMap {
    /// The VLANs.
    #[cfg_attr(feature = "serde", serde(with = "crate::leaf::text::one"))]
    pub vid: VlanRange,
    /// The VNIs, from 1.
    #[cfg_attr(feature = "serde", serde(with = "crate::leaf::text::one"))]
    pub vni: VniRange,
    /// The leaves that get broadcast, multicast and frames to unknown addresses of each of these VNIs.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub flood: Vec<IpAddr>,
}

impl VniMap {
    /// These VLANs and their VNIs.
    #[must_use]
    pub fn new(vlans: impl Into<VlanRange>, vnis: impl Into<VniRange>) -> Self {
        Self { vid: vlans.into(), vni: vnis.into(), flood: Vec::new() }
    }

    /// With one more leaf that is flooded to.
    #[must_use]
    pub fn flood(mut self, leaf: IpAddr) -> Self {
        self.flood.push(leaf);
        self
    }

    /// Each VLAN with its VNI.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u16, u32)> + use<> {
        self.vid.iter().map(u16::from).zip(self.vni.iter())
    }
}

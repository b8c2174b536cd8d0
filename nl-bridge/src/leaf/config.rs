use std::net::IpAddr;
use std::ops::RangeInclusive;

use nl_core::MacAddr;
use nl_core::check::Invalid;

use super::ports::PortConfig;
use super::routing::{InterfaceConfig, VrfConfig};
use super::tenants::VxlanConfig;
use super::values::{InstanceConfig, SegmentConfig, VlanConfig};
use crate::{Checked, VlanRange, VniRange};

/// A bridge of a leaf as it is to be: its VLANs, its ports, and the VXLAN device that carries the VLANs to other leaves.
///
/// ```
/// use nl_bridge::leaf::{BridgeConfig, PortConfig, Snapshot, VxlanConfig};
///
/// let vxlan = VxlanConfig::new("vx0").local("192.0.2.1".parse()?).map(10, 10010).map(20..=29, 10020..=10029);
/// let config = BridgeConfig::new("br0")
///     .port(PortConfig::new("swp1").access(10))
///     .port(PortConfig::new("swp2").trunk(10).trunk(20..=29))
///     .vxlan(vxlan.flood("192.0.2.2".parse()?));
///
/// // A host where none of it is there, nor the ports.
/// let error = config.plan(&Snapshot::default()).unwrap_err();
/// assert_eq!(error.to_string(), "leaf br0: ports[0].name: there is no device swp1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With feature `serde` it is read from JSON, TOML and the like, where VLANs and VNIs are numbers or ranges such as `"20-29"`.
/// What has a default can be left out:
///
/// ```
/// # #[cfg(feature = "serde")]
/// # fn example() -> Result<(), serde_json::Error> {
/// let config: nl_bridge::leaf::BridgeConfig = serde_json::from_str(
///     r#"{ "name": "br0",
///          "ports": [{ "name": "swp1", "vlans": [{ "vid": 10, "pvid": true, "untagged": true }] }],
///          "vxlan": { "name": "vx0", "local": "192.0.2.1", "maps": [
///              { "vid": 10, "vni": 10010, "flood": ["192.0.2.2"] }, { "vid": "20-29", "vni": "10020-10029" }] } }"#,
/// )?;
/// assert!(config.check().is_ok());
/// # Ok(())
/// # }
/// # #[cfg(feature = "serde")]
/// # example().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct BridgeConfig {
    /// The name of the bridge.
    pub name: String,
    /// Who owns what is made: part of the stamps on devices, see [ownership](super#ownership). 1 to 32 letters, digits, `-` and `_`.
    #[cfg_attr(feature = "serde", serde(default = "default_owner"))]
    pub owner: String,
    /// The MAC address of the bridge. Unset, a new bridge gets one from the kernel, which changes with its ports.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "crate::leaf::text::option", skip_serializing_if = "Option::is_none")
    )]
    pub address: Option<MacAddr>,
    /// The MTU of the bridge in bytes, from 68.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mtu: Option<u32>,
    /// The VLANs that may belong to the description; those of a port outside of them are of somebody else. Empty for all.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "crate::leaf::text::list", skip_serializing_if = "Vec::is_empty")
    )]
    pub own_vlans: Vec<VlanRange>,
    /// The VNIs that may belong to the description. Empty for all.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "crate::leaf::text::list", skip_serializing_if = "Vec::is_empty")
    )]
    pub own_vnis: Vec<VniRange>,
    /// The nexthop ids that belong to the description, for segments and their leaves; unset if there are none.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "crate::leaf::text::option", skip_serializing_if = "Option::is_none")
    )]
    pub own_nexthops: Option<RangeInclusive<u32>>,
    /// Who made the routes and neighbours of the description (`RTPROT_*`), 5 to 255; 203 unless set. Those of its interfaces with this
    /// number belong to it.
    #[cfg_attr(feature = "serde", serde(default = "default_protocol"))]
    pub protocol: u8,
    /// Whether what others made is removed too.
    #[cfg_attr(feature = "serde", serde(default, rename = "exact"))]
    pub is_exact: bool,
    /// The VLANs of the bridge itself, in which the host takes part.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub vlans: Vec<VlanConfig>,
    /// The instances of the multiple spanning tree (MST) and their VLANs. Empty to leave MST as it is.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub instances: Vec<InstanceConfig>,
    /// The ports but for the VXLAN device.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub ports: Vec<PortConfig>,
    /// The VXLAN device.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub vxlan: Option<VxlanConfig>,
    /// The VRFs: routing tables of tenants.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub vrfs: Vec<VrfConfig>,
    /// The interfaces through which the host routes between VLANs.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub interfaces: Vec<InterfaceConfig>,
    /// The segments of hosts that are behind several other leaves at once.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub segments: Vec<SegmentConfig>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) invalid: Option<(&'static str, Invalid)>,
}

#[cfg(feature = "serde")]
fn default_owner() -> String {
    OWNER.to_owned()
}

#[cfg(feature = "serde")]
const fn default_protocol() -> u8 {
    PROTOCOL
}

/// The owner unless another one is given.
const OWNER: &str = "nl";
/// The protocol unless another one is given: one that no known daemon uses.
const PROTOCOL: u8 = 203;

impl BridgeConfig {
    /// A bridge of this name, without VLANs and ports yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            owner: OWNER.to_owned(),
            address: None,
            mtu: None,
            own_vlans: Vec::new(),
            own_vnis: Vec::new(),
            own_nexthops: None,
            protocol: PROTOCOL,
            is_exact: false,
            vlans: Vec::new(),
            instances: Vec::new(),
            ports: Vec::new(),
            vxlan: None,
            vrfs: Vec::new(),
            interfaces: Vec::new(),
            segments: Vec::new(),
            invalid: None,
        }
    }

    /// Made by this owner: a word for the program, so that two programs tell their devices apart.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    /// With this MAC address.
    #[must_use]
    pub fn address(mut self, address: MacAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// With this MTU in bytes.
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// VLANs that may belong to the description, and those that were named before: one such as `10`, or a range such as `10..=20`.
    /// Others on the ports are left to whoever made them.
    #[must_use]
    pub fn own_vlans(mut self, vlans: impl Into<Checked<VlanRange>>) -> Self {
        match vlans.into().check() {
            Ok(vlans) => self.own_vlans.push(vlans),
            Err(why) => self.refuse("own_vlans", why),
        }
        self
    }

    /// VNIs that may belong to the description, and those that were named before.
    #[must_use]
    pub fn own_vnis(mut self, vnis: impl Into<Checked<VniRange>>) -> Self {
        match vnis.into().check() {
            Ok(vnis) => self.own_vnis.push(vnis),
            Err(why) => self.refuse("own_vnis", why),
        }
        self
    }

    /// The nexthop ids that belong to the description: `own_nexthops(5000..=5999)`. FDB nexthops with such an id that are not in it are
    /// removed.
    #[must_use]
    pub const fn own_nexthops(mut self, ids: RangeInclusive<u32>) -> Self {
        self.own_nexthops = Some(ids);
        self
    }

    /// With this number for the routes and neighbours that it makes, 5 to 255, so that two programs tell theirs apart.
    #[must_use]
    pub const fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = protocol;
        self
    }

    /// Removes what others made: ports, VLANs, mappings, VNIs and flood entries that are not in the description. Never a device that
    /// has no stamp of the owner.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.is_exact = true;
        self
    }

    /// The bridge itself is in these VLANs, tagged.
    #[must_use]
    pub fn vlans(mut self, vlans: impl Into<Checked<VlanRange>>) -> Self {
        match vlans.into().check() {
            Ok(vlans) => self.vlans.push(VlanConfig::new(vlans)),
            Err(why) => self.refuse("vlans", why),
        }
        self
    }

    /// The bridge itself is in these VLANs, as they say.
    #[must_use]
    pub fn vlan(mut self, vlans: VlanConfig) -> Self {
        self.vlans.push(vlans);
        self
    }

    /// With one more instance of the spanning tree.
    #[must_use]
    pub fn instance(mut self, instance: InstanceConfig) -> Self {
        self.instances.push(instance);
        self
    }

    /// With one more port.
    #[must_use]
    pub fn port(mut self, port: PortConfig) -> Self {
        self.ports.push(port);
        self
    }

    /// With this VXLAN device.
    #[must_use]
    pub fn vxlan(mut self, vxlan: VxlanConfig) -> Self {
        self.vxlan = Some(vxlan);
        self
    }

    /// With one more VRF.
    #[must_use]
    pub fn vrf(mut self, vrf: VrfConfig) -> Self {
        self.vrfs.push(vrf);
        self
    }

    /// With one more interface of a VLAN.
    #[must_use]
    pub fn interface(mut self, interface: InterfaceConfig) -> Self {
        self.interfaces.push(interface);
        self
    }

    /// With one more segment of hosts that are behind several other leaves at once.
    #[must_use]
    pub fn segment(mut self, segment: SegmentConfig) -> Self {
        self.segments.push(segment);
        self
    }

    /// Whether a VLAN may belong to the description.
    pub(crate) fn owns_vlan(&self, vlan: u16) -> bool {
        let holds = |range: &VlanRange| range.first().get() <= vlan && vlan <= range.last().get();
        self.own_vlans.is_empty() || self.own_vlans.iter().any(holds)
    }

    /// Whether a VNI may belong to the description.
    pub(crate) fn owns_vni(&self, vni: u32) -> bool {
        self.own_vnis.is_empty() || self.own_vnis.iter().any(|range| range.contains(vni))
    }

    /// The alternative name by which a device is known that was made for this description.
    #[must_use]
    pub fn device_stamp(&self, device: &str) -> String {
        format!("leaf.{}.{}.{device}", self.owner, self.name)
    }

    /// The alternative name by which a device is known that was made a port for this description.
    #[must_use]
    pub fn port_stamp(&self, device: &str) -> String {
        format!("leafport.{}.{}.{device}", self.owner, self.name)
    }

    /// The leaves to which each VNI is flooded.
    pub(crate) fn flood_pairs(&self) -> impl Iterator<Item = (u32, IpAddr)> + '_ {
        self.vxlan
            .iter()
            .flat_map(|vxlan| &vxlan.maps)
            .flat_map(|map| map.vni.iter().flat_map(move |vni| map.flood.iter().map(move |dst| (vni, *dst))))
    }

    /// The first value that is none is reported by [`check`](Self::check).
    fn refuse(&mut self, field: &'static str, why: Invalid) {
        self.invalid.get_or_insert((field, why));
    }
}

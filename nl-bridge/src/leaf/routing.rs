use std::net::IpAddr;

use nl_core::{IpPrefix, MacAddr};

/// A VRF: the routing table of a tenant. Its interfaces name it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct VrfConfig {
    /// The name of the device.
    pub name: String,
    /// The routing table, from 1; not 253 to 255, which are those of the kernel.
    pub table: u32,
}

impl VrfConfig {
    /// A VRF of this name, with this table.
    #[must_use]
    pub fn new(name: impl Into<String>, table: u32) -> Self {
        Self { name: name.into(), table }
    }
}

/// The interface of the host in a VLAN, through which it routes: a VLAN device on the bridge.
///
/// ```
/// use nl_bridge::leaf::{BridgeConfig, InterfaceConfig, VrfConfig};
///
/// // The same gateway on every leaf, with the same MAC address.
/// let gateway = InterfaceConfig::new("vlan10", 10)
///     .vrf("red")
///     .gateway("vlan10gw", "00:00:5e:00:01:0a".parse()?, ["10.0.10.1/24".parse()?]);
/// // The L3 VNI of the tenant: an interface without an address, whose VLAN is mapped to it.
/// let transit = InterfaceConfig::new("vlan4000", 4000).vrf("red");
/// let config = BridgeConfig::new("br0").vrf(VrfConfig::new("red", 1001)).interface(gateway).interface(transit);
/// assert!(config.check().is_ok());
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// The bridge itself is in the VLAN of each interface, with a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct InterfaceConfig {
    /// The name of the device.
    pub name: String,
    /// The VLAN, 1 to 4094.
    pub vlan: u16,
    /// The VRF it is in; the main table without one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub vrf: Option<String>,
    /// The MAC address. Unset, it is that of the bridge. The same on every leaf, it is that of an anycast gateway.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "crate::leaf::text::option", skip_serializing_if = "Option::is_none")
    )]
    pub address: Option<MacAddr>,
    /// The MTU in bytes, from 68.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mtu: Option<u32>,
    /// The IP addresses.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "crate::leaf::text::list", skip_serializing_if = "Vec::is_empty")
    )]
    pub addresses: Vec<IpPrefix>,
    /// An anycast gateway on a device of its own, beside the addresses of this leaf.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub gateway: Option<GatewayConfig>,
    /// Of an L3 VNI: the other leaves that route for this tenant.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub routers: Vec<RouterConfig>,
}

impl InterfaceConfig {
    /// An interface of this name in this VLAN.
    #[must_use]
    pub fn new(name: impl Into<String>, vlan: u16) -> Self {
        Self {
            name: name.into(),
            vlan,
            vrf: None,
            address: None,
            mtu: None,
            addresses: Vec::new(),
            gateway: None,
            routers: Vec::new(),
        }
    }

    /// In this VRF, which is one of the description.
    #[must_use]
    pub fn vrf(mut self, vrf: impl Into<String>) -> Self {
        self.vrf = Some(vrf.into());
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

    /// With one more IP address.
    #[must_use]
    pub fn ip(mut self, address: IpPrefix) -> Self {
        self.addresses.push(address);
        self
    }

    /// With an anycast gateway on a macvlan device of this name.
    #[must_use]
    pub fn gateway(
        mut self,
        name: impl Into<String>,
        address: MacAddr,
        addresses: impl IntoIterator<Item = IpPrefix>,
    ) -> Self {
        let addresses = addresses.into_iter().collect();
        self.gateway = Some(GatewayConfig { name: name.into(), address, addresses });
        self
    }

    /// Of an L3 VNI: with one more leaf that routes for this tenant.
    #[must_use]
    pub fn router(mut self, router: RouterConfig) -> Self {
        self.routers.push(router);
        self
    }
}

/// An anycast gateway: the same IP and MAC addresses on every leaf, on a macvlan device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct GatewayConfig {
    /// The name of the device.
    pub name: String,
    /// The MAC address.
    #[cfg_attr(feature = "serde", serde(with = "crate::leaf::text::one"))]
    pub address: MacAddr,
    /// The IP addresses.
    #[cfg_attr(feature = "serde", serde(with = "crate::leaf::text::list"))]
    pub addresses: Vec<IpPrefix>,
}

/// Another leaf as a router: what is behind it is reached through the L3 VNI of the interface (symmetric routing).
///
/// ```
/// use nl_bridge::leaf::{InterfaceConfig, RouterConfig};
///
/// let leaf = RouterConfig::new("192.0.2.2".parse()?, "02:00:00:00:00:02".parse()?)
///     .route("10.0.20.0/24".parse()?)
///     .route("10.0.10.7/32".parse()?);
/// let transit = InterfaceConfig::new("vlan4000", 4000).vrf("red").router(leaf);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It becomes the two entries of a remote MAC address in the VLAN and the VNI of the interface, flagged `router`; a permanent neighbour
/// with the address of the leaf and the MAC address of its router; and a route through it for each prefix, in the table of the VRF. An
/// IPv6 prefix behind a leaf of IPv4 has its IPv4-mapped address as gateway (`::ffff:192.0.2.2`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct RouterConfig {
    /// The outer address of the leaf.
    pub leaf: IpAddr,
    /// The MAC address of its router, which it announces with its routes.
    #[cfg_attr(feature = "serde", serde(with = "crate::leaf::text::one"))]
    pub address: MacAddr,
    /// What is behind it. A prefix behind several leaves is spread over them.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "crate::leaf::text::list", skip_serializing_if = "Vec::is_empty")
    )]
    pub routes: Vec<IpPrefix>,
}

impl RouterConfig {
    /// The leaf with this outer address, whose router has this MAC address. Nothing is behind it yet.
    #[must_use]
    pub const fn new(leaf: IpAddr, address: MacAddr) -> Self {
        Self { leaf, address, routes: Vec::new() }
    }

    /// With one more prefix behind it.
    #[must_use]
    pub fn route(mut self, prefix: IpPrefix) -> Self {
        self.routes.push(prefix);
        self
    }

    /// The gateway of a route to this prefix.
    pub(super) fn gateway(&self, prefix: IpPrefix) -> IpAddr {
        match self.leaf {
            IpAddr::V4(leaf) if prefix.addr().is_ipv6() => leaf.to_ipv6_mapped().into(),
            leaf => leaf,
        }
    }
}

use nl_core::check::Invalid;

use super::values::{InstanceState, SegmentConfig, VlanConfig};
use crate::settings::BridgePort;
use crate::{Checked, StpState, VlanRange};

/// A port of the bridge as it is to be. The device is there already: a network card, a bond, the end of a pair.
///
/// ```
/// use nl_bridge::leaf::PortConfig;
///
/// let host = PortConfig::new("swp1").access(10);
/// let uplink = PortConfig::new("swp2").trunk(10).trunk(100..=200).isolated(true);
/// ```
///
/// An option that is `None` is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct PortConfig {
    /// The name of the device.
    pub name: String,
    /// Whether addresses are learned from frames.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub learning: Option<bool>,
    /// Whether unicast to unknown addresses goes out.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub flood: Option<bool>,
    /// Whether broadcast goes out.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub bcast_flood: Option<bool>,
    /// Whether multicast to unknown groups goes out.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mcast_flood: Option<bool>,
    /// Whether requests for known neighbours are answered and go no further.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub neigh_suppress: Option<bool>,
    /// Whether frames go to ports that are not isolated only.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub isolated: Option<bool>,
    /// Whether frames from unknown addresses are dropped (802.1X).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub locked: Option<bool>,
    /// Of a bond whose host is behind other leaves too: these leaves. While it has no carrier, its frames go to them, and to the VXLAN
    /// device in place of the port (`backup_port`, `backup_nhid`). Linux 6.6.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub peers: Option<SegmentConfig>,
    /// The VLANs.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub vlans: Vec<VlanConfig>,
    /// The states of the instances of the spanning tree. Those that are not named forward.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub instances: Vec<InstanceState>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) invalid: Option<Invalid>,
}

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[must_use]
        pub const fn $name(mut self, on: bool) -> Self {
            self.$name = Some(on);
            self
        }
    )+};
}

impl PortConfig {
    /// The device of this name, in no VLAN yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            learning: None,
            flood: None,
            bcast_flood: None,
            mcast_flood: None,
            neigh_suppress: None,
            isolated: None,
            locked: None,
            peers: None,
            vlans: Vec::new(),
            instances: Vec::new(),
            invalid: None,
        }
    }

    /// In this VLAN, with frames that have no tag (`pvid untagged`).
    #[must_use]
    pub fn access(self, vlan: impl Into<Checked<VlanRange>>) -> Self {
        self.checked(vlan.into(), |vlan| vlan.pvid().untagged())
    }

    /// In these VLANs, tagged: one such as `10`, or a range such as `10..=20`.
    #[must_use]
    pub fn trunk(self, vlans: impl Into<Checked<VlanRange>>) -> Self {
        self.checked(vlans.into(), |vlans| vlans)
    }

    /// In these VLANs, as they say.
    #[must_use]
    pub fn vlan(mut self, vlans: VlanConfig) -> Self {
        self.vlans.push(vlans);
        self
    }

    /// With an instance of the spanning tree in this state.
    #[must_use]
    pub fn instance(mut self, msti: u16, state: StpState) -> Self {
        self.instances.push(InstanceState::new(msti, state));
        self
    }

    /// A bond whose host is behind these leaves too, to which its frames go while it has no carrier (`backup_nhid`). Linux 6.6.
    ///
    /// ```
    /// use nl_bridge::leaf::{PortConfig, SegmentConfig};
    ///
    /// let bond = PortConfig::new("bond1").access(10).peers(SegmentConfig::new(5001).leaf("192.0.2.2".parse()?));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn peers(mut self, peers: SegmentConfig) -> Self {
        self.peers = Some(peers);
        self
    }

    switches! {
        /// Whether addresses are learned from frames.
        learning
        /// Whether unicast to unknown addresses goes out.
        flood
        /// Whether broadcast goes out.
        bcast_flood
        /// Whether multicast to unknown groups goes out.
        mcast_flood
        /// Whether requests for known neighbours are answered and go no further.
        neigh_suppress
        /// Whether frames go to ports that are not isolated only.
        isolated
        /// Whether frames from unknown addresses are dropped (802.1X).
        locked
    }

    /// What the bridge is to keep for the port.
    pub(super) fn options(&self) -> BridgePort {
        let mut options = BridgePort::new();
        options.learning = self.learning;
        options.flood = self.flood;
        options.bcast_flood = self.bcast_flood;
        options.mcast_flood = self.mcast_flood;
        options.neigh_suppress = self.neigh_suppress;
        options.isolated = self.isolated;
        options.locked = self.locked;
        options
    }

    fn checked(mut self, vlans: Checked<VlanRange>, with: impl FnOnce(VlanConfig) -> VlanConfig) -> Self {
        match vlans.check() {
            Ok(vlans) => self.vlans.push(with(VlanConfig::new(vlans))),
            Err(why) => {
                self.invalid.get_or_insert(why);
            }
        }
        self
    }
}

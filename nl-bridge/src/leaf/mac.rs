//! MAC addresses behind other leaves: what they are, and what differs from what is there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use nl_core::check::{Invalid, within};
use nl_core::{Error, MacAddr, Request, Result};

use super::check::{check_leaf, check_mac};
use super::config::BridgeConfig;
use crate::fdb::{FdbEntry, FdbFlags, FdbVerb, RemoteMac};

/// What an address is found by: one can be in several VNIs.
pub(super) type Key = (MacAddr, u32);

/// A MAC address behind another leaf, in a VNI.
///
/// ```
/// use nl_bridge::leaf::LeafMac;
///
/// let mac = LeafMac::new("02:00:00:00:00:01".parse()?, 10010, "192.0.2.2".parse()?);
/// assert_eq!(mac.to_string(), "02:00:00:00:00:01 vni 10010 dst 192.0.2.2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With feature `serde` it is read from a line such as `{"mac":"02:00:00:00:00:01","vni":10010,"dst":"192.0.2.2"}`, or with
/// `"nhid":5001` in place of `dst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LeafMac {
    /// The address.
    #[cfg_attr(feature = "serde", serde(with = "crate::leaf::text::one"))]
    pub mac: MacAddr,
    /// The VNI, one that a VLAN of the description has.
    pub vni: u32,
    /// What it is behind.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub behind: Behind,
}

/// What a MAC address is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Behind {
    /// A leaf, by its outer address (`dst`).
    #[cfg_attr(feature = "serde", serde(rename = "dst"))]
    Leaf(IpAddr),
    /// All leaves of a segment, by the number of its nexthop group (`nhid`).
    #[cfg_attr(feature = "serde", serde(rename = "nhid"))]
    Segment(u32),
}

impl LeafMac {
    /// The address behind this leaf.
    #[must_use]
    pub const fn new(mac: MacAddr, vni: u32, leaf: IpAddr) -> Self {
        Self { mac, vni, behind: Behind::Leaf(leaf) }
    }

    /// The address behind this segment.
    #[must_use]
    pub const fn on_segment(mac: MacAddr, vni: u32, id: u32) -> Self {
        Self { mac, vni, behind: Behind::Segment(id) }
    }
}

/// The words of `bridge fdb`.
impl fmt::Display for LeafMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mac, vni, behind } = self;
        match behind {
            Behind::Leaf(leaf) => write!(f, "{mac} vni {vni} dst {leaf}"),
            Behind::Segment(id) => write!(f, "{mac} vni {vni} nhid {id}"),
        }
    }
}

/// A change of the MAC addresses behind other leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MacChange {
    /// Both entries are written: that of the VXLAN device, and that of the bridge. One that is there moves.
    Replace(LeafMac),
    /// Both entries are removed, whatever the address is behind.
    Delete {
        /// The address.
        mac: MacAddr,
        /// The VNI.
        vni: u32,
    },
}

impl MacChange {
    pub(super) const fn key(&self) -> Key {
        match self {
            Self::Replace(mac) => (mac.mac, mac.vni),
            Self::Delete { mac, vni } => (*mac, *vni),
        }
    }
}

impl BridgeConfig {
    /// The changes from what is there to these MAC addresses behind other leaves. `rows` are the entries of the VXLAN device, its own
    /// and those of the bridge behind it; what concerns other devices must not be among them.
    ///
    /// An entry belongs to the description if it is `extern_learn`, its VNI is mapped to a VLAN, and it is not that of a router.
    ///
    /// # Errors
    /// A VNI that has no VLAN; an address of no host, or given twice in one VNI; a leaf of another family.
    pub fn plan_macs<'a>(
        &self,
        wanted: impl IntoIterator<Item = LeafMac>,
        rows: impl IntoIterator<Item = &'a FdbEntry>,
    ) -> Result<Vec<MacChange>> {
        let own = Own::of(self);
        let named = |why: Invalid| Error::from(why).during(|| format!("leaf {}: macs", self.name));
        let mut diff = Diff::default();
        for mac in wanted {
            diff.want(&own, mac).map_err(named)?;
        }
        rows.into_iter().for_each(|row| diff.see(&own, row));
        Ok(diff.changes())
    }
}

/// What of a VXLAN device's addresses belongs to a description.
#[derive(Debug, Default)]
pub(super) struct Own {
    vlans: HashMap<u32, u16>,
    vnis: HashMap<u16, u32>,
    /// Those that are in the description itself.
    routers: HashSet<Key>,
    local: Option<IpAddr>,
}

impl Own {
    pub(super) fn of(config: &BridgeConfig) -> Self {
        let mut own = Self::default();
        if let Some(vxlan) = &config.vxlan {
            own.local = vxlan.local;
            for (vlan, vni) in vxlan.maps.iter().flat_map(|map| map.pairs()) {
                own.vlans.insert(vni, vlan);
                own.vnis.insert(vlan, vni);
            }
        }
        for interface in &config.interfaces {
            let vni = own.vnis.get(&interface.vlan).copied();
            let routers = interface.routers.iter().filter_map(|router| Some((router.address, vni?)));
            own.routers.extend(routers);
        }
        own
    }

    /// Refuses a change that cannot be made, or is the description's.
    pub(super) fn check(&self, change: &MacChange) -> std::result::Result<(), Invalid> {
        let (mac, vni) = change.key();
        check_mac("mac", Some(mac))?;
        if !self.vlans.contains_key(&vni) {
            return Err(format!("{mac}: vni {vni} has no VLAN").into());
        }
        if self.routers.contains(&(mac, vni)) {
            return Err(format!("{mac}: it is that of a router of the description, in vni {vni}").into());
        }
        match change {
            MacChange::Replace(LeafMac { behind: Behind::Leaf(leaf), .. }) => {
                check_leaf("dst", *leaf, self.local).map_err(|why| format!("{mac}: {why}").into())
            }
            MacChange::Replace(LeafMac { behind: Behind::Segment(id), .. }) => {
                within("nexthop id", *id, 1, u32::MAX)
            }
            MacChange::Delete { .. } => Ok(()),
        }
    }

    /// The two requests of a change that was checked, to the device with this index.
    pub(super) fn requests(&self, change: &MacChange, index: u32) -> [Request; 2] {
        let (mac, vni) = change.key();
        let mut remote = RemoteMac::new(mac, index).src_vni(vni);
        if let Some(vlan) = self.vlans.get(&vni) {
            remote = remote.vlan(*vlan);
        }
        match change {
            MacChange::Replace(LeafMac { behind: Behind::Leaf(leaf), .. }) => remote = remote.dst(*leaf),
            MacChange::Replace(LeafMac { behind: Behind::Segment(id), .. }) => remote = remote.nexthop(*id),
            MacChange::Delete { .. } => {
                // The bridge's first, so that no frame is sent to the device when that does not know where to.
                let [tunnel, bridge] = remote.entries();
                return [bridge.request(FdbVerb::Delete), tunnel.request(FdbVerb::Delete)];
            }
        }
        remote.entries().map(|entry| entry.request(FdbVerb::Replace))
    }

    /// The address that an entry of the VXLAN device is about, if it belongs to the description.
    pub(super) fn mac_of(&self, entry: &FdbEntry) -> Option<LeafMac> {
        let vni = entry.src_vni.filter(|vni| self.vlans.contains_key(vni))?;
        let is_own = !entry.is_bridge() && !entry.flags.contains(FdbFlags::ROUTER) && is_learned(entry);
        let is_plain = entry.port.is_none() && entry.vni.is_none_or(|to| to == vni);
        let behind = match (entry.dst, entry.nexthop) {
            (_, Some(id)) => Behind::Segment(id),
            (Some(leaf), None) if is_plain => Behind::Leaf(leaf),
            _ => return None,
        };
        let is_own = is_own && !self.routers.contains(&(entry.mac, vni));
        is_own.then_some(LeafMac { mac: entry.mac, vni, behind })
    }
}

/// An address of a host that a control plane put there.
fn is_learned(entry: &FdbEntry) -> bool {
    entry.flags.contains(FdbFlags::EXT_LEARNED) && !entry.mac.is_zero() && !entry.mac.is_multicast()
}

/// An address that is wanted, and which of its entries are there.
#[derive(Debug)]
struct Wanted {
    behind: Behind,
    on_device: bool,
    in_bridge: bool,
}

/// What is wanted, against what is there.
#[derive(Debug, Default)]
pub(super) struct Diff {
    wanted: HashMap<Key, Wanted>,
    gone: HashSet<Key>,
    /// Those of others, whose entries in the bridge do not say so.
    routers: HashSet<Key>,
    /// Those that are behind segments now.
    pub(super) on_segments: HashSet<Key>,
}

impl Diff {
    pub(super) fn want(&mut self, own: &Own, mac: LeafMac) -> std::result::Result<(), Invalid> {
        own.check(&MacChange::Replace(mac))?;
        let wanted = Wanted { behind: mac.behind, on_device: false, in_bridge: false };
        match self.wanted.insert((mac.mac, mac.vni), wanted) {
            None => Ok(()),
            Some(_) => Err(format!("{} is there twice in vni {}", mac.mac, mac.vni).into()),
        }
    }

    /// Takes an entry of the VXLAN device, or of the bridge behind it.
    pub(super) fn see(&mut self, own: &Own, entry: &FdbEntry) {
        if !is_learned(entry) {
            return;
        }
        if entry.is_bridge() {
            let Some(vni) = entry.vlan.and_then(|vlan| own.vnis.get(&vlan)) else { return };
            let key = (entry.mac, *vni);
            match self.wanted.get_mut(&key) {
                Some(wanted) => wanted.in_bridge = true,
                None if own.routers.contains(&key) => {}
                None => {
                    self.gone.insert(key);
                }
            }
            return;
        }
        let Some(vni) = entry.src_vni.filter(|vni| own.vlans.contains_key(vni)) else { return };
        let key = (entry.mac, vni);
        if entry.flags.contains(FdbFlags::ROUTER) {
            self.routers.insert(key);
        }
        if entry.nexthop.is_some() {
            self.on_segments.insert(key);
        }
        match self.wanted.get_mut(&key) {
            Some(wanted) => {
                let is_plain = entry.port.is_none() && entry.vni.is_none_or(|to| to == vni);
                wanted.on_device = match wanted.behind {
                    Behind::Leaf(leaf) => entry.dst == Some(leaf) && entry.nexthop.is_none() && is_plain,
                    Behind::Segment(id) => entry.nexthop == Some(id),
                };
            }
            None if own.routers.contains(&key) => {}
            None => {
                self.gone.insert(key);
            }
        }
    }

    /// What differs, in ascending order: what comes before what goes.
    pub(super) fn changes(self) -> Vec<MacChange> {
        let Self { wanted, gone, routers, .. } = self;
        let missing = wanted.into_iter().filter(|(_, wanted)| !wanted.on_device || !wanted.in_bridge);
        let write = |((mac, vni), wanted): (Key, Wanted)| {
            MacChange::Replace(LeafMac { mac, vni, behind: wanted.behind })
        };
        let mut changes: Vec<MacChange> = missing.map(write).collect();
        changes.sort_unstable();
        let gone: BTreeSet<Key> = gone.into_iter().filter(|key| !routers.contains(key)).collect();
        changes.extend(gone.into_iter().map(|(mac, vni)| MacChange::Delete { mac, vni }));
        changes
    }
}

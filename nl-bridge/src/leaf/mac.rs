//! MAC addresses behind other leaves: what they are, and what differs from what is there.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use nl_core::check::{Invalid, within};
use nl_core::{Error, MacAddr, Request, Result};

use super::check::{check_leaf, check_mac};
use super::config::BridgeConfig;
use super::hash::{HashMap, HashSet};
use super::vni_device::VniDevice;
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
    /// The VNI, one that a VLAN of the description has, or a device.
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
    /// One entry is written, because the other one is somebody else's.
    ReplaceOne {
        /// The address, and what it is behind.
        mac: LeafMac,
        /// Where the entry is.
        table: MacTable,
    },
    /// Both entries are removed, whatever the address is behind, and whoever made them.
    Delete {
        /// The address.
        mac: MacAddr,
        /// The VNI.
        vni: u32,
    },
    /// One entry is removed, because the other one is somebody else's.
    DeleteOne {
        /// The address.
        mac: MacAddr,
        /// The VNI.
        vni: u32,
        /// Where the entry is.
        table: MacTable,
    },
}

/// Where one of the two entries of an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MacTable {
    /// The bridge: the address is behind the VXLAN port in a VLAN.
    Bridge,
    /// The VXLAN device: the address is behind a leaf or a segment in a VNI.
    Device,
}

impl MacChange {
    pub(super) const fn key(&self) -> Key {
        match self {
            Self::Replace(mac) | Self::ReplaceOne { mac, .. } => (mac.mac, mac.vni),
            Self::Delete { mac, vni } | Self::DeleteOne { mac, vni, .. } => (*mac, *vni),
        }
    }

    /// What is written; `None` if it removes.
    pub(super) const fn written(&self) -> Option<LeafMac> {
        match self {
            Self::Replace(mac) | Self::ReplaceOne { mac, .. } => Some(*mac),
            Self::Delete { .. } | Self::DeleteOne { .. } => None,
        }
    }

    /// Whether it puts an address behind a segment.
    pub(super) const fn is_to_segment(&self) -> bool {
        matches!(self.written(), Some(LeafMac { behind: Behind::Segment(_), .. }))
    }

    /// The tables that it changes, in the order of its requests: what is written is in the device first, what is removed is removed
    /// from the bridge first, so no frame is sent to the device when that does not know where to.
    pub(super) const fn tables(&self) -> &'static [MacTable] {
        match self {
            Self::Replace(_) => &[MacTable::Device, MacTable::Bridge],
            Self::Delete { .. } => &[MacTable::Bridge, MacTable::Device],
            Self::ReplaceOne { table, .. } | Self::DeleteOne { table, .. } => match table {
                MacTable::Bridge => &[MacTable::Bridge],
                MacTable::Device => &[MacTable::Device],
            },
        }
    }
}

impl BridgeConfig {
    /// The changes from what is there to these MAC addresses behind other leaves. `rows` are the entries of the VXLAN device, its own
    /// and those of the bridge behind it; what concerns other devices must not be among them.
    ///
    /// An entry belongs to the description if it is `extern_learn`, its VNI is mapped to a VLAN, and it is not that of a router. An
    /// entry that does not age and is not `extern_learn` is somebody else's, and is neither changed nor removed: of such an address
    /// only the other entry is written ([`MacChange::ReplaceOne`]) or removed ([`MacChange::DeleteOne`]).
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
        let wanted = wanted.into_iter();
        let mut diff = Diff::for_about(wanted.size_hint().0);
        for mac in wanted {
            diff.want(&own, mac).map_err(named)?;
        }
        rows.into_iter().for_each(|row| diff.see(&own, 0, row));
        Ok(diff.changes().0)
    }
}

/// Which entries of VXLAN devices belong to a leaf, and where those of a VNI are.
#[derive(Debug, Default)]
pub(super) struct Own {
    layout: Layout,
    places: HashMap<u32, Place>,
    /// Those that are in the description itself.
    routers: HashSet<Key>,
    local: Option<IpAddr>,
}

/// How VNIs are spread over VXLAN devices.
#[derive(Debug)]
enum Layout {
    /// One device has all of them: the VNI of each VLAN.
    Shared(HashMap<u16, u32>),
    /// Each has a device: its VNI and the VLAN of the bridge.
    Separate(Vec<(u32, Option<u16>)>),
}

impl Default for Layout {
    fn default() -> Self {
        Self::Shared(HashMap::default())
    }
}

/// Where the entries of a VNI are.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The number of the VXLAN device among those of the leaf.
    device: usize,
    vlan: Option<u16>,
}

impl Own {
    pub(super) fn of(config: &BridgeConfig) -> Self {
        let mut own = Self::default();
        let mut vnis = HashMap::default();
        if let Some(vxlan) = &config.vxlan {
            own.local = vxlan.local;
            for (vlan, vni) in vxlan.maps.iter().flat_map(|map| map.pairs()) {
                own.places.insert(vni, Place { device: 0, vlan: Some(vlan) });
                vnis.insert(vlan, vni);
            }
        }
        for interface in &config.interfaces {
            let vni = vnis.get(&interface.vlan).copied();
            let routers = interface.routers.iter().filter_map(|router| Some((router.address, vni?)));
            own.routers.extend(routers);
        }
        own.layout = Layout::Shared(vnis);
        own
    }

    pub(super) fn of_devices(devices: &[VniDevice]) -> Self {
        let places = devices.iter().enumerate();
        Self {
            places: places.map(|(number, it)| (it.vni, Place { device: number, vlan: it.vlan })).collect(),
            layout: Layout::Separate(devices.iter().map(|device| (device.vni, device.vlan)).collect()),
            ..Self::default()
        }
    }

    /// The VNI that a device has for itself; `None` where all VNIs share one.
    pub(super) fn vni_of_device(&self, device: usize) -> Option<u32> {
        match &self.layout {
            Layout::Shared(_) => None,
            Layout::Separate(devices) => devices.get(device).map(|(vni, _)| *vni),
        }
    }

    /// The number of the device that has the entries of a VNI.
    pub(super) fn device_of(&self, vni: u32) -> Option<usize> {
        self.places.get(&vni).map(|place| place.device)
    }

    /// Refuses a change that cannot be made, or is the description's.
    pub(super) fn check(&self, change: &MacChange) -> std::result::Result<(), Invalid> {
        let (mac, vni) = change.key();
        check_mac("mac", Some(mac))?;
        if !self.places.contains_key(&vni) {
            let of = match self.layout {
                Layout::Shared(_) => "VLAN",
                Layout::Separate(_) => "device",
            };
            return Err(format!("{mac}: vni {vni} has no {of}").into());
        }
        if self.routers.contains(&(mac, vni)) {
            return Err(format!("{mac}: it is that of a router of the description, in vni {vni}").into());
        }
        match change.written().map(|mac| mac.behind) {
            Some(Behind::Leaf(leaf)) => {
                check_leaf("dst", leaf, self.local).map_err(|why| format!("{mac}: {why}").into())
            }
            Some(Behind::Segment(id)) => within("nexthop id", id, 1, u32::MAX),
            None => Ok(()),
        }
    }

    /// The request that makes a change in one of its [`tables`](MacChange::tables), on the devices with these indexes. The change was
    /// checked.
    pub(super) fn request(&self, change: &MacChange, table: MacTable, indexes: &[u32]) -> Request {
        let written = change.written();
        let verb = if written.is_some() { FdbVerb::Replace } else { FdbVerb::Delete };
        let behind = written.map(|mac| mac.behind);
        self.entry(change.key(), behind, table, indexes).request(verb)
    }

    /// The request that removes the entry of the device alone.
    pub(super) fn device_removal(&self, key: Key, indexes: &[u32]) -> Request {
        self.entry(key, None, MacTable::Device, indexes).request(FdbVerb::Delete)
    }

    /// One of the entries of a [`RemoteMac`].
    fn entry(&self, (mac, vni): Key, behind: Option<Behind>, table: MacTable, indexes: &[u32]) -> FdbEntry {
        let place = self.places.get(&vni);
        let index = place.and_then(|place| indexes.get(place.device)).copied().unwrap_or(0);
        if table == MacTable::Bridge {
            return FdbEntry {
                vlan: place.and_then(|place| place.vlan),
                ..RemoteMac::bridge_entry(mac, index)
            };
        }
        let mut entry = RemoteMac::tunnel_entry(mac, index);
        if matches!(self.layout, Layout::Shared(_)) {
            entry.src_vni = Some(vni);
        }
        match behind {
            Some(Behind::Leaf(leaf)) => entry.dst = Some(leaf),
            Some(Behind::Segment(id)) => RemoteMac::put_behind(&mut entry, id),
            None => {}
        }
        entry
    }

    /// The VNI that an entry is about which was listed for a device, or for the bridge behind it.
    fn vni_of(&self, device: usize, entry: &FdbEntry) -> Option<u32> {
        match &self.layout {
            Layout::Shared(vnis) if entry.is_bridge() => entry.vlan.and_then(|vlan| vnis.get(&vlan)).copied(),
            Layout::Shared(_) => entry.src_vni.filter(|vni| self.places.contains_key(vni)),
            Layout::Separate(devices) => {
                let (vni, vlan) = *devices.get(device)?;
                let is_of_it = if entry.is_bridge() { entry.vlan == vlan } else { entry.src_vni.is_none() };
                is_of_it.then_some(vni)
            }
        }
    }

    /// The address that an entry of a VXLAN device is about, if it belongs to the leaf.
    pub(super) fn mac_of(&self, device: usize, entry: &FdbEntry) -> Option<LeafMac> {
        if entry.is_bridge() {
            return None;
        }
        let vni = self.vni_of(device, entry)?;
        let is_own = !entry.flags.contains(FdbFlags::ROUTER) && is_learned(entry);
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
    entry.flags.contains(FdbFlags::EXT_LEARNED) && is_host(entry)
}

fn is_host(entry: &FdbEntry) -> bool {
    !entry.mac.is_zero() && !entry.mac.is_multicast()
}

/// Whether one of the two entries of an address is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum There {
    /// It is not there, or leads elsewhere.
    #[default]
    No,
    /// It is there.
    Yes,
    /// Somebody else made it, and it does not age.
    Foreign,
}

/// Both entries of an address.
#[derive(Clone, Copy, Debug, Default)]
struct Both {
    device: There,
    bridge: There,
}

impl Both {
    fn is_foreign(self) -> bool {
        self.device == There::Foreign || self.bridge == There::Foreign
    }
}

/// An address that is wanted, and which of its entries are there. Small, as there are hundreds of thousands.
#[derive(Debug)]
struct Wanted {
    /// A number of [`Behinds`].
    behind: u32,
    there: Both,
}

/// What addresses are behind, each once: few leaves have many addresses.
#[derive(Debug, Default)]
struct Behinds {
    list: Vec<Behind>,
    numbers: HashMap<Behind, u32>,
}

impl Behinds {
    fn number(&mut self, behind: Behind) -> std::result::Result<u32, Invalid> {
        if let Some(number) = self.numbers.get(&behind) {
            return Ok(*number);
        }
        let number = u32::try_from(self.list.len())
            .map_err(|_| Invalid::from(format!("{} leaves; fewer are possible", self.list.len())))?;
        self.list.push(behind);
        self.numbers.insert(behind, number);
        Ok(number)
    }

    /// What has this number, which [`number`](Self::number) gave.
    fn get(&self, number: u32) -> Option<Behind> {
        self.list.get(usize::try_from(number).ok()?).copied()
    }
}

/// What is wanted, against what is there.
#[derive(Debug, Default)]
pub(super) struct Diff {
    wanted: HashMap<Key, Wanted>,
    behinds: Behinds,
    /// Those that are not wanted, and belong to the description in one of the tables.
    gone: HashSet<Key>,
    /// Those that are not wanted, and have an entry of somebody else.
    foreign: HashMap<Key, Both>,
    /// Those of others, whose entries in the bridge do not say so.
    routers: HashSet<Key>,
    /// Those that are behind segments now.
    pub(super) on_segments: HashSet<Key>,
}

impl Diff {
    /// With room for this many wanted addresses, which an iterator of the caller promises.
    pub(super) fn for_about(wanted: usize) -> Self {
        const MOST: usize = 1 << 20;
        let mut diff = Self::default();
        diff.wanted.reserve(wanted.min(MOST));
        diff
    }

    pub(super) fn want(&mut self, own: &Own, mac: LeafMac) -> std::result::Result<(), Invalid> {
        own.check(&MacChange::Replace(mac))?;
        let wanted = Wanted { behind: self.behinds.number(mac.behind)?, there: Both::default() };
        match self.wanted.insert((mac.mac, mac.vni), wanted) {
            None => Ok(()),
            Some(_) => Err(format!("{} is there twice in vni {}", mac.mac, mac.vni).into()),
        }
    }

    /// Takes an entry of a VXLAN device, or of the bridge behind it.
    pub(super) fn see(&mut self, own: &Own, device: usize, entry: &FdbEntry) {
        let is_foreign = !is_learned(entry);
        // What was learned from a frame is nobody's.
        if !is_host(entry) || (is_foreign && entry.is_dynamic()) {
            return;
        }
        let table = if entry.is_bridge() { MacTable::Bridge } else { MacTable::Device };
        let Some(vni) = own.vni_of(device, entry) else { return };
        let key = (entry.mac, vni);
        if table == MacTable::Device {
            if entry.flags.contains(FdbFlags::ROUTER) {
                self.routers.insert(key);
            }
            if entry.nexthop.is_some() {
                self.on_segments.insert(key);
            }
        }
        let wanted = self.wanted.get_mut(&key);
        if wanted.is_none() && own.routers.contains(&key) {
            return;
        }
        let is_there = match (&wanted, is_foreign) {
            (_, true) => There::Foreign,
            (Some(wanted), false)
                if table == MacTable::Device
                    && !self.behinds.get(wanted.behind).is_some_and(|behind| leads(entry, vni, behind)) =>
            {
                There::No
            }
            _ => There::Yes,
        };
        let both = match wanted {
            Some(wanted) => &mut wanted.there,
            None if is_foreign => self.foreign.entry(key).or_default(),
            None => {
                self.gone.insert(key);
                return;
            }
        };
        match table {
            MacTable::Bridge => both.bridge = is_there,
            MacTable::Device => both.device = is_there,
        }
    }

    /// What differs, in ascending order: what comes before what goes. And how many of the wanted addresses have an entry of somebody
    /// else, which stays.
    pub(super) fn changes(self) -> (Vec<MacChange>, usize) {
        let Self { wanted, behinds, gone, foreign, routers, .. } = self;
        let left = wanted.values().filter(|wanted| wanted.there.is_foreign()).count();
        let write = |((mac, vni), wanted): (Key, Wanted)| {
            let mac = LeafMac { mac, vni, behind: behinds.get(wanted.behind)? };
            let one = |table| Some(MacChange::ReplaceOne { mac, table });
            match (wanted.there.device, wanted.there.bridge) {
                (There::No, There::Foreign) => one(MacTable::Device),
                (There::Foreign, There::No) => one(MacTable::Bridge),
                (There::No, _) | (_, There::No) => Some(MacChange::Replace(mac)),
                _ => None,
            }
        };
        let mut changes: Vec<MacChange> = wanted.into_iter().filter_map(write).collect();
        changes.sort_unstable_by_key(MacChange::key);
        let gone: BTreeSet<Key> = gone.into_iter().filter(|key| !routers.contains(key)).collect();
        changes.extend(gone.into_iter().filter_map(|key @ (mac, vni)| {
            let both = foreign.get(&key).copied().unwrap_or_default();
            let one = |table| Some(MacChange::DeleteOne { mac, vni, table });
            match (both.device, both.bridge) {
                (There::Foreign, There::Foreign) => None,
                (There::Foreign, _) => one(MacTable::Bridge),
                (_, There::Foreign) => one(MacTable::Device),
                _ => Some(MacChange::Delete { mac, vni }),
            }
        }));
        (changes, left)
    }
}

/// Whether an entry of the VXLAN device leads there, and with the VNI that it belongs to.
fn leads(entry: &FdbEntry, vni: u32, behind: Behind) -> bool {
    let is_plain = entry.port.is_none() && entry.vni.is_none_or(|to| to == vni);
    match behind {
        Behind::Leaf(leaf) => entry.dst == Some(leaf) && entry.nexthop.is_none() && is_plain,
        Behind::Segment(id) => entry.nexthop == Some(id),
    }
}

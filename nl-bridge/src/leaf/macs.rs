//! MAC addresses behind other leaves, by the hundred thousand.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use nl_core::check::Invalid;
use nl_core::{Connection, Error, Pending, Protocol, Request, Result};

use super::config::BridgeConfig;
use super::handle::Leaf;
use super::hash::HashSet;
use super::mac::{Behind, Diff, Key, LeafMac, MacChange, MacTable, Own};
use super::view::vxlan_of;
use super::vni_device::{VniDevice, check_devices};
use crate::Vni;
use crate::fdb::{FdbEntry, FdbFilter};

/// The MAC addresses behind other leaves, which a control plane keeps beside a description, or beside devices that others made
/// ([`Leaf::macs_on`]). Cheap to clone.
///
/// ```no_run
/// use nl_bridge::leaf::{BridgeConfig, Leaf, LeafMac, MacChange, VxlanConfig};
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = BridgeConfig::new("br0").vxlan(VxlanConfig::new("vx0").map(10, 10010));
/// let leaf = Leaf::new(Connection::open(Protocol::Route)?);
/// leaf.apply(&config).await?;
/// let macs = leaf.macs(&config)?;
/// let mac = LeafMac::new("02:00:00:00:00:01".parse()?, 10010, "192.0.2.2".parse()?);
/// // At the start: what an earlier run left behind is taken over, or removed.
/// macs.sync([mac]).await?;
/// // And from then on.
/// macs.change([MacChange::Replace(mac)]).await?;
/// # Ok(())
/// # }
/// ```
///
/// An address has two entries, in the bridge and in the VXLAN device, see [`RemoteMac`](crate::fdb::RemoteMac). An entry belongs to the
/// description if it is `extern_learn`, its VNI is mapped to a VLAN, and it is not that of a [router](super::RouterConfig). After a plan
/// that flushed VLANs ([`Step::FlushMacs`](super::Step::FlushMacs)) or created the VXLAN device again, [`sync`](Self::sync) again.
#[derive(Clone, Debug)]
pub struct Macs {
    conn: Connection,
    /// What they are of, for errors.
    of: Arc<str>,
    devices: Arc<[Box<str>]>,
    own: Arc<Own>,
    /// Those that are behind segments, as far as is known.
    on_segments: Arc<Mutex<HashSet<Key>>>,
}

/// What became of many addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MacSummary {
    /// How many were written.
    pub written: usize,
    /// How many were removed.
    pub deleted: usize,
    /// How many of the wanted ones have an entry of somebody else, which was left as it is; only [`Macs::sync`] looks for them.
    pub foreign: usize,
}

impl Leaf {
    /// The MAC addresses behind other leaves, for this description.
    ///
    /// # Errors
    /// As [`BridgeConfig::check`]; a description without a VXLAN device.
    pub fn macs(&self, config: &BridgeConfig) -> Result<Macs> {
        let named = |why: Invalid| Error::from(why).during(|| format!("leaf {}: macs", config.name));
        config.check().map_err(named)?;
        let Some(vxlan) = &config.vxlan else {
            return Err(named("the description has no VXLAN device".into()));
        };
        let (of, devices) = (format!("leaf {}: macs", config.name), [vxlan.name.as_str().into()]);
        Ok(Macs::new(self.connection(), of, devices, Own::of(config)))
    }

    /// The MAC addresses behind other leaves, where each VNI has a VXLAN device of its own, whoever made the devices and the bridges.
    ///
    /// ```no_run
    /// use nl_bridge::leaf::{Leaf, LeafMac, MacChange, VniDevice};
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let leaf = Leaf::new(Connection::open(Protocol::Route)?);
    /// // ip link add vx10 master br10 type vxlan id 10010 nolearning dstport 4789 local 192.0.2.1
    /// let macs = leaf.macs_on([VniDevice::new("vx10", 10010), VniDevice::new("vx20", 10020)])?;
    /// let mac = LeafMac::new("02:00:00:00:00:01".parse()?, 10010, "192.0.2.2".parse()?);
    /// macs.sync([mac]).await?;
    /// macs.change([MacChange::Delete { mac: mac.mac, vni: mac.vni }]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// All `extern_learn` entries of hosts on these devices belong to the leaf, but for those with `router`. On a bridge that does not
    /// filter VLANs but gives its ports one (`vlan_default_pvid`, which is 1 unless changed) the kernel writes an entry into that VLAN
    /// too, and removes it together with the other one.
    ///
    /// # Errors
    /// No device, a name that no device can have, one given twice, a VNI of two devices, a VNI or VLAN out of range, with the place:
    /// `devices[2].vni`.
    pub fn macs_on(&self, devices: impl IntoIterator<Item = VniDevice>) -> Result<Macs> {
        let devices: Vec<VniDevice> = devices.into_iter().collect();
        let of = match devices.as_slice() {
            [device] => format!("macs on {}", device.name),
            devices => format!("macs on {} devices", devices.len()),
        };
        check_devices(&devices).map_err(|why| Error::from(why).during(|| of.clone()))?;
        let own = Own::of_devices(&devices);
        Ok(Macs::new(self.connection(), of, devices.into_iter().map(|device| device.name.into()), own))
    }
}

impl Macs {
    fn new(conn: &Connection, of: String, devices: impl IntoIterator<Item = Box<str>>, own: Own) -> Self {
        let devices = devices.into_iter().collect();
        Self { conn: conn.clone(), of: of.into(), devices, own: Arc::new(own), on_segments: Arc::default() }
    }

    /// Makes these the addresses that are there: writes those that are missing or behind another leaf, and removes those that are not
    /// among them. For a start, and after a crash. If nothing differs, nothing is sent.
    ///
    /// An entry that does not age and is not `extern_learn` is somebody else's, such as one of `bridge fdb add … static`. It is left, in
    /// the bridge and in the VXLAN device, also where the description is exact, and only the other entry of that address is written or
    /// removed. [`MacSummary::foreign`] counts the wanted addresses that have one.
    ///
    /// Both tables of each VXLAN device are listed once. Memory grows by some 30 bytes for each address that is given, and more for
    /// each that differs or is somebody else's, not with those that are there.
    ///
    /// Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`BridgeConfig::plan_macs`], before anything is changed; no such device, or one of [`Leaf::macs_on`] that has another VNI; as
    /// [`change`](Self::change).
    pub fn sync(&self, wanted: impl IntoIterator<Item = LeafMac>) -> Pending<MacSummary> {
        let mut wanted = wanted.into_iter();
        let mut diff = Diff::for_about(wanted.size_hint().0);
        let checked = wanted.try_for_each(|mac| diff.want(&self.own, mac));
        let macs = self.clone();
        Pending::new(async move {
            checked.map_err(|why| macs.named(why.into()))?;
            let (changes, foreign) = macs.differing(diff).await.map_err(|error| macs.named(error))?;
            Ok(MacSummary { foreign, ..macs.carry_out(changes).await? })
        })
    }

    /// Makes many changes in few datagrams, in this order.
    ///
    /// An address that gets from a segment to a leaf, or back, is without its entry in the VXLAN device for a moment, because the kernel
    /// changes no entry so. [`sync`](Self::sync) first, so that it is known which are behind segments.
    ///
    /// A change does not look what is there. A deletion removes both entries, whatever the address is behind and whoever made them: the
    /// caller deletes only if no other leaf has announced it since. One that is gone already is no error.
    ///
    /// Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// A VNI that has no VLAN or no device, an address of no host or of a router of the description, a leaf of another family, before
    /// anything is changed. Where the kernel refuses some, the others are made all the same; the error is that of the first, and a hint
    /// says how many there are.
    pub fn change(&self, changes: impl IntoIterator<Item = MacChange>) -> Pending<MacSummary> {
        let changes: Vec<MacChange> = changes.into_iter().collect();
        let macs = self.clone();
        Pending::new(async move {
            changes
                .iter()
                .try_for_each(|change| macs.own.check(change))
                .map_err(|why| macs.named(why.into()))?;
            macs.carry_out(changes).await
        })
    }

    /// The addresses that are there, by the entries of the VXLAN devices, in no order.
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// No such device, or one of [`Leaf::macs_on`] that has another VNI.
    pub fn list(&self) -> Pending<Vec<LeafMac>> {
        let macs = self.clone();
        Pending::new(async move {
            let mut all = Vec::new();
            for (device, name) in macs.devices.iter().enumerate() {
                let index = macs.checked_index(device, name).await.map_err(|error| macs.named(error))?;
                let own = Arc::clone(&macs.own);
                let list = macs.conn.dump(request(index), move |message| {
                    Ok(own.mac_of(device, &FdbEntry::decode_without_ages(message)?))
                });
                all.extend(list.collect_all().await.map_err(|error| macs.named(error))?);
            }
            Ok(all)
        })
    }

    /// The index of a device whose entries are to be listed.
    async fn checked_index(&self, device: usize, name: &str) -> Result<u32> {
        self.conn.require(Protocol::Route, "leaves")?;
        let Some(vni) = self.own.vni_of_device(device) else { return self.conn.link_index(name).await };
        let link = self.conn.link(name).await?;
        let found = vxlan_of(&link).ok_or_else(|| Error::usage(format!("{name} is no VXLAN device")))?;
        match found.id.map(Vni::get) {
            _ if found.collect_metadata == Some(true) => {
                Err(Error::usage(format!("{name} is external, so its entries are not all of vni {vni}")))
            }
            Some(other) if other != vni => Err(Error::usage(format!("{name} has vni {other}, not {vni}"))),
            _ => Ok(link.index),
        }
    }

    /// The indexes of the devices that changes are made on, 0 for the others.
    async fn indexes(&self, changes: &[MacChange]) -> Result<Arc<[u32]>> {
        self.conn.require(Protocol::Route, "leaves")?;
        let mut indexes = vec![0; self.devices.len()];
        for change in changes {
            let Some(device) = self.own.device_of(change.key().1) else { continue };
            if let (Some(index @ 0), Some(name)) = (indexes.get_mut(device), self.devices.get(device)) {
                *index = self.conn.link_index(&**name).await?;
            }
        }
        Ok(indexes.into())
    }

    /// Lists both tables, and says what differs, and how many wanted addresses have an entry of somebody else.
    async fn differing(&self, diff: Diff) -> Result<(Vec<MacChange>, usize)> {
        let shared = Arc::new(Mutex::new(diff));
        for (device, name) in self.devices.iter().enumerate() {
            let index = self.checked_index(device, name).await?;
            let (own, seen) = (Arc::clone(&self.own), Arc::clone(&shared));
            let rows = self.conn.dump(request(index), move |message| {
                let entry = FdbEntry::decode_without_ages(message)?;
                seen.lock().unwrap_or_else(PoisonError::into_inner).see(&own, device, &entry);
                Ok(None::<()>)
            });
            rows.collect_all().await?;
        }
        let mut diff = mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
        *self.on_segments.lock().unwrap_or_else(PoisonError::into_inner) = mem::take(&mut diff.on_segments);
        Ok(diff.changes())
    }

    async fn carry_out(&self, changes: Vec<MacChange>) -> Result<MacSummary> {
        let written = changes.iter().filter(|change| change.written().is_some()).count();
        let summary = MacSummary { written, deleted: changes.len() - written, foreign: 0 };
        if changes.is_empty() {
            return Ok(summary);
        }
        let indexes = self.indexes(&changes).await.map_err(|error| self.named(error))?;
        let mut again = self.to_leaves(&changes);
        let changes = Arc::new(changes);
        let requests = Requests::new(Arc::clone(&self.own), Arc::clone(&changes), Arc::clone(&indexes));
        let outcome = self.conn.batch(requests).summarize(usize::MAX).await?;
        let (mut failed, mut first) = (0_usize, None);
        let requests =
            changes.iter().flat_map(|change| change.tables().iter().map(move |table| (change, *table)));
        let requests: Vec<_> = if outcome.failures.is_empty() { Vec::new() } else { requests.collect() };
        for (position, error) in outcome.failures {
            let request = usize::try_from(position).ok().and_then(|position| requests.get(position));
            let Some((change, table)) = request.copied() else { continue };
            match change.written() {
                None if error.is_not_found() => {}
                // From a leaf to a segment an entry does not change.
                Some(_) if table == MacTable::Device && error.is_unsupported() => {
                    again.insert(change.key(), *change);
                }
                _ => {
                    failed += 1;
                    first.get_or_insert((*change, error));
                }
            }
        }
        for (change, error) in self.recreate(again.into_values().collect(), indexes).await? {
            failed += 1;
            first.get_or_insert((change, error));
        }
        let Some((change, error)) = first else { return Ok(summary) };
        let (mac, vni) = change.key();
        let error = error.during(|| format!("{}: {mac} vni {vni}", self.of));
        Err(error.hinted(format!("{failed} requests failed, the others are carried out")))
    }

    /// The addresses that get from a segment to a leaf: the kernel accepts such a change and ignores it, so they are deleted and added.
    fn to_leaves(&self, changes: &[MacChange]) -> BTreeMap<Key, MacChange> {
        let mut on_segments = self.on_segments.lock().unwrap_or_else(PoisonError::into_inner);
        let mut anew = BTreeMap::new();
        if on_segments.is_empty() && !changes.iter().any(MacChange::is_to_segment) {
            return anew;
        }
        for change in changes.iter().filter(|change| change.tables().contains(&MacTable::Device)) {
            let key = change.key();
            match change.written().map(|mac| mac.behind) {
                Some(Behind::Leaf(_)) => {
                    if on_segments.remove(&key) || anew.contains_key(&key) {
                        anew.insert(key, *change);
                    }
                }
                Some(Behind::Segment(_)) => {
                    anew.remove(&key);
                    on_segments.insert(key);
                }
                None => {
                    anew.remove(&key);
                    on_segments.remove(&key);
                }
            }
        }
        anew
    }

    /// Removes entries of the device and makes them again, with those of the bridge that were written too, and returns what failed.
    async fn recreate(
        &self,
        changes: Vec<MacChange>,
        indexes: Arc<[u32]>,
    ) -> Result<Vec<(MacChange, Error)>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let mut places = Vec::new();
        for (place, change) in changes.iter().enumerate() {
            places.push((place, true));
            places.extend(change.tables().iter().map(|_| (place, false)));
        }
        let (own, all) = (Arc::clone(&self.own), changes.clone());
        let requests = all.into_iter().flat_map(move |change| {
            let there = own.device_removal(change.key(), &indexes);
            let again = change.tables().iter().map(|table| own.request(&change, *table, &indexes));
            std::iter::once(there).chain(again).collect::<Vec<_>>()
        });
        let outcome = self.conn.batch(requests).summarize(usize::MAX).await?;
        let failures = outcome.failures.into_iter().filter_map(|(position, error)| {
            let (place, is_deletion) = *places.get(usize::try_from(position).ok()?)?;
            let is_gone = is_deletion && error.is_not_found();
            Some((*changes.get(place)?, error)).filter(|_| !is_gone)
        });
        Ok(failures.collect())
    }

    fn named(&self, error: Error) -> Error {
        error.during(|| self.of.to_string())
    }
}

/// The requests of many changes, made as they are sent.
struct Requests {
    own: Arc<Own>,
    changes: Arc<Vec<MacChange>>,
    indexes: Arc<[u32]>,
    /// The next one: the number of its change, and of its table in that.
    next: (usize, usize),
}

impl Requests {
    const fn new(own: Arc<Own>, changes: Arc<Vec<MacChange>>, indexes: Arc<[u32]>) -> Self {
        Self { own, changes, indexes, next: (0, 0) }
    }
}

impl Iterator for Requests {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        loop {
            let change = self.changes.get(self.next.0)?;
            if let Some(table) = change.tables().get(self.next.1) {
                self.next.1 += 1;
                return Some(self.own.request(change, *table, &self.indexes));
            }
            self.next = (self.next.0 + 1, 0);
        }
    }
}

/// The list of the entries of a VXLAN device, and of those of the bridge behind it.
fn request(index: u32) -> Request {
    FdbFilter { index: Some(index), ..FdbFilter::default() }.list_request()
}

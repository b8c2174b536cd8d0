//! What a VXLAN device receives, and where it floods to.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use nl_core::MacAddr;
use nl_core::link::Link;

use super::config::BridgeConfig;
use super::order::{Steps, When};
use super::plan::Standing;
use super::step::Step;
use super::tenants::VxlanConfig;
use super::view::{View, vni_rows};
use crate::VniRange;
use crate::fdb::{FdbEntry, FdbFlags, FdbVerb};

impl BridgeConfig {
    /// Adds VNIs to the filter, and removes those that are not wanted. `link` is the device if it stays.
    pub(super) fn plan_vnis(
        &self,
        view: &View<'_>,
        vxlan: &VxlanConfig,
        link: Option<&Link>,
        steps: &mut Steps,
    ) {
        if !vxlan.vni_filter {
            return;
        }
        let dev = &vxlan.name;
        let wanted: BTreeSet<u32> = vxlan.maps.iter().flat_map(|map| map.vni.iter()).collect();
        let now: Vec<VniRange> =
            link.map(|link| view.vnis(link.index).map(|(vnis, _)| vnis).collect()).unwrap_or_default();
        let missing = wanted.iter().copied().filter(|vni| !now.iter().any(|range| range.contains(*vni)));
        for vnis in vni_rows(missing) {
            steps.push(When::AddVnis, Step::AddVnis { dev: dev.clone(), vnis });
        }
        for gap in now.iter().flat_map(|range| without(*range, &wanted)) {
            let own = self.own_parts(gap);
            let is_own = own.iter().map(|part| part.len()).sum::<usize>() >= gap.len();
            if !is_own {
                steps.other(Standing::Foreign, format!("vni {gap} dev {dev}"));
            }
            let gone = if self.is_exact { vec![gap] } else { own };
            for vnis in gone {
                steps.push(When::DeleteVnis, Step::DeleteVnis { dev: dev.clone(), vnis });
            }
        }
    }

    /// What of a range may belong to the description.
    fn own_parts(&self, range: VniRange) -> Vec<VniRange> {
        if self.own_vnis.is_empty() {
            return vec![range];
        }
        let common =
            |own: &VniRange| VniRange::read(own.first().max(range.first()), own.last().min(range.last()));
        self.own_vnis.iter().filter_map(common).collect()
    }

    /// Adds the leaves that VNIs are flooded to, and removes those that are not wanted.
    ///
    /// All remotes of one VNI have their flags in common. So a VNI to which somebody else added a leaf is theirs from then on, and what
    /// is missing there is added, but nothing is removed.
    pub(super) fn plan_flood(
        &self,
        view: &View<'_>,
        vxlan: &VxlanConfig,
        link: Option<&Link>,
        steps: &mut Steps,
    ) {
        let now: Vec<&FdbEntry> = link.map(|link| view.flood(link.index).collect()).unwrap_or_default();
        let key = |entry: &FdbEntry| Some((entry.src_vni.unwrap_or(0), entry.dst?));
        let is_plain =
            |entry: &FdbEntry| entry.port.is_none() && entry.vni.is_none_or(|vni| Some(vni) == entry.src_vni);
        let there: BTreeSet<(u32, IpAddr)> =
            now.iter().filter(|entry| is_plain(entry)).filter_map(|entry| key(entry)).collect();
        let wanted: BTreeSet<(u32, IpAddr)> = self.flood_pairs().collect();
        for (vni, dst) in wanted.difference(&there) {
            let entry = FdbEntry::new(MacAddr::ZERO, 0).self_().extern_learn().dst(*dst).src_vni(*vni);
            let (dev, entry) = (vxlan.name.clone(), Box::new(entry));
            steps.push(When::Append, Step::Flood { verb: FdbVerb::Append, dev, entry });
        }
        for found in now {
            if is_plain(found) && key(found).is_some_and(|key| wanted.contains(&key)) {
                continue;
            }
            let is_learned = found.flags.contains(FdbFlags::EXT_LEARNED);
            let is_own = is_learned && found.src_vni.is_some_and(|vni| self.owns_vni(vni));
            let mut entry = FdbEntry::new(MacAddr::ZERO, 0).self_();
            (entry.dst, entry.src_vni) = (found.dst, found.src_vni);
            (entry.port, entry.vni, entry.via) = (found.port, found.vni, found.via);
            if !is_own {
                let words = entry.to_string().replacen(" dev #0 ", &format!(" dev {} ", vxlan.name), 1);
                steps.other(Standing::Foreign, format!("fdb {words}"));
            }
            if is_own || self.is_exact {
                let (dev, entry) = (vxlan.name.clone(), Box::new(entry));
                steps.push(When::Unflood, Step::Flood { verb: FdbVerb::Delete, dev, entry });
            }
        }
    }
}

/// Tells the MAC addresses in VNIs that a description owns and maps no VLAN to.
pub(super) struct Stale {
    mapped: HashSet<u32>,
    own: Vec<VniRange>,
}

impl Stale {
    pub(super) fn of(config: &BridgeConfig) -> Self {
        let maps = config.vxlan.iter().flat_map(|vxlan| &vxlan.maps);
        Self { mapped: maps.flat_map(|map| map.vni.iter()).collect(), own: config.own_vnis.clone() }
    }

    /// Whether this entry of the VXLAN device is one that a control plane left there. Those of routers are not.
    pub(super) fn holds(&self, entry: &FdbEntry) -> bool {
        let is_host = !entry.mac.is_zero() && !entry.mac.is_multicast() && !entry.is_bridge();
        let is_learned = entry.flags & (FdbFlags::EXT_LEARNED | FdbFlags::ROUTER) == FdbFlags::EXT_LEARNED;
        let is_own = |vni: u32| self.own.is_empty() || self.own.iter().any(|range| range.contains(vni));
        is_host && is_learned && entry.src_vni.is_some_and(|vni| is_own(vni) && !self.mapped.contains(&vni))
    }
}

impl BridgeConfig {
    /// Removes the MAC addresses that a control plane put into VNIs which no VLAN has any more: the kernel keeps them, and they would be
    /// there for whoever gets the VNI next. `link` is the device if it stays.
    pub(super) fn plan_stale_macs(
        &self,
        view: &View<'_>,
        vxlan: &VxlanConfig,
        link: Option<&Link>,
        steps: &mut Steps,
    ) {
        let stale = Stale::of(self);
        let there = link.into_iter().flat_map(|link| view.stale_macs(link.index));
        for found in there.filter(|found| stale.holds(found)) {
            let mut entry = FdbEntry::new(found.mac, 0).self_();
            (entry.dst, entry.src_vni, entry.nexthop) = (found.dst, found.src_vni, found.nexthop);
            (entry.port, entry.vni, entry.via) = (found.port, found.vni, found.via);
            let (dev, entry) = (vxlan.name.clone(), Box::new(entry));
            steps.push(When::DeleteRemotes, Step::Flood { verb: FdbVerb::Delete, dev, entry });
        }
    }
}

/// What of a range is not wanted.
fn without(range: VniRange, wanted: &BTreeSet<u32>) -> Vec<VniRange> {
    let (mut gaps, mut next) = (Vec::new(), Some(range.first()));
    for vni in wanted.range(range.first()..=range.last()) {
        if let Some(from) = next.filter(|from| from < vni) {
            gaps.extend(VniRange::read(from, vni - 1));
        }
        next = vni.checked_add(1);
    }
    gaps.extend(next.and_then(|from| VniRange::read(from, range.last())));
    gaps
}

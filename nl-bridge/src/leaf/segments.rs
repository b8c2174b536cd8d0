//! Multihoming: hosts behind several leaves at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use nl_core::check::Invalid;
use nl_core::link::Link;
use nl_core::nexthop::{Nexthop, NexthopVerb};

use super::check::{at, check_leaf};
use super::config::BridgeConfig;
use super::order::{Steps, When};
use super::plan::Standing;
use super::step::Step;
use super::values::SegmentConfig;
use super::view::{View, port_of};
use crate::settings::BackupPort;

impl BridgeConfig {
    /// All segments, with their places in the description.
    fn all_segments(&self) -> impl Iterator<Item = (String, &SegmentConfig)> {
        let remote = self.segments.iter().enumerate();
        let remote = remote.map(|(number, segment)| (format!("segments[{number}]"), segment));
        let local = self.ports.iter().enumerate().filter_map(|(number, port)| {
            port.peers.as_ref().map(|segment| (format!("ports[{number}].peers"), segment))
        });
        remote.chain(local)
    }

    /// Refuses segments that contradict each other, or the rest of the description.
    pub(super) fn check_segments(&self) -> Result<(), Invalid> {
        let range = match &self.own_nexthops {
            Some(range) if range.is_empty() || *range.start() == 0 => {
                let (first, last) = (range.start(), range.end());
                return Err(at(
                    "own_nexthops",
                    format!("nexthop ids {first}-{last}; from 1 on, the first the smallest"),
                ));
            }
            Some(range) => range,
            None => match self.all_segments().next() {
                None => return Ok(()),
                Some((path, _)) => {
                    return Err(at(
                        path,
                        "own_nexthops is missing: the nexthop ids that belong to the description",
                    ));
                }
            },
        };
        let mut family = self.vxlan.as_ref().and_then(|vxlan| vxlan.local);
        let (mut ids, mut leaves) = (HashSet::new(), HashSet::new());
        for (path, segment) in self.all_segments() {
            if self.vxlan.is_none() {
                return Err(at(path, "there is no VXLAN device, and so no way to other leaves"));
            }
            if !range.contains(&segment.id) {
                let (id, first, last) = (segment.id, range.start(), range.end());
                let why = format!("nexthop id {id}; {first} to {last} are possible (own_nexthops)");
                return Err(at(format!("{path}.id"), why));
            }
            if !ids.insert(segment.id) {
                return Err(at(format!("{path}.id"), format!("nexthop id {} is there twice", segment.id)));
            }
            if segment.leaves.is_empty() {
                return Err(at(format!("{path}.leaves"), "no leaf; at least one is needed"));
            }
            let mut own = HashSet::new();
            for (number, leaf) in segment.leaves.iter().enumerate() {
                let path = format!("{path}.leaves[{number}]");
                check_leaf(&path, *leaf, family)?;
                family.get_or_insert(*leaf);
                if !own.insert(*leaf) {
                    return Err(at(path, format!("{leaf} is there twice")));
                }
                leaves.insert(*leaf);
            }
        }
        let (needed, room) = (ids.len() + leaves.len(), room(range));
        if needed > room {
            let why = format!(
                "{room} nexthop ids for {} segments and {} leaves; {needed} are needed",
                ids.len(),
                leaves.len()
            );
            return Err(at("own_nexthops", why));
        }
        Ok(())
    }

    /// Makes, changes and removes nexthops: of each leaf, and of each segment as a group of them.
    pub(super) fn plan_nexthops(&self, view: &View<'_>, steps: &mut Steps) -> Result<(), Invalid> {
        let Some(range) = &self.own_nexthops else { return Ok(()) };
        let own = view.nexthops().filter(|hop| range.contains(&hop.id)).map(|hop| (hop.id, hop));
        let now: BTreeMap<u32, &Nexthop> = own.collect();
        let wanted: BTreeMap<u32, (String, &SegmentConfig)> =
            self.all_segments().map(|(path, segment)| (segment.id, (path, segment))).collect();
        for (id, (path, _)) in &wanted {
            let why = match now.get(id) {
                Some(hop) if !hop.is_fdb => "is that of routes, and so somebody else's",
                Some(hop) if !hop.is_group() => "is that of a leaf already; give another one",
                _ => continue,
            };
            return Err(at(format!("{path}.id"), format!("nexthop id {id} {why}")));
        }
        let leaves: BTreeSet<IpAddr> =
            wanted.values().flat_map(|(_, segment)| segment.leaves.iter().copied()).collect();
        let mut by_leaf: BTreeMap<IpAddr, u32> = BTreeMap::new();
        for hop in now.values().filter(|hop| hop.is_fdb && !hop.is_group()) {
            if let Some(leaf) = hop.gateway.filter(|leaf| leaves.contains(leaf)) {
                by_leaf.entry(leaf).or_insert(hop.id);
            }
        }
        // From the end, because people count from the start.
        let mut free = range.clone().rev().filter(|id| !now.contains_key(id) && !wanted.contains_key(id));
        for leaf in leaves {
            if by_leaf.contains_key(&leaf) {
                continue;
            }
            let Some(id) = free.next() else {
                return Err(at("own_nexthops", format!("no nexthop id is left for leaf {leaf}")));
            };
            by_leaf.insert(leaf, id);
            let hop = Nexthop::new(id).via(leaf).fdb().protocol(self.route_protocol());
            steps.push(When::Nexthop, Step::Nexthop { verb: NexthopVerb::Add, hop: Box::new(hop) });
        }
        for (id, (_, segment)) in &wanted {
            let members: BTreeSet<u32> =
                segment.leaves.iter().filter_map(|leaf| by_leaf.get(leaf).copied()).collect();
            let is_same = |hop: &&&Nexthop| {
                let plain = hop.group.iter().all(|member| member.weight == 1);
                plain && hop.group.iter().map(|member| member.id).collect::<BTreeSet<_>>() == members
            };
            if now.get(id).filter(is_same).is_none() {
                let hop = Nexthop::new(*id).fdb().protocol(self.route_protocol()).group(members);
                steps.push(When::Group, Step::Nexthop { verb: NexthopVerb::Replace, hop: Box::new(hop) });
            }
        }
        let used: HashSet<u32> = by_leaf.into_values().chain(wanted.into_keys()).collect();
        for hop in now.into_values().filter(|hop| !used.contains(&hop.id)) {
            if !hop.is_fdb {
                steps.other(Standing::Unsafe, format!("nexthop {hop}, which is for routes"));
                continue;
            }
            steps.other(Standing::Orphaned, format!("nexthop {hop}"));
            let when = if hop.is_group() { When::DeleteGroups } else { When::DeleteNexthops };
            let hop = Box::new(Nexthop::new(hop.id));
            steps.push(when, Step::Nexthop { verb: NexthopVerb::Delete, hop });
        }
        Ok(())
    }

    /// Lets the frames for a port without a carrier go to its peers. `tunnel` is the VXLAN device if it stays.
    pub(super) fn plan_backups(
        &self,
        view: &View<'_>,
        bridge: Option<&Link>,
        tunnel: Option<&Link>,
        steps: &mut Steps,
    ) {
        for port in &self.ports {
            let link =
                view.link(&port.name).filter(|link| bridge.is_some_and(|br| link.master == Some(br.index)));
            let now = link.and_then(port_of).unwrap_or_default();
            let through = match &now.backup_port {
                Some(BackupPort(Some(dev))) => dev.index(),
                _ => None,
            };
            let id = now.backup_nhid.filter(|id| *id != 0);
            let backup = match (&port.peers, &self.vxlan) {
                (Some(peers), Some(vxlan)) => Some((vxlan.name.clone(), peers.id)),
                _ => None,
            };
            let is_same = match &backup {
                Some((_, wanted)) => {
                    id == Some(*wanted) && through.is_some() && through == tunnel.map(|tunnel| tunnel.index)
                }
                // One of somebody else is left as it is.
                None => !id.is_some_and(|id| self.own_nexthops.as_ref().is_some_and(|own| own.contains(&id))),
            };
            if !is_same {
                steps.push(When::Backup, Step::Backup { dev: port.name.clone(), backup });
            }
        }
    }
}

impl BridgeConfig {
    /// The description with the FDB nexthops that are there as segments, and as peers of the ports that have them for a backup. `None`
    /// if a description has no place for them as they are, such as for a nexthop that is in no group. `tunnel` is the VXLAN device.
    pub(super) fn with_observed_segments(
        &self,
        view: &View<'_>,
        bridge: &Link,
        tunnel: Option<&Link>,
    ) -> Option<Self> {
        let hops: BTreeMap<u32, &Nexthop> =
            view.nexthops().filter(|hop| hop.is_fdb).map(|hop| (hop.id, hop)).collect();
        let (first, last) = (hops.keys().next()?, hops.keys().next_back()?);
        let leaf = |id: u32| hops.get(&id).and_then(|hop| hop.gateway);
        let mut segments = BTreeMap::new();
        for group in hops.values().filter(|hop| hop.is_group()) {
            let mut segment = SegmentConfig::new(group.id);
            for member in &group.group {
                segment.leaves.push(leaf(member.id)?);
            }
            segments.insert(group.id, segment);
        }
        let mut config = self.clone();
        config.own_nexthops = Some(*first..=*last);
        for port in &mut config.ports {
            let now = view.link(&port.name).and_then(port_of).unwrap_or_default();
            if let Some(id) = now.backup_nhid.filter(|id| *id != 0) {
                port.peers = Some(segments.remove(&id)?);
            }
        }
        config.segments = segments.into_values().collect();
        // Whatever else is there that a description cannot say shows in a plan.
        config.check_segments().ok()?;
        let mut steps = Steps::default();
        config.plan_nexthops(view, &mut steps).ok()?;
        config.plan_backups(view, Some(bridge), tunnel, &mut steps);
        steps.plan().is_empty().then_some(config)
    }
}

/// How many numbers there are.
fn room(range: &RangeInclusive<u32>) -> usize {
    let more = range.end().saturating_sub(*range.start());
    usize::try_from(more).map_or(usize::MAX, |more| more.saturating_add(1))
}

//! Which mappings go and come when a range is to be mapped as given.

use std::collections::{BTreeMap, BTreeSet};

use nl_core::Request;

use super::{TunnelChange, TunnelEntry};
use crate::vlan_db::{VlanDbEntry, VlanInfo};

/// The VLANs of a port, each with its VNI if it is mapped.
#[derive(Debug, Default)]
pub(super) struct Port {
    pub(super) vlans: BTreeMap<u16, Option<u32>>,
    /// Those that leave the port without a tag.
    pub(super) untagged: BTreeSet<u16>,
}

impl Port {
    pub(super) fn new(entries: &[VlanDbEntry]) -> Self {
        let mut port = Self::default();
        for entry in entries {
            if entry.info.contains(VlanInfo::UNTAGGED) {
                port.untagged.extend(entry.vlans.iter().map(u16::from));
            }
            for (vlan, more) in entry.vlans.iter().zip(0_u32..) {
                port.vlans.insert(vlan.get(), entry.tunnel.and_then(|first| first.checked_add(more)));
            }
        }
        port
    }

    /// The VLANs of the entry that the port is not in.
    pub(super) fn missing<'a>(&'a self, entry: &'a TunnelEntry) -> impl Iterator<Item = u16> + 'a {
        entry.pairs().map(|(vlan, _)| vlan).filter(|vlan| !self.vlans.contains_key(vlan))
    }

    /// The VLANs of the entry whose frames leave the port without a tag, and so without a VNI.
    pub(super) fn untagged<'a>(&'a self, entry: &'a TunnelEntry) -> impl Iterator<Item = u16> + 'a {
        entry.pairs().map(|(vlan, _)| vlan).filter(|vlan| self.untagged.contains(vlan))
    }

    /// What keeps the kernel from adding the entry: that a VLAN is mapped, or a VNI in use.
    pub(super) fn conflict(&self, entry: &TunnelEntry) -> Option<String> {
        let mut pairs = entry.pairs();
        pairs.find_map(|(vlan, vni)| {
            if let Some(mapped) = self.vlans.get(&vlan).copied().flatten() {
                return Some(format!("vlan {vlan} is mapped to vni {mapped}"));
            }
            let (user, _) = self.vlans.iter().find(|(_, mapped)| **mapped == Some(vni))?;
            Some(format!("vni {vni} belongs to vlan {user}"))
        })
    }

    /// The one request that makes the mappings as given: those that are others go, and then those that are missing come. `None` if
    /// nothing is to be done.
    pub(super) fn replace(&self, entry: &TunnelEntry) -> Option<Request> {
        let one = |vlan: u16, vni: u32| {
            let vlan = crate::types::VlanId::new(vlan).ok()?;
            Some(TunnelEntry::new(entry.index, vlan, crate::ranges::VniRange::read(vni, vni)?))
        };
        let (mut gone, mut new): (Vec<TunnelEntry>, Vec<TunnelEntry>) = (Vec::new(), Vec::new());
        for (vlan, vni) in entry.pairs() {
            let mapped = self.vlans.get(&vlan).copied().flatten();
            if mapped == Some(vni) {
                continue;
            }
            // The VNI of a deletion does not matter: a row is as long as possible.
            push(&mut gone, mapped.and_then(|_| one(vlan, u32::from(vlan))));
            push(&mut new, one(vlan, vni));
        }
        if new.is_empty() {
            return None;
        }
        let mut change = TunnelChange::new(entry.index);
        change.unmap.extend(gone.iter().map(|entry| entry.vlans));
        change.map.extend(new.iter().map(|entry| (entry.vlans, entry.vnis)));
        Some(change.request())
    }
}

fn push(row: &mut Vec<TunnelEntry>, entry: Option<TunnelEntry>) {
    let Some(entry) = entry else { return };
    if !row.last_mut().is_some_and(|last| last.join(&entry)) {
        row.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use nl_core::message::MessageRef;

    use super::*;
    use crate::{VlanRange, VniRange};

    fn port(vlans: &[(u16, Option<u32>)]) -> Port {
        Port { vlans: vlans.iter().copied().collect(), ..Port::default() }
    }

    fn entry(vlans: (u16, u16), vnis: (u32, u32)) -> TunnelEntry {
        let vlans = VlanRange::new(vlans.0, vlans.1).unwrap();
        TunnelEntry::new(6, vlans, VniRange::new(vnis.0, vnis.1).unwrap())
    }

    /// The entries of the request, with the VNI of those that come.
    fn steps(port: &Port, entry: &TunnelEntry) -> Option<Vec<(String, Option<u32>)>> {
        let mut request = port.replace(entry)?;
        let bytes = request.encoded().unwrap().to_vec();
        let mut found = Vec::new();
        VlanDbEntry::decode(MessageRef::parse(&bytes).unwrap(), &mut found).unwrap();
        Some(found.iter().map(|entry| (entry.vlans.to_string(), entry.tunnel)).collect())
    }

    #[test]
    fn a_mapping_that_is_there_is_left_alone() {
        let port = port(&[(10, Some(100)), (11, Some(101))]);
        assert_eq!(steps(&port, &entry((10, 11), (100, 101))), None);
    }

    #[test]
    fn other_mappings_go_before_the_new_ones_come() {
        let port = port(&[(10, Some(101)), (11, Some(100)), (12, Some(102)), (13, None)]);
        let expected = [("10-11", None), ("10-11", Some(100)), ("13", Some(103))];
        let expected = expected.map(|(vlans, vni)| (vlans.to_owned(), vni));
        assert_eq!(steps(&port, &entry((10, 13), (100, 103))), Some(expected.to_vec()));
    }

    #[test]
    fn a_conflict_names_what_is_in_the_way() {
        let port = port(&[(10, Some(100)), (11, None)]);
        assert_eq!(port.conflict(&entry((10, 10), (7, 7))).unwrap(), "vlan 10 is mapped to vni 100");
        assert_eq!(port.conflict(&entry((11, 11), (100, 100))).unwrap(), "vni 100 belongs to vlan 10");
        assert_eq!(port.conflict(&entry((11, 11), (101, 101))), None);
        assert_eq!(port.missing(&entry((9, 12), (1, 4))).collect::<Vec<_>>(), [9, 12]);
    }
}

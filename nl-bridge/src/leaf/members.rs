//! The VLANs of a device: which come, which go, and what they are mapped to.

use std::collections::{BTreeMap, BTreeSet};

use nl_core::check::Invalid;
use nl_core::link::Link;

use super::check::at;
use super::config::BridgeConfig;
use super::order::{Steps, When};
use super::plan::Standing;
use super::step::Step;
use super::tenants::VxlanConfig;
use super::values::VlanConfig;
use super::view::{Members, View, map_rows, rows};
use crate::vlan::{VlanFlags, VlanMember};
use crate::{StpState, VlanRange};

/// The VLANs that a device is to be in, and how.
pub(super) type Wanted = BTreeMap<u16, VlanFlags>;

/// The VLANs of a description.
pub(super) fn wanted(vlans: &[VlanConfig]) -> Wanted {
    let each = vlans.iter().flat_map(|vlans| {
        let mut flags = VlanFlags::empty();
        flags.set(VlanFlags::PVID, vlans.pvid);
        flags.set(VlanFlags::UNTAGGED, vlans.untagged);
        vlans.vid.iter().map(move |vlan| (vlan.get(), flags))
    });
    each.collect()
}

/// The states of a description.
pub(super) fn states(vlans: &[VlanConfig]) -> BTreeMap<u16, StpState> {
    let each = vlans.iter().filter_map(|vlans| Some((vlans.vid, vlans.state?)));
    each.flat_map(|(vid, state)| vid.iter().map(move |vlan| (vlan.get(), state))).collect()
}

/// Keys in ascending order with the same value, as ranges.
pub(super) fn runs<T: Copy + PartialEq>(each: impl IntoIterator<Item = (u16, T)>) -> Vec<(VlanRange, T)> {
    let mut runs: Vec<(VlanRange, T)> = Vec::new();
    for (vlan, value) in each {
        let longer = runs.last().filter(|(row, of)| *of == value && row.last().get() + 1 == vlan);
        match longer.and_then(|(row, _)| VlanRange::new(row.first().get(), vlan).ok()) {
            Some(longer) => {
                runs.pop();
                runs.push((longer, value));
            }
            None => runs.extend(VlanRange::try_from(vlan).ok().map(|row| (row, value))),
        }
    }
    runs
}

impl BridgeConfig {
    /// Whether a VLAN that is there and not wanted goes.
    fn drops(&self, vlan: u16) -> bool {
        self.is_exact || self.owns_vlan(vlan)
    }

    /// Adds and removes the VLANs of a device, and returns those that it is in then.
    pub(super) fn plan_members(
        &self,
        dev: &str,
        is_bridge: bool,
        wanted: &Wanted,
        now: &Members,
        steps: &mut Steps,
    ) -> BTreeSet<u16> {
        let differs = |vlan: &u16, flags: &VlanFlags| now.get(vlan).is_none_or(|now| now.flags != *flags);
        let new = wanted.iter().filter(|(vlan, flags)| differs(vlan, flags));
        let members: Vec<_> = runs(new.map(|(vlan, flags)| (*vlan, *flags)))
            .into_iter()
            .map(|(row, flags)| VlanMember::new(row).with(flags))
            .collect();
        if !members.is_empty() {
            let step = Step::AddVlans { dev: dev.to_owned(), is_bridge, members };
            steps.push(When::AddVlans, step);
        }
        let unwanted = || now.keys().copied().filter(move |vlan| !wanted.contains_key(vlan));
        let gone = rows(unwanted().filter(|vlan| self.drops(*vlan)));
        if !gone.is_empty() {
            let step = Step::DeleteVlans { dev: dev.to_owned(), is_bridge, vlans: gone };
            steps.push(When::DeleteVlans, step);
        }
        for foreign in rows(unwanted().filter(|vlan| !self.owns_vlan(*vlan))) {
            steps.other(Standing::Foreign, format!("vlan {foreign} dev {dev}"));
        }
        wanted.keys().copied().chain(unwanted().filter(|vlan| !self.drops(*vlan))).collect()
    }

    /// Sets the states of VLANs on a port. A VLAN that is new there forwards.
    pub(super) fn plan_states(
        &self,
        dev: &str,
        wanted: &BTreeMap<u16, StpState>,
        now: &Members,
        steps: &mut Steps,
    ) {
        let is = |vlan: &u16| now.get(vlan).and_then(|now| now.state).unwrap_or(StpState::Forwarding);
        let differing = wanted.iter().filter(|(vlan, state)| is(vlan) != **state);
        for (vlans, state) in runs(differing.map(|(vlan, state)| (*vlan, *state))) {
            steps.push(When::Instance, Step::VlanState { dev: dev.to_owned(), vlans, state });
        }
    }

    /// Lets the bridge forget the MAC addresses behind the VXLAN device in VLANs that get another VNI, or have none: those of a control
    /// plane stay when a VLAN leaves the port, and would be there for whoever gets the VLAN next. `port` is the device if it stays a
    /// port. Returns these VLANs.
    pub(super) fn plan_flush(
        &self,
        view: &View<'_>,
        vxlan: &VxlanConfig,
        port: Option<&Link>,
        now: &Members,
        steps: &mut Steps,
    ) -> BTreeSet<u16> {
        let wanted: BTreeMap<u16, u32> = vxlan.maps.iter().flat_map(|map| map.pairs()).collect();
        let is_stale = |vlan: &u16| {
            let is = now.get(vlan).and_then(|now| now.vni);
            match wanted.get(vlan) {
                Some(vni) => is != Some(*vni),
                None => self.drops(*vlan),
            }
        };
        let learned = port.into_iter().flat_map(|port| view.learned(port.index));
        let stale: BTreeSet<u16> = learned.filter(is_stale).collect();
        for vlan in &stale {
            let (dev, bridge) = (vxlan.name.clone(), self.name.clone());
            steps.push(When::Flush, Step::FlushMacs { dev, bridge, vlan: *vlan });
        }
        stale
    }

    /// Maps the VLANs of the VXLAN device to their VNIs.
    pub(super) fn plan_maps(
        &self,
        vxlan: &VxlanConfig,
        now: &Members,
        steps: &mut Steps,
    ) -> Result<(), Invalid> {
        let wanted: BTreeMap<u16, u32> = vxlan.maps.iter().flat_map(|map| map.pairs()).collect();
        let mapped = |vlan: &u16| now.get(vlan).and_then(|now| now.vni);
        let new = wanted.iter().filter(|(vlan, vni)| mapped(vlan) != Some(**vni));
        let new: Vec<_> = new.map(|(vlan, vni)| (*vlan, *vni)).collect();
        let taken: BTreeSet<u32> = new.iter().map(|(_, vni)| *vni).collect();
        let mut unmap = Vec::new();
        for (vlan, vni) in now.iter().filter_map(|(vlan, now)| Some((*vlan, now.vni?))) {
            match wanted.get(&vlan) {
                Some(stays) if *stays == vni => {}
                Some(_) => unmap.push(vlan),
                // Its mapping goes with the VLAN, unless the VNI is needed before.
                None if !taken.contains(&vni) => {}
                None if self.drops(vlan) => unmap.push(vlan),
                None => {
                    let number = vxlan.maps.iter().position(|map| map.vni.contains(vni)).unwrap_or(0);
                    let why = format!("vni {vni} belongs to vlan {vlan}, which somebody else mapped");
                    return Err(at(format!("vxlan.maps[{number}].vni"), why));
                }
            }
        }
        if !new.is_empty() || !unmap.is_empty() {
            let (dev, unmap, map) = (vxlan.name.clone(), rows(unmap), map_rows(new));
            steps.push(When::Map, Step::Map { dev, unmap, map });
        }
        Ok(())
    }
}

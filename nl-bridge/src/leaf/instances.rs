//! The instances of the multiple spanning tree: VLANs in them, and their states on ports.

use std::collections::{BTreeMap, BTreeSet};

use nl_core::link::{Link, LinkFlags};

use super::config::BridgeConfig;
use super::members::runs;
use super::order::{Steps, When};
use super::step::Step;
use super::values::InstanceState;
use super::view::{Members, View};
use crate::StpState;
use crate::settings::BridgePort;

/// A port after the VLANs were planned.
pub(super) struct PlannedPort<'a> {
    pub(super) dev: &'a str,
    /// Whether the device is created, for the first time or again.
    pub(super) is_made: bool,
    /// Whether it is up, with a carrier.
    pub(super) is_running: bool,
    /// Its state in the common tree; `None` if it is no port yet.
    pub(super) state: Option<StpState>,
    /// The VLANs that it is in now.
    pub(super) now: Members,
    /// The VLANs that it is in afterwards.
    pub(super) then: BTreeSet<u16>,
    pub(super) instances: &'a [InstanceState],
}

pub(super) fn is_running(link: &Link) -> bool {
    link.flags.contains(LinkFlags::UP | LinkFlags::RUNNING)
}

impl BridgeConfig {
    /// Puts VLANs into their instances, and gives the instances their states. `others` are the VLANs that the bridge itself and ports
    /// of others are in.
    ///
    /// A VLAN that is new on a port, or in its instance, has a state that the kernel chose, so the state of the instance is set again.
    pub(super) fn plan_instances(
        &self,
        view: &View<'_>,
        bridge: Option<&Link>,
        ports: &[PlannedPort<'_>],
        others: &BTreeSet<u16>,
        steps: &mut Steps,
    ) {
        if self.instances.is_empty() {
            return;
        }
        let ranges = self
            .instances
            .iter()
            .flat_map(|instance| instance.vlans.iter().map(move |range| (*range, instance.msti)));
        let wanted: BTreeMap<u16, u16> =
            ranges.flat_map(|(range, msti)| range.iter().map(move |vlan| (vlan.get(), msti))).collect();
        let msti = |vlan: u16| wanted.get(&vlan).copied().unwrap_or(0);
        let there: BTreeSet<u16> = ports.iter().flat_map(|port| &port.then).chain(others).copied().collect();
        let survivors = self.survivors(view, bridge, ports);
        let is_in = |vlan: u16| match bridge {
            Some(bridge) if survivors.contains(&vlan) => view.msti(bridge.index, vlan),
            _ => 0,
        };
        let moved: BTreeSet<u16> =
            there.into_iter().filter(|vlan| self.owns_vlan(*vlan) && is_in(*vlan) != msti(*vlan)).collect();
        for (vlans, msti) in runs(moved.iter().map(|vlan| (*vlan, msti(*vlan)))) {
            steps.push(When::Instance, Step::Instance { dev: self.name.clone(), vlans, msti });
        }
        for port in ports {
            let is_new = |vlan: &u16| moved.contains(vlan) || !port.now.contains_key(vlan);
            for instance in &self.instances {
                let named = port.instances.iter().find(|named| named.msti == instance.msti);
                let state = named.map_or(StpState::Forwarding, |named| named.state);
                let is = |vlan: &u16| port.now.get(vlan).and_then(|now| now.state) == Some(state);
                let mut vlans = port.then.iter().filter(|vlan| msti(**vlan) == instance.msti);
                if vlans.any(|vlan| is_new(vlan) || !is(vlan)) {
                    let (dev, msti) = (port.dev.to_owned(), instance.msti);
                    steps.push(When::State, Step::InstanceState { dev, msti, state });
                }
            }
            // The common tree has the state of the port, and a VLAN that comes into it alone is disabled.
            let strays = |vlan: &u16| {
                let is = port.now.get(vlan).and_then(|now| now.state);
                moved.contains(vlan) || (is.is_some() && port.state.is_some() && is != port.state)
            };
            // The instances of VLANs of others are theirs.
            let is_common = |vlan: &u16| msti(*vlan) == 0 && (self.owns_vlan(*vlan) || is_in(*vlan) == 0);
            if port.is_running && port.then.iter().any(|vlan| is_common(vlan) && strays(vlan)) {
                let state = port.state.unwrap_or(StpState::Forwarding);
                let options = Box::new(BridgePort::new().state(state));
                steps.push(When::State, Step::Port { dev: port.dev.to_owned(), options });
            }
        }
    }

    /// The VLANs of the bridge that are never gone from all of its ports: with the last port a VLAN loses its instance.
    fn survivors(&self, view: &View<'_>, bridge: Option<&Link>, ports: &[PlannedPort<'_>]) -> BTreeSet<u16> {
        let goes_first = |link: &Link| match ports.iter().find(|port| port.dev == link.name.as_str()) {
            Some(port) => port.is_made,
            None => self.is_replaced(link),
        };
        let mut survivors = BTreeSet::new();
        let Some(bridge) = bridge else { return survivors };
        for link in std::iter::once(bridge).chain(view.ports(bridge.index)) {
            if !goes_first(link) {
                survivors.extend(view.members(link.index).into_keys());
            }
        }
        survivors
    }
}

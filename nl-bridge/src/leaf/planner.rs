use std::collections::HashSet;

use nl_core::check::Invalid;
use nl_core::link::Link;
use nl_core::{Error, Result};

use super::check::at;
use super::config::BridgeConfig;
use super::instances::{PlannedPort, is_running};
use super::interfaces::plan_foreign_locals;
use super::members::{Wanted, states, wanted};
use super::order::{Steps, When};
use super::plan::{Plan, Standing};
use super::ports::PortConfig;
use super::routers::Tunnel;
use super::snapshot::Snapshot;
use super::step::{Device, Step};
use super::tenants::VxlanConfig;
use super::view::{Member, Members, View, WRITTEN, bridge_of, port_of};
use crate::StpState;
use crate::settings::{Bridge, BridgeFlags, BridgePort, BridgeStp};
use crate::vlan::VlanFlags;

impl BridgeConfig {
    /// The steps from what is there to this description, in an order that interrupts nothing that stays.
    ///
    /// # Errors
    /// As [`check`](Self::check); a port that is not there, or is a port of another device; a device of a wanted name that is of
    /// another kind, or has no stamp of the owner; a VNI that somebody else mapped; MST, where the kernel can no longer turn it on.
    /// Each with the place in the description.
    pub fn plan(&self, current: &Snapshot) -> Result<Plan> {
        self.finished(self.planned(&View::new(current)))
    }

    /// The steps that remove what was made for this description, whatever it describes, but for its name and owner.
    ///
    /// A bridge that has ports of others stays, unless the description is [exact](Self::exact).
    ///
    /// # Errors
    /// The name or the owner is bad.
    pub fn plan_removal(&self, current: &Snapshot) -> Result<Plan> {
        let mut empty = Self::new(self.name.clone()).owner(self.owner.clone());
        (empty.is_exact, empty.own_nexthops) = (self.is_exact, self.own_nexthops.clone());
        self.finished(empty.check().and_then(|()| empty.removal(&View::new(current))))
    }

    /// The steps that stamp the devices which are there under the names of this description, so that they belong to it from then on:
    /// for a description that was [observed](Self::observe).
    ///
    /// # Errors
    /// As [`check`](Self::check); a device of another kind.
    pub fn plan_adoption(&self, current: &Snapshot) -> Result<Plan> {
        self.finished(self.adoption(&View::new(current)))
    }

    /// Checks every request of a plan before the first one is sent.
    fn finished(&self, plan: std::result::Result<Plan, Invalid>) -> Result<Plan> {
        let named = |error: Error| error.during(|| format!("leaf {}", self.name));
        let plan = plan.map_err(|why| named(why.into()))?;
        for step in plan.steps() {
            for mut request in step.requests(&|_| 1) {
                request.encoded().map_err(|error| error.during(|| format!("leaf {}, {step}", self.name)))?;
            }
        }
        Ok(plan)
    }

    fn planned(&self, view: &View<'_>) -> std::result::Result<Plan, Invalid> {
        self.check()?;
        let mut steps = Steps::default();
        let bridge = self.plan_bridge(view, &mut steps)?;
        let own = bridge.map(|bridge| view.members(bridge.index)).unwrap_or_default();
        let anew = self.plan_vrfs(view, &mut steps)?;
        let mut vlans = wanted(&self.vlans);
        for interface in &self.interfaces {
            vlans.entry(interface.vlan).or_default();
        }
        let mut others = self.plan_members(&self.name, true, &vlans, &own, &mut steps);
        let mut ports = Vec::new();
        for (number, port) in self.ports.iter().enumerate() {
            ports.push(self.plan_port(view, bridge, number, port, &mut steps)?);
        }
        if let Some(vxlan) = &self.vxlan {
            ports.push(self.plan_tunnel(view, bridge, vxlan, &mut steps)?);
        }
        self.plan_nexthops(view, &mut steps)?;
        let stays = ports.last().is_some_and(|last| !last.is_made);
        let tunnel = self.vxlan.as_ref().filter(|_| stays).and_then(|vxlan| view.link(&vxlan.name));
        self.plan_backups(view, bridge, tunnel, &mut steps);
        let interfaces = self.plan_interfaces(view, bridge, &anew, &mut steps)?;
        self.plan_routers(view, &interfaces, &mut steps)?;
        if let Some(bridge) = bridge {
            plan_foreign_locals(self, view, bridge, &mut steps);
        }
        let mut names: HashSet<&str> = ports.iter().map(|port| port.dev).collect();
        names.extend(self.made().into_iter().map(|(_, name, _)| name.as_str()));
        for port in bridge.into_iter().flat_map(|bridge| view.ports(bridge.index)) {
            let is_stamped = self.owns_device(port) || self.owns_port(port);
            if names.contains(port.name.as_str()) || is_stamped {
                continue;
            }
            steps.other(Standing::Foreign, format!("port {}", port.name));
            if self.is_exact {
                let dev = port.name.as_str().to_owned();
                steps.push(When::Release, Step::Release { dev });
            } else {
                others.extend(view.members(port.index).keys());
            }
        }
        self.plan_instances(view, bridge, &ports, &others, &mut steps);
        self.plan_orphans(view, |name| names.contains(name), &mut steps);
        Ok(steps.plan())
    }

    /// Makes a device that is there a port, if it is none, with its VLANs.
    fn plan_port<'a>(
        &'a self,
        view: &View<'_>,
        bridge: Option<&Link>,
        number: usize,
        port: &'a PortConfig,
        steps: &mut Steps,
    ) -> std::result::Result<PlannedPort<'a>, Invalid> {
        let path = format!("ports[{number}]");
        let Some(link) = view.link(&port.name) else {
            let why = match view.known_as(&port.name) {
                Some(other) => format!("{} is an alternative name of {}", port.name, other.name),
                None => format!("there is no device {}", port.name),
            };
            return Err(at(format!("{path}.name"), why));
        };
        let joined = self.plan_join(view, bridge, &format!("{path}.name"), link)?;
        if !joined && !self.owns_port(link) {
            // Before it is a port, so that no port is left behind without.
            let (dev, stamp) = (port.name.clone(), self.port_stamp(&port.name));
            steps.push(When::Join, Step::Stamp { dev, stamp });
        }
        if !joined {
            self.push_join(&port.name, steps);
        }
        plan_options(&port.name, &port.options(), joined.then_some(link), steps);
        let now = members_of(view, bridge, joined.then_some(link));
        let wanted = wanted(&port.vlans);
        let then = self.plan_members(&port.name, false, &wanted, &now, steps);
        let states = states(&port.vlans);
        if let (Some(bridge), false) = (bridge, states.is_empty()) {
            let options = bridge_of(bridge).unwrap_or_default();
            check_states(&options).map_err(|why| at(format!("{path}.vlans"), why))?;
        }
        self.plan_states(&port.name, &states, &now, steps);
        let instances = &port.instances;
        let is_running = is_running(link);
        let state = state_of(joined.then_some(link));
        Ok(PlannedPort { dev: &port.name, is_made: false, is_running, state, now, then, instances })
    }

    /// Makes the VXLAN device a port, with its VLANs, VNIs and flood entries.
    fn plan_tunnel<'a>(
        &'a self,
        view: &View<'_>,
        bridge: Option<&Link>,
        vxlan: &'a VxlanConfig,
        steps: &mut Steps,
    ) -> std::result::Result<PlannedPort<'a>, Invalid> {
        let foreign = |link: &Link| {
            let vlans = view.members(link.index);
            let vlan = vlans.keys().find(|vlan| !self.owns_vlan(**vlan));
            vlan.map(|vlan| format!("vlan {vlan}"))
        };
        let link = self.plan_vxlan(view, vxlan, foreign, steps)?;
        let joined = match link {
            Some(link) => self.plan_join(view, bridge, "vxlan.name", link)?,
            None => false,
        };
        if link.is_some() && !joined {
            self.push_join(&vxlan.name, steps);
        }
        let port = link.filter(|_| joined);
        let mut options = BridgePort::new().vlan_tunnel(true).learning(false);
        options.neigh_suppress = vxlan.neigh_suppress;
        plan_options(&vxlan.name, &options, port, steps);
        self.plan_vnis(view, vxlan, link, steps);
        self.plan_flood(view, vxlan, link, steps);
        self.plan_stale_macs(view, vxlan, link, steps);
        let now = members_of(view, bridge, port);
        let vlans = vxlan.maps.iter().flat_map(|map| map.vid.iter());
        let wanted: Wanted = vlans.map(|vlan| (vlan.get(), VlanFlags::empty())).collect();
        let then = self.plan_members(&vxlan.name, false, &wanted, &now, steps);
        let flushed = self.plan_flush(view, vxlan, port, &now, steps);
        self.plan_maps(vxlan, &now, steps)?;
        self.plan_router_macs(view, &Tunnel { link, now: &now, flushed: &flushed }, steps);
        // One that is made is set up.
        let is_running = link.is_none_or(is_running);
        let is_made = link.is_none();
        let state = state_of(port);
        Ok(PlannedPort { dev: &vxlan.name, is_made, is_running, state, now, then, instances: &[] })
    }

    /// Whether a device is a port of the bridge already.
    fn plan_join(
        &self,
        view: &View<'_>,
        bridge: Option<&Link>,
        path: &str,
        link: &Link,
    ) -> std::result::Result<bool, Invalid> {
        let Some(master) = link.master else { return Ok(false) };
        match bridge {
            Some(bridge) if bridge.index == master => Ok(true),
            _ => Err(at(path, format!("{} is a port of {}", link.name, view.name(master)))),
        }
    }

    fn push_join(&self, dev: &str, steps: &mut Steps) {
        let mut device = Device::new(dev);
        device.master = Some(self.name.clone());
        steps.push(When::Join, Step::Change(device));
    }

    fn removal(&self, view: &View<'_>) -> std::result::Result<Plan, Invalid> {
        let mut steps = Steps::default();
        let bridge = view.link(&self.name).filter(|link| self.owns_device(link));
        let ports = bridge.into_iter().flat_map(|bridge| view.ports(bridge.index));
        let foreign: Vec<_> = ports.filter(|port| !self.owns_device(port) && !self.owns_port(port)).collect();
        for port in &foreign {
            let dev = port.name.as_str().to_owned();
            steps.other(Standing::Foreign, format!("port {dev}"));
            if self.is_exact {
                steps.push(When::Release, Step::Release { dev });
            }
        }
        let stays = !self.is_exact && !foreign.is_empty();
        if stays {
            steps.other(Standing::Unsafe, format!("link {}, which has ports of others", self.name));
        }
        self.plan_orphans(view, |name| stays && name == self.name, &mut steps);
        self.plan_nexthops(view, &mut steps)?;
        Ok(steps.plan())
    }

    /// The devices that are made, with their places in the description and their kinds.
    fn made(&self) -> Vec<(String, &String, &'static str)> {
        let mut made = vec![("name".to_owned(), &self.name, "bridge")];
        made.extend(self.vxlan.iter().map(|vxlan| ("vxlan.name".to_owned(), &vxlan.name, "vxlan")));
        for (number, vrf) in self.vrfs.iter().enumerate() {
            made.push((format!("vrfs[{number}].name"), &vrf.name, "vrf"));
        }
        for (number, interface) in self.interfaces.iter().enumerate() {
            made.push((format!("interfaces[{number}].name"), &interface.name, "vlan"));
            let path = format!("interfaces[{number}].gateway.name");
            made.extend(interface.gateway.iter().map(|gateway| (path.clone(), &gateway.name, "macvlan")));
        }
        made
    }

    fn adoption(&self, view: &View<'_>) -> std::result::Result<Plan, Invalid> {
        self.check()?;
        let mut steps = Steps::default();
        for (path, name, kind) in self.made() {
            let Some(link) = view.link(name) else { continue };
            if !link.is_kind(kind) {
                let is = link.kind_name.as_deref().unwrap_or("plain device");
                return Err(at(path, format!("{name} is there and is a {is}, not a {kind}")));
            }
            if !self.owns_device(link) {
                let (dev, stamp) = (name.clone(), self.device_stamp(name));
                steps.push(When::Join, Step::Stamp { dev, stamp });
            }
        }
        let bridge = view.link(&self.name).map(|bridge| bridge.index);
        for link in self.ports.iter().filter_map(|port| view.link(&port.name)) {
            if bridge.is_some() && link.master == bridge && !self.owns_port(link) {
                let dev = link.name.as_str().to_owned();
                let stamp = self.port_stamp(&dev);
                steps.push(When::Join, Step::Stamp { dev, stamp });
            }
        }
        Ok(steps.plan())
    }
}

/// The VLANs of a port; of a device that is none yet, what the bridge will give it.
fn members_of(view: &View<'_>, bridge: Option<&Link>, port: Option<&Link>) -> Members {
    if let Some(port) = port {
        return view.members(port.index);
    }
    let options = bridge.and_then(bridge_of);
    let pvid = options.and_then(|options| options.vlan_default_pvid).filter(|vlan| *vlan != 0);
    pvid.map(|vlan| (vlan, Member { flags: WRITTEN, ..Member::default() })).into_iter().collect()
}

/// The state of a port in the common spanning tree.
fn state_of(port: Option<&Link>) -> Option<StpState> {
    port.and_then(port_of).and_then(|options| options.state)
}

/// Sets the options of a port that differ. `port` is the device if it is a port already.
fn plan_options(dev: &str, wanted: &BridgePort, port: Option<&Link>, steps: &mut Steps) {
    let now = port.and_then(port_of).unwrap_or_default();
    let mut options = BridgePort::new();
    macro_rules! differing {
        ($($option:ident)+) => {$(
            if wanted.$option != now.$option {
                options.$option = wanted.$option;
            }
        )+};
    }
    differing! { learning flood bcast_flood mcast_flood neigh_suppress isolated locked vlan_tunnel }
    if options != BridgePort::new() {
        steps.push(When::Port, Step::Port { dev: dev.to_owned(), options: Box::new(options) });
    }
}

/// Refuses states of VLANs where the kernel does.
fn check_states(bridge: &Bridge) -> std::result::Result<(), Invalid> {
    let by_kernel = bridge.stp_state == Some(BridgeStp::Kernel);
    Invalid::when(by_kernel, "the kernel runs a spanning tree on the bridge, which governs the states")?;
    let mst = bridge.has(BridgeFlags::MST) == Some(true);
    Invalid::when(mst, "the bridge has MST on, so a VLAN has the state of its instance")
}

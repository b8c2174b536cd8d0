use std::collections::{BTreeMap, BTreeSet};

use nl_core::link::{Link, Vlan};

use super::finding::{Fault, Finding};
use crate::leaf::{BridgeConfig, Member, Snapshot, View, bridge_of, port_of, vxlan_of};
use crate::settings::{BridgeFlags, BridgePort};
use crate::vlan::VlanFlags;
use crate::vxlan::Vxlan;
use crate::{StpState, VniRange};

/// `IANA_VXLAN_UDP_PORT`
const UDP_PORT: u16 = 4789;
/// A filter with more VNIs than there are VLANs lets VNIs through that nobody means to use here.
const MANY_VNIS: usize = 4094;

/// Why VLANs do not reach their VNIs, of all bridges in a namespace that have VXLAN ports, or of one with its description. Those that
/// concern a whole device come first.
///
/// A description tells which VLAN is to have which VNI; without it, a VNI that is received or flooded is taken to have one.
///
/// ```
/// use nl_bridge::doctor::diagnose;
/// use nl_bridge::leaf::Snapshot;
///
/// assert!(diagnose(&Snapshot::default(), None).is_empty());
/// ```
#[must_use]
pub fn diagnose(current: &Snapshot, config: Option<&BridgeConfig>) -> Vec<Finding> {
    let view = View::new(current);
    let mut findings = Vec::new();
    for bridge in view.links().filter(|link| link.is_kind("bridge")) {
        if config.is_none_or(|config| bridge.name == config.name.as_str()) {
            let mut look = Look::new(&view, bridge, config);
            look.all();
            findings.append(&mut look.devices);
            findings.append(&mut look.vlans);
        }
    }
    findings
}

/// One bridge.
struct Look<'a> {
    view: &'a View<'a>,
    bridge: &'a Link,
    ports: Vec<&'a Link>,
    has_mst: bool,
    /// The VNIs of VLANs by the description.
    wanted: BTreeMap<u16, u32>,
    devices: Vec<Finding>,
    vlans: Vec<Finding>,
}

impl<'a> Look<'a> {
    fn new(view: &'a View<'a>, bridge: &'a Link, config: Option<&BridgeConfig>) -> Self {
        let maps = config.into_iter().flat_map(|config| &config.vxlan).flat_map(|vxlan| &vxlan.maps);
        Self {
            view,
            bridge,
            ports: view.ports(bridge.index).collect(),
            has_mst: bridge_of(bridge).and_then(|options| options.has(BridgeFlags::MST)) == Some(true),
            wanted: maps.flat_map(|map| map.pairs()).collect(),
            devices: Vec::new(),
            vlans: Vec::new(),
        }
    }

    fn all(&mut self) {
        let tunnels: Vec<_> = self.ports.iter().filter_map(|port| Some((*port, vxlan_of(port)?))).collect();
        if tunnels.is_empty() {
            return;
        }
        self.up(self.bridge);
        let is_external = |vxlan: &Vxlan| vxlan.collect_metadata == Some(true);
        let filters = bridge_of(self.bridge).and_then(|options| options.vlan_filtering) == Some(true);
        if !filters && tunnels.iter().any(|(_, vxlan)| is_external(vxlan)) {
            let dev = self.bridge.name.as_str().to_owned();
            self.device(self.bridge, Fault::NoVlanFiltering { dev });
        }
        for (port, vxlan) in &tunnels {
            self.up(port);
            let options = port_of(port).unwrap_or_default();
            let dev = port.name.as_str().to_owned();
            match (is_external(vxlan), options.vlan_tunnel == Some(true)) {
                (false, true) => {
                    let (bridge, local) = (self.bridge.name.as_str().to_owned(), vxlan.local);
                    let port_number = vxlan.port.unwrap_or(UDP_PORT);
                    self.device(port, Fault::NotExternal { dev, bridge, port: port_number, local });
                }
                (false, false) => self.single(port, vxlan, filters),
                (true, false) => {
                    self.device(port, Fault::VlanTunnelOff { dev });
                    self.untagged(port);
                }
                (true, true) => {
                    self.untagged(port);
                    self.mapped(port, vxlan, &options);
                }
            }
        }
    }

    /// A VXLAN device with one VNI.
    fn single(&mut self, port: &Link, vxlan: &Vxlan, filters: bool) {
        let dev = port.name.as_str().to_owned();
        if filters && self.view.members(port.index).is_empty() {
            self.device(port, Fault::NoVlan { dev: dev.clone() });
        }
        if !has_default(vxlan) && self.view.flood(port.index).next().is_none() {
            self.device(port, Fault::NoFlood { dev, vni: None });
        }
    }

    fn untagged(&mut self, port: &Link) {
        for (vlan, member) in self.view.members(port.index) {
            if member.flags.contains(VlanFlags::UNTAGGED) {
                self.vlan(port, vlan, Fault::Untagged { dev: port.name.as_str().to_owned(), vlan });
            }
        }
    }

    /// A VXLAN device with a VNI for each VLAN.
    fn mapped(&mut self, port: &Link, vxlan: &Vxlan, options: &BridgePort) {
        let dev = || port.name.as_str().to_owned();
        let members = self.view.members(port.index);
        let filter: Option<Vec<(VniRange, bool)>> =
            (vxlan.vnifilter == Some(true)).then(|| self.view.vnis(port.index).collect());
        let mut flooded: BTreeSet<u32> =
            self.view.flood(port.index).filter_map(|entry| entry.src_vni).collect();
        for (vlan, member) in &members {
            let Some(vni) = member.vni else {
                let vni = self.wanted.get(vlan).copied();
                self.vlan(port, *vlan, Fault::NotMapped { dev: dev(), vlan: *vlan, vni });
                continue;
            };
            let in_filter = filter.as_ref().map(|all| all.iter().find(|(range, _)| range.contains(vni)));
            if in_filter == Some(None) {
                self.vlan(port, *vlan, Fault::NotReceived { dev: dev(), vni });
            }
            let has_group = in_filter.flatten().is_some_and(|(_, has_group)| *has_group);
            let has_leaf = has_group || has_default(vxlan) || flooded.contains(&vni);
            if !has_leaf && !self.is_transit(port, *vlan) {
                self.vni(port, vni, Fault::NoFlood { dev: dev(), vni: Some(vni) });
            }
            self.blocked(port, *vlan, member, options);
            self.local(port, *vlan);
        }
        let used: BTreeSet<u32> = members.values().filter_map(|member| member.vni).collect();
        let ranges = filter.unwrap_or_default();
        if ranges.iter().map(|(range, _)| range.len()).sum::<usize>() <= MANY_VNIS {
            flooded.extend(ranges.iter().flat_map(|(range, _)| range.iter()));
        }
        self.missing(port, &members.into_keys().collect(), &used, flooded);
    }

    /// VNIs that no VLAN of the port is mapped to, although they are received, flooded or described.
    fn missing(&mut self, port: &Link, members: &BTreeSet<u16>, used: &BTreeSet<u32>, known: BTreeSet<u32>) {
        let dev = || port.name.as_str().to_owned();
        let described: Vec<_> = self
            .wanted
            .iter()
            .filter(|(vlan, _)| !members.contains(*vlan))
            .map(|(vlan, vni)| (*vlan, *vni))
            .collect();
        for (vlan, vni) in described {
            self.vni(port, vni, Fault::NotMember { dev: dev(), vlan: Some(vlan), vni });
        }
        let by_description: BTreeSet<u32> = self.wanted.values().copied().collect();
        let unused: Vec<u32> = known
            .into_iter()
            .filter(|vni| *vni != 0 && !used.contains(vni) && !by_description.contains(vni))
            .collect();
        // If one VLAN and one VNI are left over, they belong together.
        let mut left: BTreeSet<u16> = self.view.members(self.bridge.index).into_keys().collect();
        for other in self.ports.iter().filter(|other| vxlan_of(other).is_none()) {
            left.extend(self.view.members(other.index).into_keys());
        }
        left.retain(|vlan| !members.contains(vlan));
        let vlan = left.first().copied().filter(|_| left.len() == 1 && unused.len() == 1);
        for vni in unused {
            self.vni(port, vni, Fault::NotMember { dev: dev(), vlan, vni });
        }
    }

    fn blocked(&mut self, port: &Link, vlan: u16, member: &Member, options: &BridgePort) {
        let msti = self.has_mst.then(|| self.view.msti(self.bridge.index, vlan));
        // In the common tree it has the state of the port.
        let state = if msti == Some(0) { options.state } else { member.state };
        if let Some(state) = state.filter(|state| *state != StpState::Forwarding && port.is_up()) {
            let dev = port.name.as_str().to_owned();
            self.vlan(port, vlan, Fault::Blocked { dev, vlan, msti, state });
        }
    }

    /// Whether a VLAN is that of an L3 VNI, which needs no broadcast: nobody is in it but the bridge, for an interface without IP
    /// addresses.
    fn is_transit(&self, port: &Link, vlan: u16) -> bool {
        let is_in = |link: &Link| self.view.members(link.index).contains_key(&vlan);
        let has_port = self.ports.iter().any(|other| other.index != port.index && is_in(other));
        let on_top = |below: u32| {
            let all = self.view.links();
            all.filter(move |link| link.link == Some(below) && link.link_netnsid.is_none())
        };
        let id = |link: &Link| link.kind::<Vlan>().and_then(Result::ok).and_then(|options| options.id);
        let has_ip = |link: &Link| self.view.addresses(link.index).next().is_some();
        let interface = on_top(self.bridge.index).find(|link| id(link) == Some(vlan));
        let is_silent = interface.is_some_and(|link| !has_ip(link) && !on_top(link.index).any(has_ip));
        !has_port && is_in(self.bridge) && is_silent
    }

    /// Who uses a VLAN that has a VNI.
    fn local(&mut self, port: &Link, vlan: u16) {
        let is_in = |link: &Link| self.view.members(link.index).contains_key(&vlan);
        if is_in(self.bridge) {
            return;
        }
        let users: Vec<&Link> =
            self.ports.iter().copied().filter(|other| other.index != port.index && is_in(other)).collect();
        if users.is_empty() {
            self.vlan(port, vlan, Fault::NoMember { vlan });
        }
        if users.iter().all(|user| !user.is_up()) {
            users.into_iter().for_each(|user| self.up(user));
        }
    }

    fn up(&mut self, link: &Link) {
        if link.is_up() {
            return;
        }
        let fault = Fault::DeviceDown { dev: link.name.as_str().to_owned() };
        if !self.devices.iter().any(|finding| finding.fault == fault) {
            self.device(link, fault);
        }
    }

    fn device(&mut self, link: &Link, fault: Fault) {
        self.devices.push(Finding { object: format!("link {}", link.name), fault });
    }

    fn vlan(&mut self, port: &Link, vlan: u16, fault: Fault) {
        self.vlans.push(Finding { object: format!("vlan {vlan} dev {}", port.name), fault });
    }

    fn vni(&mut self, port: &Link, vni: u32, fault: Fault) {
        self.vlans.push(Finding { object: format!("vni {vni} dev {}", port.name), fault });
    }
}

/// Whether the device itself names an endpoint or a group.
fn has_default(vxlan: &Vxlan) -> bool {
    let remote = vxlan.dst.and_then(|dst| dst.group.or(dst.remote));
    remote.is_some_and(|addr| !addr.is_unspecified())
}

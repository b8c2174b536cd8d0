use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use nl_core::link::{Link, Vlan, Vrf};
use nl_core::{Error, Result};

use super::config::BridgeConfig;
use super::members::runs;
use super::ports::PortConfig;
use super::routing::{GatewayConfig, InterfaceConfig, RouterConfig, VrfConfig};
use super::snapshot::Snapshot;
use super::tenants::{VniMap, VxlanConfig};
use super::values::{InstanceConfig, InstanceState, VlanConfig};
use super::view::{Members, View, bridge_of, is_external, paths, port_of, rows, vxlan_of};
use crate::settings::{BridgeFlags, BridgePort};
use crate::vlan::VlanFlags;
use crate::{StpState, VlanId, VlanRange, VniRange};

impl BridgeConfig {
    /// The description of a bridge that is there: the way to begin with a host that was configured by other means.
    ///
    /// Save it, change it, stamp the devices with [`Leaf::adopt`](super::Leaf::adopt), and apply it from then on. Unless it is adopted,
    /// it cannot be applied. A bridge that was made for a description has a stamp, from which the [owner](Self::owner()) is read.
    ///
    /// Routers behind an interface are read where their routes and neighbours have the protocol of a description that names none.
    /// FDB nexthop groups are read as segments, and as peers of the ports that have them for a backup; `own_nexthops` is then the
    /// smallest range that holds all FDB nexthops. Where some fit into no description, such as one that is in no group, none is read.
    ///
    /// Options that are as the kernel has them by default are left out, and so are MTUs, the MAC address of the bridge, and what a
    /// description has no place for: VLANs on the VXLAN port that have no VNI, and a second VXLAN device, which is there as a port
    /// without VNIs.
    ///
    /// # Errors
    /// There is no bridge of this name.
    pub fn observe(current: &Snapshot, name: &str) -> Result<Self> {
        let view = View::new(current);
        let Some(bridge) = view.link(name).filter(|link| link.is_kind("bridge")) else {
            let error = Error::usage(format!("there is no bridge {name}"));
            return Err(error.during(|| format!("observe leaf {name}")));
        };
        let mut config = Self::new(name);
        if let Some(owner) = owner_of(bridge) {
            config.owner = owner;
        }
        config.interfaces = interfaces_of(&view, bridge, config.protocol);
        config.vrfs = vrfs_of(&view, &config);
        let mut own = view.members(bridge.index);
        let mst = bridge_of(bridge).and_then(|options| options.has(BridgeFlags::MST)) == Some(true);
        let msti = |vlan: u16| if mst { view.msti(bridge.index, vlan) } else { 0 };
        let mut instances: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
        for vlan in own.keys().copied().filter(|vlan| msti(*vlan) != 0) {
            instances.entry(msti(vlan)).or_default().insert(vlan);
        }
        let has_interface = |vlan: u16| config.interfaces.iter().any(|interface| interface.vlan == vlan);
        own.retain(|vlan, member| !(has_interface(*vlan) && member.flags.is_empty()));
        config.vlans = vlans_of(&own, false);
        let is_tunnel = |port: &Link| {
            is_external(port) && port_of(port).is_some_and(|options| options.vlan_tunnel == Some(true))
        };
        let vxlan = view.ports(bridge.index).find(|port| is_tunnel(port));
        config.vxlan = vxlan.map(|link| tunnel_of(&view, link));
        for link in view.ports(bridge.index) {
            let members = view.members(link.index);
            let mut states: BTreeMap<u16, StpState> = BTreeMap::new();
            for (vlan, member) in &members {
                let msti = msti(*vlan);
                if msti != 0 {
                    instances.entry(msti).or_default().insert(*vlan);
                    states.extend(member.state.map(|state| (msti, state)));
                }
            }
            if vxlan.is_some_and(|vxlan| vxlan.index == link.index) {
                continue;
            }
            let mut port = PortConfig::new(link.name.as_str());
            let options = port_of(link).unwrap_or_default();
            differing(&mut port, &options);
            port.vlans = vlans_of(&members, !mst);
            let blocked = states.into_iter().filter(|(_, state)| *state != StpState::Forwarding);
            port.instances = blocked.map(|(msti, state)| InstanceState::new(msti, state)).collect();
            config.ports.push(port);
        }
        for (msti, vlans) in instances {
            config.instances.push(InstanceConfig::new(msti, rows(vlans)));
        }
        Ok(config.with_observed_segments(&view, bridge, vxlan).unwrap_or(config))
    }
}

/// The interfaces of VLANs on a bridge as a description has them.
fn interfaces_of(view: &View<'_>, bridge: &Link, protocol: u8) -> Vec<InterfaceConfig> {
    let on_top =
        |below: u32| view.links().filter(move |link| link.link == Some(below) && link.link_netnsid.is_none());
    let mut interfaces = Vec::new();
    for link in on_top(bridge.index) {
        let Some(vlan) = link.kind::<Vlan>().and_then(Result::ok).and_then(|vlan| vlan.id) else { continue };
        let mut interface = InterfaceConfig::new(link.name.as_str(), vlan);
        let vrf = link.master.and_then(|master| view.at(master)).filter(|master| master.is_kind("vrf"));
        interface.vrf = vrf.map(|vrf| vrf.name.as_str().to_owned());
        interface.address = link.mac().filter(|mac| bridge.mac() != Some(*mac));
        interface.addresses = view.addresses(link.index).collect();
        interface.routers = routers_of(view, link.index, protocol);
        let gateway = on_top(link.index).find(|top| top.is_kind("macvlan") && top.master == link.master);
        interface.gateway = gateway.and_then(|gateway| {
            let addresses = view.addresses(gateway.index).collect();
            Some(GatewayConfig { name: gateway.name.as_str().to_owned(), address: gateway.mac()?, addresses })
        });
        interfaces.push(interface);
    }
    interfaces
}

/// The routers behind an interface: neighbours and routes of this protocol.
fn routers_of(view: &View<'_>, index: u32, protocol: u8) -> Vec<RouterConfig> {
    let mut routers = BTreeMap::new();
    for there in view.neighbours(index).filter(|there| there.protocol == Some(protocol)) {
        let leaf = there.dst.to_canonical();
        if let Some(mac) = there.lladdr.and_then(|addr| addr.mac()) {
            routers.entry(leaf).or_insert_with(|| RouterConfig::new(leaf, mac));
        }
    }
    for route in view.routes_through(index).filter(|route| route.protocol.0 == protocol) {
        for gateway in paths(route).into_iter().filter_map(|(gateway, _)| gateway) {
            if let Some(router) = routers.get_mut(&gateway.to_canonical()) {
                router.routes.push(route.prefix);
            }
        }
    }
    let mut routers: Vec<RouterConfig> = routers.into_values().collect();
    routers.iter_mut().for_each(|router| router.routes.sort_unstable());
    routers
}

/// Who made the bridge, by its stamp.
fn owner_of(bridge: &Link) -> Option<String> {
    let behind = format!(".{0}.{0}", bridge.name);
    let mut owners =
        bridge.alt_names.iter().filter_map(|stamp| stamp.strip_prefix("leaf.")?.strip_suffix(&behind));
    owners.find(|owner| BridgeConfig::new("br0").owner(*owner).check().is_ok()).map(ToOwned::to_owned)
}

/// The VRFs that interfaces are in, and those that were made for the description.
fn vrfs_of(view: &View<'_>, config: &BridgeConfig) -> Vec<VrfConfig> {
    let used =
        |link: &Link| config.interfaces.iter().any(|svi| svi.vrf.as_deref() == Some(link.name.as_str()));
    let near = view.links().filter(|link| link.is_kind("vrf") && (used(link) || config.owns_device(link)));
    let table = |link: &Link| link.kind::<Vrf>()?.ok()?.table;
    let vrfs = near.filter_map(|link| Some((link.name.as_str(), table(link)?)));
    let vrfs: BTreeMap<&str, u32> = vrfs.collect();
    vrfs.into_iter().map(|(name, table)| VrfConfig::new(name, table)).collect()
}

/// The VLANs of a device as a description has them.
fn vlans_of(members: &Members, has_states: bool) -> Vec<VlanConfig> {
    let blocked =
        |state: Option<StpState>| state.filter(|state| has_states && *state != StpState::Forwarding);
    let each = members.iter().map(|(vlan, member)| (*vlan, (member.flags, blocked(member.state))));
    let described = runs(each).into_iter().map(|(vid, (flags, state))| {
        let mut vlans = VlanConfig::new(vid);
        vlans.pvid = flags.contains(VlanFlags::PVID);
        vlans.untagged = flags.contains(VlanFlags::UNTAGGED);
        vlans.state = state;
        vlans
    });
    described.collect()
}

/// The options of a port that are not the kernel's defaults.
fn differing(port: &mut PortConfig, options: &BridgePort) {
    macro_rules! option {
        ($($name:ident: $default:literal)+) => {$(
            port.$name = if options.$name == Some($default) { None } else { options.$name };
        )+};
    }
    option! {
        learning: true flood: true bcast_flood: true mcast_flood: true neigh_suppress: false isolated: false locked: false
    }
}

/// The VXLAN device as a description has it.
fn tunnel_of(view: &View<'_>, link: &Link) -> VxlanConfig {
    let options = vxlan_of(link).unwrap_or_default();
    let mut vxlan = VxlanConfig::new(link.name.as_str());
    vxlan.local = options.local.filter(|local| !local.is_unspecified());
    vxlan.port = options.port.unwrap_or(vxlan.port);
    vxlan.vni_filter = options.vnifilter == Some(true);
    let suppress = port_of(link).and_then(|options| options.neigh_suppress);
    vxlan.neigh_suppress = suppress.filter(|on| *on);
    let mut flood: BTreeMap<u32, BTreeSet<IpAddr>> = BTreeMap::new();
    for entry in view.flood(link.index) {
        if let (Some(vni), Some(dst)) = (entry.src_vni, entry.dst) {
            flood.entry(vni).or_default().insert(dst);
        }
    }
    let none = BTreeSet::new();
    let leaves = |vni: u32| flood.get(&vni).unwrap_or(&none);
    for (vlan, member) in view.members(link.index) {
        let (Some(vni), Ok(vlan)) = (member.vni, VlanId::new(vlan)) else { continue };
        let to = leaves(vni);
        let longer = vxlan.maps.last_mut().filter(|last| {
            last.vid.last().get() + 1 == vlan.get()
                && last.vni.last().checked_add(1) == Some(vni)
                && last.flood.iter().eq(to)
        });
        let row = longer.and_then(|last| {
            let vid = VlanRange::new(last.vid.first().get(), vlan.get()).ok()?;
            (last.vid, last.vni) = (vid, VniRange::read(last.vni.first(), vni)?);
            Some(())
        });
        if let (None, Some(vnis)) = (row, VniRange::read(vni, vni)) {
            let mut map = VniMap::new(vlan, vnis);
            map.flood.extend(to);
            vxlan.maps.push(map);
        }
    }
    vxlan
}

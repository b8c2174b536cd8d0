//! A snapshot, ordered so that a plan finds things.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use nl_core::IpPrefix;
use nl_core::address::{AddressScope, Lifetime};
use nl_core::link::Link;
use nl_core::neighbour::{Neighbour, NeighbourFlags};
use nl_core::nexthop::Nexthop;
use nl_core::route::{Route, RouteProtocol, RouteType};

use super::snapshot::Snapshot;
use crate::fdb::FdbEntry;
use crate::ranges::VniRange;
use crate::settings::{Bridge, BridgePort};
use crate::vlan::VlanFlags;
use crate::vlan_db::VlanDbEntry;
use crate::vxlan::Vxlan;
use crate::{StpState, VlanId, VlanRange};

/// The metric that the kernel gives to a route of IPv6 that has none.
const IPV6_METRIC: u32 = 1024;

/// The flags of a membership that are written.
pub(crate) const WRITTEN: VlanFlags = VlanFlags::PVID.union(VlanFlags::UNTAGGED);

/// A VLAN on a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) flags: VlanFlags,
    pub(crate) state: Option<StpState>,
    pub(crate) vni: Option<u32>,
}

/// The VLANs of a device.
pub(crate) type Members = BTreeMap<u16, Member>;

pub(crate) struct View<'a> {
    snapshot: &'a Snapshot,
    by_index: HashMap<u32, &'a Link>,
    by_name: HashMap<&'a str, &'a Link>,
    members: HashMap<u32, Members>,
    routes: HashMap<(u32, IpPrefix), &'a Route>,
}

impl<'a> View<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        let mut members: HashMap<u32, Members> = HashMap::new();
        for entry in &snapshot.vlans {
            members.entry(entry.index).or_default().extend(expanded(entry));
        }
        let keyed = snapshot.routes.iter().filter(|route| is_keyed(route));
        Self {
            snapshot,
            by_index: snapshot.links.iter().map(|link| (link.index, link)).collect(),
            by_name: snapshot.links.iter().map(|link| (link.name.as_str(), link)).collect(),
            members,
            routes: keyed.map(|route| ((route.in_table(), route.prefix), route)).collect(),
        }
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &'a Link> + use<'a> {
        self.snapshot.links.iter()
    }

    pub(crate) fn link(&self, name: &str) -> Option<&'a Link> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn at(&self, index: u32) -> Option<&'a Link> {
        self.by_index.get(&index).copied()
    }

    /// The name of a device, or its number if it is not there.
    pub(crate) fn name(&self, index: u32) -> String {
        self.at(index).map_or_else(|| format!("#{index}"), |link| link.name.as_str().to_owned())
    }

    /// The device that has this alternative name.
    pub(crate) fn known_as(&self, name: &str) -> Option<&'a Link> {
        self.links().find(|link| link.alt_names.iter().any(|known| known == name))
    }

    /// The ports of a bridge.
    pub(crate) fn ports(&self, bridge: u32) -> impl Iterator<Item = &'a Link> + use<'a> {
        self.links().filter(move |link| link.master == Some(bridge) && link.index != bridge)
    }

    pub(crate) fn members(&self, index: u32) -> Members {
        self.members.get(&index).cloned().unwrap_or_default()
    }

    /// The instance of the spanning tree that a VLAN of a bridge is in.
    pub(crate) fn msti(&self, bridge: u32, vlan: u16) -> u16 {
        let holds = |range: VlanRange| range.first().get() <= vlan && vlan <= range.last().get();
        let mut globals = self.snapshot.globals.iter();
        let found = globals.find(|global| global.index == bridge && holds(global.vlans));
        found.and_then(|global| global.msti).unwrap_or(0)
    }

    /// The VNIs of a filter, and whether they have a group or remote.
    pub(crate) fn vnis(&self, index: u32) -> impl Iterator<Item = (VniRange, bool)> + use<'a> {
        let of_device = self.snapshot.vnis.iter().filter(move |entry| entry.index == index);
        of_device.map(|entry| (entry.vnis, entry.group.is_some()))
    }

    /// The VLANs in which the bridge has MAC addresses behind a port that a control plane put there.
    pub(crate) fn learned(&self, port: u32) -> impl Iterator<Item = u16> + use<'a> {
        self.snapshot.learned.iter().filter(move |(index, _)| *index == port).map(|(_, vlan)| *vlan)
    }

    /// The entries of a bridge for itself.
    pub(crate) fn locals(&self, bridge: u32) -> impl Iterator<Item = &'a FdbEntry> + use<'a> {
        self.snapshot.locals.iter().filter(move |entry| entry.index == bridge && entry.is_bridge())
    }

    /// The IP addresses of a device that somebody gave it, and which do not expire.
    pub(crate) fn addresses(&self, index: u32) -> impl Iterator<Item = IpPrefix> + use<'a> {
        let of_device = self.snapshot.addresses.iter().filter(move |address| address.index == index);
        let given = of_device.filter(|address| {
            let lasts = address.valid.is_none_or(|valid| valid == Lifetime::Forever);
            lasts && address.scope != AddressScope::Link && address.peer.is_none()
        });
        given.filter_map(|address| IpPrefix::new(address.local, address.prefix_len).ok())
    }

    /// The MAC addresses of routers on a VXLAN device, and in the bridge behind it.
    pub(crate) fn router_macs(&self, index: u32) -> impl Iterator<Item = &'a FdbEntry> + use<'a> {
        self.snapshot.router_macs.iter().filter(move |entry| entry.index == index)
    }

    /// The MAC addresses of hosts on a VXLAN device that a control plane may have left there.
    pub(crate) fn stale_macs(&self, index: u32) -> impl Iterator<Item = &'a FdbEntry> + use<'a> {
        self.snapshot.stale_macs.iter().filter(move |entry| entry.index == index)
    }

    /// The neighbours of a device that a control plane put there.
    pub(crate) fn neighbours(&self, index: u32) -> impl Iterator<Item = &'a Neighbour> + use<'a> {
        self.snapshot.neighbours.iter().filter(move |there| there.index == index && is_learned(there))
    }

    pub(crate) fn nexthops(&self) -> impl Iterator<Item = &'a Nexthop> + use<'a> {
        self.snapshot.nexthops.iter()
    }

    /// The route to a prefix that has the key of one that is written for a description.
    pub(crate) fn route(&self, table: u32, prefix: IpPrefix) -> Option<&'a Route> {
        self.routes.get(&(table, prefix)).copied()
    }

    /// The routes through a device that somebody made.
    pub(crate) fn routes_through(&self, index: u32) -> impl Iterator<Item = &'a Route> + use<'a> {
        let made = self.snapshot.routes.iter().filter(|route| {
            let automatic = [RouteProtocol::KERNEL, RouteProtocol::REDIRECT, RouteProtocol::RA];
            route.kind == RouteType::Unicast && !automatic.contains(&route.protocol)
        });
        made.filter(move |route| paths(route).iter().any(|(_, through)| *through == index))
    }

    pub(crate) fn flood(&self, index: u32) -> impl Iterator<Item = &'a FdbEntry> + use<'a> {
        let of_device = self.snapshot.flood.iter().filter(move |entry| entry.index == index);
        of_device.filter(|entry| entry.mac.is_zero() && entry.dst.is_some())
    }
}

fn expanded(entry: &VlanDbEntry) -> impl Iterator<Item = (u16, Member)> + use<> {
    let flags = VlanFlags::from_bits_retain(entry.info.bits()) & WRITTEN;
    let (state, first) = (entry.state, entry.tunnel);
    entry.vlans.iter().map(u16::from).zip(0_u32..).map(move |(vlan, more)| {
        (vlan, Member { flags, state, vni: first.and_then(|first| first.checked_add(more)) })
    })
}

/// The options of a bridge, as far as they can be read.
pub(crate) fn bridge_of(link: &Link) -> Option<Bridge> {
    link.kind::<Bridge>()?.ok()
}

/// The options of a VXLAN device, as far as they can be read.
pub(crate) fn vxlan_of(link: &Link) -> Option<Vxlan> {
    link.kind::<Vxlan>()?.ok()
}

/// What the bridge keeps for a port, as far as it can be read.
pub(crate) fn port_of(link: &Link) -> Option<BridgePort> {
    link.port::<BridgePort>()?.ok()
}

/// Whether a device takes the VNI from each packet.
pub(crate) fn is_external(link: &Link) -> bool {
    vxlan_of(link).is_some_and(|vxlan| vxlan.collect_metadata == Some(true))
}

/// The paths of a route: gateway and device.
pub(crate) fn paths(route: &Route) -> BTreeSet<(Option<IpAddr>, u32)> {
    let hops = route.nexthops.iter().map(|hop| (hop.gateway, hop.dev.as_ref().and_then(|dev| dev.index())));
    let single = route.nexthops.is_empty().then_some((route.gateway, route.oif));
    hops.chain(single).filter_map(|(gateway, dev)| Some((gateway, dev?))).collect()
}

/// Whether a route has the key of one that is written for a description: no type of service, and the metric that is none.
pub(crate) fn is_keyed(route: &Route) -> bool {
    let metric = if route.is_ipv4() { 0 } else { IPV6_METRIC };
    route.tos == 0 && route.source.is_none() && route.priority.unwrap_or(0) == metric
}

/// Whether a neighbour was put there by a control plane.
pub(crate) fn is_learned(neighbour: &Neighbour) -> bool {
    neighbour.flags.contains(NeighbourFlags::EXT_LEARNED)
}

/// VLANs in ascending order as ranges.
pub(crate) fn rows(vlans: impl IntoIterator<Item = u16>) -> Vec<VlanRange> {
    let mut rows: Vec<VlanRange> = Vec::new();
    for vlan in vlans.into_iter().filter_map(|vlan| VlanId::new(vlan).ok()) {
        let longer = rows.last().filter(|last| last.last().get() + 1 == vlan.get());
        match longer.and_then(|last| VlanRange::new(last.first().get(), vlan.get()).ok()) {
            Some(longer) => {
                rows.pop();
                rows.push(longer);
            }
            None => rows.push(vlan.into()),
        }
    }
    rows
}

/// VNIs in ascending order as ranges.
pub(crate) fn vni_rows(vnis: impl IntoIterator<Item = u32>) -> Vec<VniRange> {
    let mut rows: Vec<VniRange> = Vec::new();
    for vni in vnis {
        let longer = rows.last().filter(|last| last.last().checked_add(1) == Some(vni));
        match longer.and_then(|last| VniRange::read(last.first(), vni)) {
            Some(longer) => {
                rows.pop();
                rows.push(longer);
            }
            None => rows.extend(VniRange::read(vni, vni)),
        }
    }
    rows
}

/// Mapped VLANs in ascending order as ranges of as many VNIs.
pub(crate) fn map_rows(maps: impl IntoIterator<Item = (u16, u32)>) -> Vec<(VlanRange, VniRange)> {
    let mut rows: Vec<(VlanRange, VniRange)> = Vec::new();
    for (vlan, vni) in maps {
        let longer = rows.last().copied().filter(|(vlans, vnis)| {
            vlans.last().get().checked_add(1) == Some(vlan) && vnis.last().checked_add(1) == Some(vni)
        });
        let longer = longer.and_then(|(vlans, vnis)| {
            Some((VlanRange::new(vlans.first().get(), vlan).ok()?, VniRange::read(vnis.first(), vni)?))
        });
        if longer.is_some() {
            rows.pop();
        }
        let single = || Some((VlanRange::try_from(vlan).ok()?, VniRange::read(vni, vni)?));
        rows.extend(longer.or_else(single));
    }
    rows
}

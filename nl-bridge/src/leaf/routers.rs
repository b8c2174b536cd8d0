//! Symmetric routing: other leaves as routers behind an L3 VNI.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use nl_core::check::{Invalid, within};
use nl_core::link::Link;
use nl_core::neighbour::{Neighbour, NeighbourState, NeighbourVerb};
use nl_core::route::{NextHop, RT_TABLE_MAIN, Route, RouteProtocol, RouteVerb};
use nl_core::{IpPrefix, MacAddr};

use super::check::{at, check_leaf, check_mac};
use super::config::BridgeConfig;
use super::order::{Steps, When};
use super::plan::Standing;
use super::routing::InterfaceConfig;
use super::step::Step;
use super::view::{Members, View, is_keyed, paths};
use crate::fdb::{FdbEntry, FdbFlags, FdbVerb, RemoteMac};

type Outcome<T> = Result<T, Invalid>;

/// The first number that the kernel and `ip route` do not use themselves (behind `RTPROT_STATIC`).
const PROTOCOL_MIN: u8 = 5;

/// An interface after its device was planned.
pub(super) struct PlannedInterface<'a> {
    pub(super) number: usize,
    pub(super) interface: &'a InterfaceConfig,
    /// The device if it stays, and keeps its routes.
    pub(super) stays: Option<&'a Link>,
    /// Whether it keeps its neighbours too: a device that gets another MAC address loses them.
    pub(super) keeps_neighbours: bool,
}

/// The VXLAN device if it stays, and what of its VLANs and addresses is there.
pub(super) struct Tunnel<'a> {
    pub(super) link: Option<&'a Link>,
    pub(super) now: &'a Members,
    /// The VLANs that the bridge forgets the addresses of.
    pub(super) flushed: &'a BTreeSet<u16>,
}

impl BridgeConfig {
    /// Refuses routers that contradict each other, or the rest of the description.
    pub(super) fn check_routers(&self) -> Outcome<()> {
        within("protocol", self.protocol, PROTOCOL_MIN, u8::MAX)?;
        let local = self.vxlan.as_ref().and_then(|vxlan| vxlan.local);
        let mut behind: HashMap<(u32, IpPrefix), usize> = HashMap::new();
        for (number, interface) in self.interfaces.iter().enumerate() {
            let path = format!("interfaces[{number}].routers");
            if interface.routers.is_empty() {
                continue;
            }
            if self.vni_of(interface.vlan).is_none() {
                return Err(at(path, format!("vlan {} is mapped to no VNI", interface.vlan)));
            }
            if interface.gateway.is_some() || !interface.addresses.is_empty() {
                let why = "an interface with IP addresses; the one of an L3 VNI has none, and no gateway";
                return Err(at(path, why));
            }
            let (mut leaves, mut macs) = (HashSet::new(), HashSet::new());
            for (place, router) in interface.routers.iter().enumerate() {
                let path = format!("{path}[{place}]");
                check_leaf(&format!("{path}.leaf"), router.leaf, local)?;
                check_mac(&format!("{path}.address"), Some(router.address))?;
                if !leaves.insert(router.leaf) {
                    return Err(at(format!("{path}.leaf"), format!("{} is there twice", router.leaf)));
                }
                if !macs.insert(router.address) {
                    return Err(at(format!("{path}.address"), format!("{} is there twice", router.address)));
                }
                let mut own = HashSet::new();
                for (place, prefix) in router.routes.iter().enumerate() {
                    let path = format!("{path}.routes[{place}]");
                    prefix.check_network("prefix").map_err(|why| at(&path, why))?;
                    if !own.insert(*prefix) {
                        return Err(at(path, format!("{prefix} is there twice")));
                    }
                    let table = self.table_of(interface);
                    let first = *behind.entry((table, *prefix)).or_insert(number);
                    if first != number {
                        let why = format!("{prefix} is behind interfaces[{first}] too, in table {table}");
                        return Err(at(path, why));
                    }
                    if let Some(other) = self.connected(table, *prefix) {
                        return Err(at(path, format!("{prefix} is the network of {other}")));
                    }
                }
            }
        }
        Ok(())
    }

    /// The device of this table that has an address in this network.
    fn connected(&self, table: u32, prefix: IpPrefix) -> Option<&str> {
        let is_in = |ip: &IpPrefix| ip.len() == prefix.len() && ip.network() == prefix.addr();
        self.interfaces.iter().filter(|interface| self.table_of(interface) == table).find_map(|interface| {
            let gateway = interface.gateway.as_ref();
            let on_top = gateway.filter(|gateway| gateway.addresses.iter().any(is_in));
            let own = interface.addresses.iter().any(is_in).then_some(interface.name.as_str());
            own.or(on_top.map(|gateway| gateway.name.as_str()))
        })
    }

    /// Who made the routes and neighbours of the description.
    pub(super) fn route_protocol(&self) -> RouteProtocol {
        RouteProtocol(self.protocol)
    }

    /// The table of the routes of an interface.
    pub(super) fn table_of(&self, interface: &InterfaceConfig) -> u32 {
        let vrf = self.vrfs.iter().find(|vrf| Some(&vrf.name) == interface.vrf.as_ref());
        vrf.map_or(RT_TABLE_MAIN, |vrf| vrf.table)
    }

    /// The VNI of a VLAN.
    pub(super) fn vni_of(&self, vlan: u16) -> Option<u32> {
        let mut pairs = self.vxlan.iter().flat_map(|vxlan| &vxlan.maps).flat_map(|map| map.pairs());
        pairs.find(|(of, _)| *of == vlan).map(|(_, vni)| vni)
    }

    /// The routes and neighbours of the routers behind each interface.
    pub(super) fn plan_routers(
        &self,
        view: &View<'_>,
        interfaces: &[PlannedInterface<'_>],
        steps: &mut Steps,
    ) -> Outcome<()> {
        let tables = interfaces.iter().map(|planned| self.table_of(planned.interface));
        let each = tables.zip(interfaces).flat_map(|(table, planned)| {
            routes(planned.interface).into_keys().map(move |prefix| (table, prefix))
        });
        let all: HashSet<(u32, IpPrefix)> = each.collect();
        for planned in interfaces {
            self.plan_neighbours(view, planned, steps)?;
            self.plan_routes(view, planned, &all, steps)?;
        }
        Ok(())
    }

    fn plan_neighbours(
        &self,
        view: &View<'_>,
        planned: &PlannedInterface<'_>,
        steps: &mut Steps,
    ) -> Outcome<()> {
        let dev = &planned.interface.name;
        let kept = planned.stays.filter(|_| planned.keeps_neighbours);
        let now: Vec<&Neighbour> = kept.map(|link| view.neighbours(link.index).collect()).unwrap_or_default();
        let is_own = |there: &Neighbour| there.protocol == Some(self.protocol);
        let wanted = neighbours(planned.interface);
        for (ip, (mac, router)) in &wanted {
            let there = now.iter().find(|there| there.dst == *ip);
            if let Some(there) = there.filter(|there| !is_own(there) && !self.is_exact) {
                let number = planned.number;
                let why = format!("{ip} is a neighbour that somebody else put there: {there}");
                return Err(at(format!("interfaces[{number}].routers[{router}].leaf"), why));
            }
            let is_same = |there: &&&Neighbour| {
                let is_known = there.state.contains(NeighbourState::PERMANENT);
                is_own(there) && is_known && there.lladdr.and_then(|addr| addr.mac()) == Some(*mac)
            };
            if there.filter(is_same).is_none() {
                let neighbour = Neighbour::new(*ip, 0).lladdr(*mac).extern_learn().protocol(self.protocol);
                push_neighbour(NeighbourVerb::Replace, dev, neighbour, steps);
            }
        }
        for there in now.iter().filter(|there| !wanted.contains_key(&there.dst)) {
            if !is_own(there) {
                let words =
                    there.to_string().replacen(&format!(" dev #{}", there.index), &format!(" dev {dev}"), 1);
                steps.other(Standing::Foreign, format!("neighbour {words}"));
            }
            if is_own(there) || self.is_exact {
                push_neighbour(NeighbourVerb::Delete, dev, Neighbour::new(there.dst, 0), steps);
            }
        }
        Ok(())
    }

    fn plan_routes(
        &self,
        view: &View<'_>,
        planned: &PlannedInterface<'_>,
        all: &HashSet<(u32, IpPrefix)>,
        steps: &mut Steps,
    ) -> Outcome<()> {
        let interface = planned.interface;
        let (dev, table) = (&interface.name, self.table_of(interface));
        let index = planned.stays.map(|link| link.index);
        let is_own = |there: &Route| {
            let leaves_here =
                index.is_some_and(|index| paths(there).iter().any(|(_, through)| *through == index));
            there.protocol == self.route_protocol() && leaves_here
        };
        let wanted = routes(interface);
        for (prefix, (gateways, place)) in &wanted {
            let there = view.route(table, *prefix);
            let is_foreign = |there: &&Route| {
                let is_kernels = there.protocol == RouteProtocol::KERNEL;
                there.protocol != self.route_protocol() && (is_kernels || !self.is_exact)
            };
            if let Some(there) = there.filter(is_foreign) {
                let (number, (router, route)) = (planned.number, place);
                let why = format!(
                    "table {table} has a route to {prefix} of protocol {}, which is somebody else's",
                    there.protocol
                );
                return Err(at(format!("interfaces[{number}].routers[{router}].routes[{route}]"), why));
            }
            let same =
                index.map(|index| gateways.iter().map(|ip| (Some(*ip), index)).collect::<BTreeSet<_>>());
            if there.filter(|there| is_own(there) && Some(paths(there)) == same).is_none() {
                let route = self.route(*prefix, gateways, table);
                push_route(RouteVerb::Replace, dev, route, steps);
            }
        }
        for there in index.into_iter().flat_map(|index| view.routes_through(index)) {
            // Replaced, perhaps by one through another interface.
            if is_keyed(there) && all.contains(&(there.in_table(), there.prefix)) {
                continue;
            }
            if !is_own(there) {
                steps.other(
                    Standing::Foreign,
                    format!("route {} table {} dev {dev}", there.prefix, there.in_table()),
                );
            }
            if is_own(there) || self.is_exact {
                let mut route = Route::new(there.prefix).table(there.in_table()).protocol(there.protocol);
                route.priority = there.priority;
                route.tos = there.tos;
                push_route(RouteVerb::Delete, dev, route, steps);
            }
        }
        Ok(())
    }

    /// A route as it is written; its device is not known yet.
    fn route(&self, prefix: IpPrefix, gateways: &[IpAddr], table: u32) -> Route {
        let route = Route::new(prefix).table(table).protocol(self.route_protocol());
        match gateways {
            [gateway] => route.via(*gateway).onlink(),
            several => route.nexthops(several.iter().map(|gateway| NextHop::via(*gateway).onlink())),
        }
    }

    /// The MAC addresses of routers, in the bridge and on the VXLAN device.
    pub(super) fn plan_router_macs(&self, view: &View<'_>, tunnel: &Tunnel<'_>, steps: &mut Steps) {
        let Some(vxlan) = &self.vxlan else { return };
        let dev = &vxlan.name;
        let now: Vec<&FdbEntry> =
            tunnel.link.map(|link| view.router_macs(link.index).collect()).unwrap_or_default();
        let is_known =
            |mac: MacAddr, vlan: u16| now.iter().any(|there| there.is_bridge() && is_at(there, mac, vlan));
        let mut wanted = BTreeSet::new();
        for interface in &self.interfaces {
            let Some(vni) = self.vni_of(interface.vlan) else { continue };
            for router in &interface.routers {
                wanted.insert((router.address, vni));
                let remote = RemoteMac::new(router.address, 0).vlan(interface.vlan).src_vni(vni);
                let [row, bridge] = remote.dst(router.leaf).router().entries();
                let leads_there = |there: &FdbEntry| {
                    let key = (there.mac, there.src_vni, there.dst, there.nexthop);
                    let is_plain = there.port.is_none() && there.vni.is_none_or(|to| to == vni);
                    !there.is_bridge() && is_plain && key == (row.mac, row.src_vni, row.dst, None)
                };
                if !now.iter().any(|there| leads_there(there)) {
                    push_entry(FdbVerb::Replace, dev, row, steps);
                }
                if !is_known(router.address, interface.vlan) || tunnel.flushed.contains(&interface.vlan) {
                    push_entry(FdbVerb::Replace, dev, bridge, steps);
                }
            }
        }
        for there in now.iter().filter(|there| !there.is_bridge() && there.flags.contains(FdbFlags::ROUTER)) {
            let vni = there.src_vni.unwrap_or(0);
            if wanted.contains(&(there.mac, vni)) {
                continue;
            }
            let is_own = there.flags.contains(FdbFlags::EXT_LEARNED) && self.owns_vni(vni);
            if !is_own {
                let words = there.to_string().replacen(
                    &format!(" dev #{} ", there.index),
                    &format!(" dev {dev} "),
                    1,
                );
                steps.other(Standing::Foreign, format!("fdb {words}"));
            }
            if !is_own && !self.is_exact {
                continue;
            }
            let vlan = tunnel.now.iter().find(|(_, member)| member.vni == Some(vni)).map(|(vlan, _)| *vlan);
            let vlan = vlan.filter(|vlan| is_known(there.mac, *vlan) && !tunnel.flushed.contains(vlan));
            // The bridge's first, so that no frame is sent to the device when that does not know where to.
            if let Some(vlan) = vlan {
                let entry = FdbEntry::new(there.mac, 0).master().vlan(vlan);
                push_entry(FdbVerb::Delete, dev, entry, steps);
            }
            let mut entry = FdbEntry::new(there.mac, 0).self_();
            (entry.dst, entry.src_vni, entry.nexthop) = (there.dst, there.src_vni, there.nexthop);
            (entry.port, entry.vni, entry.via) = (there.port, there.vni, there.via);
            push_entry(FdbVerb::Delete, dev, entry, steps);
        }
    }
}

/// Whether an entry of a bridge is this address in this VLAN.
fn is_at(entry: &FdbEntry, mac: MacAddr, vlan: u16) -> bool {
    entry.mac == mac && entry.vlan == Some(vlan)
}

/// The neighbours of an interface: MAC address, and the number of the router.
fn neighbours(interface: &InterfaceConfig) -> BTreeMap<IpAddr, (MacAddr, usize)> {
    let mut neighbours = BTreeMap::new();
    for (number, router) in interface.routers.iter().enumerate() {
        neighbours.insert(router.leaf, (router.address, number));
        for prefix in &router.routes {
            neighbours.insert(router.gateway(*prefix), (router.address, number));
        }
    }
    neighbours
}

/// The routes of an interface: gateways, and the place of the first one, as router and route.
fn routes(interface: &InterfaceConfig) -> BTreeMap<IpPrefix, (Vec<IpAddr>, (usize, usize))> {
    let mut routes: BTreeMap<IpPrefix, (Vec<IpAddr>, (usize, usize))> = BTreeMap::new();
    for (number, router) in interface.routers.iter().enumerate() {
        for (place, prefix) in router.routes.iter().enumerate() {
            let (gateways, _) = routes.entry(*prefix).or_insert_with(|| (Vec::new(), (number, place)));
            gateways.push(router.gateway(*prefix));
        }
    }
    routes
}

fn push_neighbour(verb: NeighbourVerb, dev: &str, neighbour: Neighbour, steps: &mut Steps) {
    let when = if verb == NeighbourVerb::Delete { When::DeleteNeighbours } else { When::Neighbour };
    steps.push(when, Step::Neighbour { verb, dev: dev.to_owned(), neighbour: Box::new(neighbour) });
}

fn push_route(verb: RouteVerb, dev: &str, route: Route, steps: &mut Steps) {
    let when = if verb == RouteVerb::Delete { When::DeleteRoutes } else { When::Route };
    steps.push(when, Step::Route { verb, dev: dev.to_owned(), route: Box::new(route) });
}

fn push_entry(verb: FdbVerb, dev: &str, entry: FdbEntry, steps: &mut Steps) {
    let when = if verb == FdbVerb::Delete { When::DeleteRemotes } else { When::Remote };
    steps.push(when, Step::Flood { verb, dev: dev.to_owned(), entry: Box::new(entry) });
}

//! Routes, neighbours, and the MAC addresses of a control plane.

use std::collections::BTreeSet;

use nl_bridge::fdb::{FdbEntry, FdbFlags, FdbVerb};
use nl_bridge::leaf::Snapshot;
use nl_bridge::settings::{BackupPort, BridgePort};
use nl_core::link::{LinkFlags, Vrf};
use nl_core::neighbour::{Neighbour, NeighbourVerb};
use nl_core::nexthop::{GroupKind, Nexthop, NexthopVerb};
use nl_core::route::{RT_TABLE_MAIN, Route, RouteType, RouteVerb};
use nl_core::{Dev, MacAddr};

use super::{Kernel, encoded};

impl Kernel {
    pub(super) fn add_tables(&self, snapshot: &mut Snapshot) {
        snapshot.learned = self.learned.iter().map(|(index, vlan, _)| (*index, *vlan)).collect();
        snapshot.learned.dedup();
        snapshot.router_macs = self.tunnels.clone();
        snapshot.stale_macs = self.tunnels.clone();
        let macs: BTreeSet<MacAddr> = self.tunnels.iter().map(|entry| entry.mac).collect();
        for (index, vlan, mac) in self.learned.iter().filter(|(.., mac)| macs.contains(mac)) {
            let mut entry = FdbEntry::new(*mac, *index).dynamic().extern_learn().vlan(*vlan);
            entry.master = self.links[index].master;
            snapshot.router_macs.push(entry);
        }
        snapshot.neighbours = self.neighbours.clone();
        snapshot.nexthops = self.nexthops.values().cloned().collect();
        snapshot.routes = self.routes.clone();
    }

    /// A control plane puts an address behind a port.
    pub(crate) fn learn(&mut self, dev: &str, vlan: u16, mac: MacAddr) {
        assert!(self.members(dev).contains_key(&vlan), "{dev} is not in vlan {vlan}: EINVAL");
        let index = self.index(dev);
        self.learned.insert((index, vlan, mac));
    }

    /// The addresses that a control plane put behind a port, and their VLANs.
    pub(crate) fn learned(&self, dev: &str) -> Vec<(u16, MacAddr)> {
        let index = self.found(dev);
        let of_port = self.learned.iter().filter(|(port, ..)| Some(*port) == index);
        of_port.map(|(_, vlan, mac)| (*vlan, *mac)).collect()
    }

    /// The entries of a VXLAN device for addresses, in words.
    pub(crate) fn tunnels(&self, dev: &str) -> Vec<String> {
        let index = self.found(dev);
        let of_device = self.tunnels.iter().filter(|entry| Some(entry.index) == index);
        let words = |entry: &FdbEntry| {
            let vni = entry.src_vni.unwrap_or(0);
            entry.dst.map(|dst| format!("{} vni {vni} dst {dst}", entry.mac)).unwrap_or_default()
        };
        of_device.map(words).collect()
    }

    /// The routes of a table, in words, sorted.
    pub(crate) fn routes(&self, table: u32) -> Vec<String> {
        let of_table = self.routes.iter().filter(|route| route.in_table() == table);
        let gateways = |route: &Route| {
            let hops = route.nexthops.iter().map(|hop| hop.gateway).chain([route.gateway]).flatten();
            hops.map(|gateway| gateway.to_string()).collect::<Vec<_>>().join(",")
        };
        let mut words: Vec<_> =
            of_table.map(|route| format!("{} {}", route.prefix, gateways(route))).collect();
        words.sort();
        words
    }

    /// The neighbours of a device, in words, sorted.
    pub(crate) fn neighbours(&self, dev: &str) -> Vec<String> {
        let index = self.found(dev);
        let of_device = self.neighbours.iter().filter(|there| Some(there.index) == index);
        let mac = |there: &Neighbour| there.lladdr.map(|addr| addr.to_string()).unwrap_or_default();
        let mut words: Vec<_> = of_device.map(|there| format!("{} {}", there.dst, mac(there))).collect();
        words.sort();
        words
    }

    /// Somebody writes a route through a device.
    pub(crate) fn add_route(&mut self, dev: &str, mut route: Route) {
        route.oif = Some(self.index(dev));
        route.kind = RouteType::Unicast;
        self.routes.push(route);
    }

    /// Somebody writes a neighbour.
    pub(crate) fn add_neighbour(&mut self, dev: &str, mut neighbour: Neighbour) {
        neighbour.index = self.index(dev);
        self.neighbours.push(neighbour);
    }

    /// The nexthops, in words.
    pub(crate) fn nexthops(&self) -> Vec<String> {
        self.nexthops.values().map(ToString::to_string).collect()
    }

    /// Somebody makes a nexthop.
    pub(crate) fn add_nexthop(&mut self, hop: Nexthop) {
        self.nexthops.insert(hop.id, hop);
    }

    /// An address behind a segment.
    pub(crate) fn add_behind(&mut self, dev: &str, mac: MacAddr, vni: u32, id: u32) {
        let entry = FdbEntry::new(mac, self.index(dev)).self_().static_().extern_learn().src_vni(vni);
        self.tunnels.push(entry.nexthop(id));
    }

    /// Where the frames for a port go while it has no carrier: the device, and the nexthop group.
    pub(crate) fn backup(&self, dev: &str) -> Option<(String, u32)> {
        let port = self.links[&self.found(dev)?].port::<BridgePort>()?.unwrap();
        let through = port.backup_port.and_then(|port| port.0).and_then(|dev| dev.index())?;
        Some((self.links[&through].name.as_str().to_owned(), port.backup_nhid.filter(|id| *id != 0)?))
    }

    pub(super) fn set_nexthop(&mut self, verb: NexthopVerb, hop: &Nexthop) {
        if verb == NexthopVerb::Delete {
            assert!(self.nexthops.remove(&hop.id).is_some(), "{hop}: ENOENT");
            let is_used = |group: &Nexthop| group.group.iter().any(|member| member.id == hop.id);
            assert!(!self.nexthops.values().any(is_used), "{hop} is in a group");
            // What is behind a group goes with it.
            self.tunnels.retain(|entry| entry.nexthop != Some(hop.id));
            return;
        }
        let is_there = self.nexthops.contains_key(&hop.id);
        assert!(verb == NexthopVerb::Replace || !is_there, "{hop}: EEXIST");
        let mut hop = hop.clone();
        for member in &hop.group {
            let single =
                self.nexthops.get(&member.id).unwrap_or_else(|| unreachable!("{hop}: no {}", member.id));
            assert!(single.is_fdb && !single.is_group(), "{hop}: {single}");
        }
        if hop.is_group() {
            hop.group_kind = Some(GroupKind::HashThreshold);
            assert!(self.nexthops.get(&hop.id).is_none_or(Nexthop::is_group), "{hop}: EINVAL");
        }
        assert_ne!(self.nexthops.get(&hop.id), Some(&hop), "{hop} is there");
        self.nexthops.insert(hop.id, hop);
    }

    pub(super) fn set_backup(&mut self, dev: &str, backup: Option<&(String, u32)>) {
        let mut options = BridgePort::new();
        options.backup_nhid = Some(backup.map_or(0, |(_, id)| *id));
        let through = backup.map(|(vxlan, id)| {
            assert!(self.nexthops.get(id).is_some_and(Nexthop::is_group), "no group {id}");
            let (port, through) = (self.index(dev), self.index(vxlan));
            assert_eq!(self.links[&port].master, self.links[&through].master, "{dev} {vxlan}");
            Dev::Index(through)
        });
        options.backup_port = Some(BackupPort(through));
        self.set_port(dev, &options);
    }

    /// A port goes that others have for their backup.
    pub(super) fn lose_backup(&mut self, index: u32) {
        for link in self.links.values_mut().filter(|link| link.is_port_of("bridge")) {
            let port = link.port::<BridgePort>().unwrap().unwrap();
            if port.backup_port == Some(BackupPort(Some(Dev::Index(index)))) {
                link.port_data.extend(encoded(&BridgePort::new().no_backup_port()));
            }
        }
    }

    pub(super) fn set_remote(&mut self, verb: FdbVerb, dev: &str, entry: &FdbEntry) {
        let index = self.index(dev);
        if entry.flags.contains(FdbFlags::MASTER) {
            let vlan = entry.vlan.unwrap();
            if verb == FdbVerb::Replace {
                assert!(entry.flags.contains(FdbFlags::EXT_LEARNED), "{entry}");
                return self.learn(dev, vlan, entry.mac);
            }
            assert!(self.learned.remove(&(index, vlan, entry.mac)), "{entry}: ENOENT");
            return;
        }
        let is_it =
            |there: &FdbEntry| (there.index, there.mac, there.src_vni) == (index, entry.mac, entry.src_vni);
        let at = self.tunnels.iter().position(is_it);
        if verb == FdbVerb::Replace {
            let mut entry = entry.clone();
            entry.index = index;
            match at.and_then(|at| self.tunnels.get_mut(at)) {
                Some(there) => {
                    assert_ne!(there.dst, entry.dst, "{entry} is there");
                    // The flags are those of whoever was first.
                    entry.flags = there.flags;
                    *there = entry;
                }
                None => self.tunnels.push(entry),
            }
            return;
        }
        let at = at.unwrap_or_else(|| unreachable!("{entry}: ENOENT"));
        assert_eq!(self.tunnels.remove(at).dst, entry.dst, "{entry}: success, and nothing done");
    }

    pub(super) fn set_neighbour(&mut self, verb: NeighbourVerb, dev: &str, neighbour: &Neighbour) {
        let index = self.index(dev);
        let before = self.neighbours.len();
        self.neighbours.retain(|there| (there.index, there.dst) != (index, neighbour.dst));
        if verb == NeighbourVerb::Delete {
            assert_eq!(self.neighbours.len() + 1, before, "{neighbour}: ENOENT");
        } else {
            self.add_neighbour(dev, neighbour.clone());
        }
    }

    pub(super) fn set_route(&mut self, verb: RouteVerb, dev: &str, route: &Route) {
        let index = self.index(dev);
        let link = &self.links[&index];
        assert!(link.flags.contains(LinkFlags::UP), "{dev} is down: ENETDOWN");
        let vrf = link.master.and_then(|master| self.links[&master].kind::<Vrf>());
        let table = vrf.map_or(RT_TABLE_MAIN, |vrf| vrf.unwrap().table.unwrap());
        let key = |there: &Route| (there.in_table(), there.prefix, there.priority.unwrap_or(0), there.tos);
        if verb == RouteVerb::Delete {
            let is_it = |there: &Route| {
                key(there) == key(route) && there.protocol == route.protocol && leaves_through(there, index)
            };
            let at = self.routes.iter().position(is_it);
            self.routes.remove(at.unwrap_or_else(|| unreachable!("{route}: ESRCH")));
            return;
        }
        assert_eq!(route.in_table(), table, "{route} is not for the table of {dev}");
        let mut route = route.clone();
        route.kind = RouteType::Unicast;
        if !route.is_ipv4() {
            route.priority = route.priority.or(Some(1024));
        }
        if route.nexthops.is_empty() {
            route.oif = Some(index);
        }
        route.nexthops = route.nexthops.into_iter().map(|hop| hop.dev(index)).collect();
        assert!(!self.routes.contains(&route), "{route} is there");
        self.routes.retain(|there| key(there) != key(&route));
        self.routes.push(route);
    }

    /// A device goes, or goes down.
    pub(super) fn forget(&mut self, index: u32) {
        self.neighbours.retain(|there| there.index != index);
        self.routes.retain(|route| !leaves_through(route, index));
    }

    /// With its last IPv4 address a device loses all of its IPv4 routes and neighbours.
    pub(super) fn lose_ipv4(&mut self, index: u32) {
        if self.addresses.iter().all(|address| address.index != index || address.local.is_ipv6()) {
            self.neighbours.retain(|there| there.index != index || there.dst.is_ipv6());
            self.routes.retain(|route| !(route.is_ipv4() && leaves_through(route, index)));
        }
    }

    /// A device gets another MAC address, and with it what is on top and has the same.
    pub(super) fn readdress(&mut self, index: u32, address: MacAddr) {
        let link = self.links.get_mut(&index).unwrap();
        let before = link.mac();
        if before == Some(address) {
            return;
        }
        link.address = Some(address.into());
        self.neighbours.retain(|there| there.index != index);
        let follows = |other: &u32| {
            let other = &self.links[other];
            other.is_kind("vlan") && other.link == Some(index) && other.mac() == before
        };
        let on_top: Vec<u32> = self.links.keys().copied().filter(follows).collect();
        for other in on_top {
            self.readdress(other, address);
        }
    }
}

fn leaves_through(route: &Route, index: u32) -> bool {
    let hops = route.nexthops.iter().filter_map(|hop| hop.dev.as_ref().and_then(|dev| dev.index()));
    hops.chain(route.oif).any(|dev| dev == index)
}

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use nl_core::IpPrefix;

use super::facts::{Device, Facts};
use super::finding::Fault;
use super::paths::{Payload, decapsulates, paths};
use crate::encap::{Seg6, Seg6Mode};
use crate::sid::{FlavorOps, Seg6Local, SidAction};

/// A packet that has visited this many SIDs is in a loop.
const MOST_VISITS: usize = 256;

/// The nodes that are known, and their SIDs.
pub(super) struct Net<'a> {
    nodes: Vec<&'a Facts>,
    sids: Vec<(IpPrefix, &'a Facts, Seg6Local)>,
    /// Whether a way leads from a node, by its place, to an address.
    ways: RefCell<HashMap<(usize, Ipv6Addr), bool>>,
}

/// How the way of a packet ends.
enum End {
    /// It is decapsulated, or leaves the known nodes along the list.
    Arrived,
    Lost(Fault),
    /// A segment belongs to no known node, or to one that does something unknown.
    Unknown,
}

impl<'a> Net<'a> {
    pub(super) fn new(nodes: impl IntoIterator<Item = &'a Facts>) -> Self {
        let nodes: Vec<_> = nodes.into_iter().collect();
        let mut sids = Vec::new();
        for node in &nodes {
            for route in node.routes.iter().filter(|route| !route.is_ipv4()) {
                let local = paths(route).into_iter().find_map(|path| path.local);
                sids.extend(local.map(|local| (route.prefix, *node, local)));
            }
        }
        // The longest prefix first.
        sids.sort_by_key(|(prefix, ..)| std::cmp::Reverse(prefix.len()));
        Self { nodes, sids, ways: RefCell::default() }
    }

    /// Why packets with these segments that a node sends do not arrive.
    pub(super) fn fault(&self, from: &'a Facts, seg6: &Seg6, payload: Payload) -> Option<Fault> {
        let End::Lost(fault) = self.follow(from, seg6, payload, seg6.segments()) else { return None };
        let backwards: Vec<_> = seg6.segments().iter().rev().copied().collect();
        let is_order = matches!(fault, Fault::DecapsulatesEarly { .. } | Fault::TransitLast { .. });
        if is_order
            && seg6.mode != Seg6Mode::Inline
            && matches!(self.follow(from, seg6, payload, &backwards), End::Arrived)
        {
            return Some(Fault::Reversed);
        }
        Some(fault)
    }

    /// Whether a way leads from a node to an address; `None` if that is not known.
    pub(super) fn has_way(&self, from: &Facts, to: Ipv6Addr) -> Option<bool> {
        let destinations = from.destinations.as_ref()?;
        let place = self.nodes.iter().position(|node| std::ptr::eq(*node, from))?;
        if let Some(known) = self.ways.borrow().get(&(place, to)) {
            return Some(*known);
        }
        // The longest prefix of each table, and whether one route to it is open.
        let mut best: BTreeMap<u32, (u8, bool)> = BTreeMap::new();
        for destination in destinations.iter().filter(|destination| holds(destination.prefix, to)) {
            let len = destination.prefix.len();
            let found = best.entry(destination.table).or_insert((len, destination.is_open));
            if len > found.0 {
                *found = (len, destination.is_open);
            } else if len == found.0 {
                found.1 |= destination.is_open;
            }
        }
        // Which tables are asked is up to rules, which are not known.
        let has_way = best.values().any(|(_, is_open)| *is_open);
        self.ways.borrow_mut().insert((place, to), has_way);
        Some(has_way)
    }

    fn owner(&self, addr: Ipv6Addr) -> Option<(&'a Facts, &Seg6Local)> {
        let found = self.sids.iter().find(|(prefix, ..)| holds(*prefix, addr));
        found.map(|(_, node, local)| (*node, local))
    }

    /// The node that has an address.
    fn host(&self, addr: Ipv6Addr) -> Option<&'a Facts> {
        let has = |device: &Device| device.addresses.iter().any(|own| own.addr() == IpAddr::V6(addr));
        self.nodes.iter().copied().find(|node| node.devices.iter().any(has))
    }

    fn follow(&self, from: &'a Facts, seg6: &Seg6, payload: Payload, segments: &[Ipv6Addr]) -> End {
        // Inline, the packet's own destination is the last one.
        let count = segments.len() + usize::from(seg6.mode == Seg6Mode::Inline);
        let is_reduced = matches!(seg6.mode, Seg6Mode::EncapRed | Seg6Mode::L2EncapRed);
        let key = seg6.srh.hmac_tlv().map(|hmac| hmac.key);
        let mut has_header = !(is_reduced && count == 1 && key.is_none());
        let (mut at, mut before) = (0, from);
        let Some(mut to) = segments.first().copied() else { return End::Unknown };
        for _ in 0..MOST_VISITS {
            let left = count - 1 - at;
            let mut leads_on = true;
            let node = if let Some((node, local)) = self.owner(to) {
                let arrivals = node.arrivals(before);
                if let Some(next) = shifted(local, to) {
                    if let Some(lost) = self.unreachable(node, local, next) {
                        return End::Lost(lost);
                    }
                    (to, before) = (next, node);
                    continue;
                }
                if let Some(fault) = node.refuses(&arrivals, key).filter(|_| has_header) {
                    return End::Lost(fault);
                }
                match &local.action {
                    action if decapsulates(action) && left == 0 => {
                        if payload.is_taken_by(action) {
                            return End::Arrived;
                        }
                        let (instead, node) = (self.decapsulating(node, payload), node.name.clone());
                        let payload = payload.words();
                        return End::Lost(Fault::WrongPayload { node, segment: to, payload, instead });
                    }
                    action if decapsulates(action) => {
                        let left = u8::try_from(left).unwrap_or(u8::MAX);
                        let node = node.name.clone();
                        return End::Lost(Fault::DecapsulatesEarly { node, segment: to, left });
                    }
                    SidAction::End
                    | SidAction::EndX { .. }
                    | SidAction::EndT { .. }
                    | SidAction::EndB6Encaps { .. } => {}
                    _ => return End::Unknown,
                }
                if left == 0 {
                    let (instead, node) = (self.decapsulating(node, payload), node.name.clone());
                    return End::Lost(Fault::TransitLast { node, segment: to, instead });
                }
                let pops = local.flavors.is_some_and(|flavors| flavors.ops.contains(FlavorOps::PSP));
                has_header &= !(pops && left == 1);
                leads_on = matches!(local.action, SidAction::End);
                node
            } else if let Some(node) = self.host(to) {
                if !has_header {
                    return End::Unknown;
                }
                let arrivals = node.arrivals(before);
                let is_off = |device: &&Device| device.seg6_enabled == Some(false);
                if let Some(device) = arrivals.first()
                    && (node.seg6_enabled == Some(false) || arrivals.iter().all(is_off))
                {
                    let (node, dev) = (node.name.clone(), device.name.clone());
                    return End::Lost(Fault::SegmentIgnored { node, segment: to, dev });
                }
                if let Some(fault) = node.refuses(&arrivals, key) {
                    return End::Lost(fault);
                }
                node
            } else {
                return End::Unknown;
            };
            if left == 0 {
                return End::Arrived;
            }
            at += 1;
            let Some(next) = segments.get(at).copied() else { return End::Arrived };
            if leads_on && let Some(fault) = self.no_way(node, next) {
                return End::Lost(fault);
            }
            (to, before) = (next, node);
        }
        End::Unknown
    }

    fn unreachable(&self, node: &'a Facts, local: &Seg6Local, next: Ipv6Addr) -> Option<Fault> {
        matches!(local.action, SidAction::End).then(|| self.no_way(node, next)).flatten()
    }

    fn no_way(&self, node: &'a Facts, next: Ipv6Addr) -> Option<Fault> {
        let is_own = self.owner(next).is_some_and(|(owner, _)| std::ptr::eq(owner, node))
            || self.host(next).is_some_and(|host| std::ptr::eq(host, node));
        (!is_own && self.has_way(node, next) == Some(false))
            .then(|| Fault::SegmentUnreachable { node: node.name.clone(), segment: next })
    }

    /// A SID of a node that decapsulates this.
    fn decapsulating(&self, node: &Facts, payload: Payload) -> Option<Ipv6Addr> {
        self.sids.iter().find_map(|(prefix, owner, local)| match prefix.network() {
            IpAddr::V6(addr) if std::ptr::eq(*owner, node) && payload.is_taken_by(&local.action) => {
                Some(addr)
            }
            _ => None,
        })
    }
}

impl Facts {
    /// The devices that packets from a node can come through: those with an address in one network with it, or else all.
    fn arrivals(&self, before: &Self) -> Vec<&Device> {
        let all = || {
            let devices = self.devices.iter();
            devices.filter(|device| device.is_up && !device.is_loopback && device.vrf_table.is_none())
        };
        let is_shared = |own: &IpPrefix| {
            let is_network = !matches!(own.addr(), IpAddr::V6(addr) if addr.is_unicast_link_local());
            let mut theirs = before.devices.iter().flat_map(|device| &device.addresses);
            is_network
                && own.len() < 128
                && theirs.any(|addr| (addr.len(), addr.network()) == (own.len(), own.network()))
        };
        let near: Vec<_> = all().filter(|device| device.addresses.iter().any(is_shared)).collect();
        if near.is_empty() { all().collect() } else { near }
    }

    /// Why a header with an HMAC by this key, or without one, is dropped whichever of these devices it comes through.
    fn refuses(&self, arrivals: &[&Device], key: Option<u32>) -> Option<Fault> {
        let device = arrivals.first()?;
        let node = self.name.clone();
        let all =
            |is: fn(i32) -> bool| arrivals.iter().all(|device| device.seg6_require_hmac.is_some_and(is));
        match key {
            None if all(|require| require == 1) => {
                Some(Fault::HmacRequired { node, dev: device.name.clone() })
            }
            Some(key) if all(|require| require >= 0) && self.keys.as_ref()?.contains(&key) => None,
            Some(key) if all(|require| require >= 0) => Some(Fault::NoKeyAt { node, key }),
            _ => None,
        }
    }
}

/// Whether an address is in a prefix.
fn holds(prefix: IpPrefix, addr: Ipv6Addr) -> bool {
    let addr = IpAddr::V6(addr);
    !prefix.addr().is_ipv4()
        && IpPrefix::new(addr, prefix.len()).is_ok_and(|cut| cut.network() == prefix.network())
}

/// The address that a packet to a SID with micro-SIDs is sent on to; `None` if the SID does not shift.
fn shifted(local: &Seg6Local, to: Ipv6Addr) -> Option<Ipv6Addr> {
    let (block, node_function) = local.flavors?.lengths()?;
    let (bits, behind) = (u128::from(to), u32::from(block) + u32::from(node_function));
    let argument = bits.checked_shl(behind).unwrap_or(0);
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(block.into())).unwrap_or(0);
    let moved = argument.checked_shr(block.into()).unwrap_or(0);
    (argument != 0).then(|| Ipv6Addr::from((bits & mask) | moved))
}

//! Integrated routing: VRFs, the interfaces of VLANs, their gateways and addresses.

use std::collections::HashSet;

use nl_core::address::AddressVerb;
use nl_core::check::Invalid;
use nl_core::link::{Link, MacVlan, MacVlanMode, Vlan, Vrf};
use nl_core::{IpPrefix, MacAddr};

use super::config::BridgeConfig;
use super::devices::when_deleted;
use super::order::{Steps, When};
use super::plan::Standing;
use super::routing::InterfaceConfig;
use super::step::{Device, DeviceKind, Step};
use super::view::View;
use crate::fdb::{FdbEntry, FdbVerb};

type Outcome<T> = Result<T, Invalid>;

/// What a device of routing is to be.
struct Wanted<'a> {
    path: String,
    name: &'a str,
    kind: DeviceKind,
    /// What it is on top of.
    link: &'a str,
    vrf: Option<&'a str>,
    address: Option<MacAddr>,
    mtu: Option<u32>,
    ips: &'a [IpPrefix],
}

impl BridgeConfig {
    /// Makes VRFs, and returns those that are made anew.
    pub(super) fn plan_vrfs(&self, view: &View<'_>, steps: &mut Steps) -> Outcome<HashSet<&str>> {
        let mut anew = HashSet::new();
        for (number, vrf) in self.vrfs.iter().enumerate() {
            let link = self.own_device(view, &format!("vrfs[{number}].name"), &vrf.name, "vrf")?;
            let table = |link: &Link| link.kind::<Vrf>().and_then(Result::ok).and_then(|vrf| vrf.table);
            if let Some(link) = link.filter(|link| table(link) == Some(vrf.table)) {
                if !link.is_up() {
                    let mut device = Device::new(&vrf.name);
                    device.is_up = true;
                    steps.push(When::Change, Step::Change(device));
                }
                continue;
            }
            if link.is_some() {
                steps.push(When::Unmake, Step::Delete { dev: vrf.name.clone() });
                anew.insert(vrf.name.as_str());
            }
            let mut device = Device::new(&vrf.name);
            (device.kind, device.is_up) = (Some(DeviceKind::Vrf(Vrf::new(vrf.table))), true);
            steps.push(When::Make, Step::Make { device, stamp: self.device_stamp(&vrf.name) });
        }
        Ok(anew)
    }

    /// Makes the interfaces of VLANs and their gateways. `bridge` is the bridge if it stays, and `anew` are VRFs that are made anew.
    pub(super) fn plan_interfaces(
        &self,
        view: &View<'_>,
        bridge: Option<&Link>,
        anew: &HashSet<&str>,
        steps: &mut Steps,
    ) -> Outcome<()> {
        for (number, interface) in self.interfaces.iter().enumerate() {
            let path = format!("interfaces[{number}]");
            let wanted = Wanted {
                path: path.clone(),
                name: &interface.name,
                kind: DeviceKind::Vlan(Box::new(Vlan::new(interface.vlan))),
                link: &self.name,
                vrf: interface.vrf.as_deref(),
                address: interface.address,
                mtu: interface.mtu,
                ips: &interface.addresses,
            };
            let is_same = |link: &Link| {
                let id = link.kind::<Vlan>().and_then(Result::ok).and_then(|vlan| vlan.id);
                id == Some(interface.vlan) && bridge.is_some_and(|bridge| link.link == Some(bridge.index))
            };
            let link = self.plan_device(view, wanted, is_same, anew, steps)?;
            if let Some(gateway) = &interface.gateway {
                let wanted = Wanted {
                    path: format!("{path}.gateway"),
                    name: &gateway.name,
                    kind: DeviceKind::MacVlan(Box::new(MacVlan::new(MacVlanMode::Private))),
                    link: &interface.name,
                    vrf: interface.vrf.as_deref(),
                    address: Some(gateway.address),
                    mtu: interface.mtu,
                    ips: &gateway.addresses,
                };
                let is_on = |top: &Link| link.is_some_and(|link| top.link == Some(link.index));
                self.plan_device(view, wanted, is_on, anew, steps)?;
            }
            self.plan_locals(view, bridge, interface, steps);
        }
        Ok(())
    }

    /// Makes or changes a device, and returns it if it stays. If what it is on top of goes, it goes before that.
    fn plan_device<'a>(
        &self,
        view: &View<'a>,
        wanted: Wanted<'_>,
        is_same: impl Fn(&Link) -> bool,
        anew: &HashSet<&str>,
        steps: &mut Steps,
    ) -> Outcome<Option<&'a Link>> {
        let kind = match &wanted.kind {
            DeviceKind::MacVlan(_) => "macvlan",
            _ => "vlan",
        };
        let link = self.own_device(view, &format!("{}.name", wanted.path), wanted.name, kind)?;
        let stays = link.filter(|link| is_same(link));
        let Some(link) = stays else {
            if let Some(link) = link {
                steps.push(when_deleted(link), Step::Delete { dev: wanted.name.to_owned() });
            }
            let mut device = Device::new(wanted.name);
            (device.kind, device.link) = (Some(wanted.kind), Some(wanted.link.to_owned()));
            (device.master, device.address) = (wanted.vrf.map(str::to_owned), wanted.address);
            (device.mtu, device.is_up) = (wanted.mtu, true);
            steps.push(When::Make, Step::Make { device, stamp: self.device_stamp(wanted.name) });
            plan_addresses(view, wanted.name, None, false, wanted.ips, steps);
            return Ok(None);
        };
        let mut device = self.changes(link, wanted.address, wanted.mtu);
        let master = wanted.vrf.filter(|vrf| !anew.contains(vrf)).and_then(|vrf| view.link(vrf));
        let moves = match wanted.vrf {
            // Not the one that is there now, or that one is deleted before.
            Some(_) => master.is_none_or(|master| link.master != Some(master.index)),
            None => link.master.is_some(),
        };
        // A VRF that is recreated is deleted first, which releases the interface.
        let is_released = link
            .master
            .and_then(|master| view.at(master))
            .is_some_and(|vrf| anew.contains(vrf.name.as_str()));
        if moves && wanted.vrf.is_none() && !is_released {
            steps.push(When::Change, Step::Release { dev: wanted.name.to_owned() });
        } else if moves {
            device.master = wanted.vrf.map(str::to_owned);
        }
        if !device.is_unset() {
            steps.push(When::Change, Step::Change(device));
        }
        plan_addresses(view, wanted.name, Some(link), moves, wanted.ips, steps);
        Ok(Some(link))
    }

    /// Lets the bridge receive frames to the MAC addresses of an interface that are not its own: the devices on top of a bridge cannot.
    fn plan_locals(
        &self,
        view: &View<'_>,
        bridge: Option<&Link>,
        interface: &InterfaceConfig,
        steps: &mut Steps,
    ) {
        let own = self.address.or_else(|| bridge.and_then(Link::mac));
        let gateway = interface.gateway.as_ref().map(|gateway| gateway.address);
        for mac in interface.address.into_iter().chain(gateway).filter(|mac| Some(*mac) != own) {
            let is_there = bridge.is_some_and(|bridge| {
                view.locals(bridge.index).any(|entry| entry.mac == mac && entry.vlan == Some(interface.vlan))
            });
            if !is_there {
                let entry = FdbEntry::new(mac, 0).self_().permanent().vlan(interface.vlan);
                let (dev, entry) = (self.name.clone(), Box::new(entry));
                steps.push(When::Local, Step::Flood { verb: FdbVerb::Replace, dev, entry });
            }
        }
    }
}

/// Adds and removes the addresses of a device. One that changes its VRF loses those of IPv6.
///
/// Of several IPv4 addresses in one network the first is primary, and the others go with it. So one that goes and has others in its
/// network goes first, and these are written again. Those that go do so from the last one on, so that each is there when it is its turn.
fn plan_addresses(
    view: &View<'_>,
    dev: &str,
    link: Option<&Link>,
    moves: bool,
    wanted: &[IpPrefix],
    steps: &mut Steps,
) {
    let now: Vec<IpPrefix> = link.map(|link| view.addresses(link.index).collect()).unwrap_or_default();
    let lost = |prefix: &IpPrefix| moves && prefix.addr().is_ipv6();
    let mut again: HashSet<IpPrefix> = HashSet::new();
    for gone in now.iter().rev().filter(|prefix| !wanted.contains(prefix) && !lost(prefix)) {
        let is_near = |other: &&IpPrefix| {
            gone.addr().is_ipv4() && other.len() == gone.len() && other.network() == gone.network()
        };
        let near: Vec<_> = wanted.iter().filter(is_near).copied().collect();
        let when = if near.is_empty() { When::Unaddress } else { When::Renumber };
        again.extend(near);
        steps.push(when, Step::Address { verb: AddressVerb::Delete, dev: dev.to_owned(), prefix: *gone });
    }
    for prefix in wanted {
        if !now.contains(prefix) || lost(prefix) || again.contains(prefix) {
            let (dev, prefix) = (dev.to_owned(), *prefix);
            steps.push(When::Address, Step::Address { verb: AddressVerb::Replace, dev, prefix });
        }
    }
}

/// What else the bridge receives frames to, which nobody is known to have asked for.
pub(super) fn plan_foreign_locals(config: &BridgeConfig, view: &View<'_>, bridge: &Link, steps: &mut Steps) {
    let wanted = |entry: &FdbEntry| {
        config.interfaces.iter().any(|interface| {
            let gateway = interface.gateway.as_ref().map(|gateway| gateway.address);
            let is_one = interface.address == Some(entry.mac) || gateway == Some(entry.mac);
            is_one && entry.vlan == Some(interface.vlan)
        })
    };
    let own = bridge.mac();
    for entry in view.locals(bridge.index).filter(|entry| entry.vlan.is_some() && !wanted(entry)) {
        if Some(entry.mac) != own && Some(entry.mac) != config.address {
            let vlan = entry.vlan.unwrap_or_default();
            steps.other(Standing::Foreign, format!("fdb {} dev {} vlan {vlan}", entry.mac, bridge.name));
        }
    }
}

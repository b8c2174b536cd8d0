//! Which devices are made, changed, deleted and released.

use std::net::IpAddr;

use nl_core::MacAddr;
use nl_core::check::Invalid;
use nl_core::link::Link;

use super::check::at;
use super::config::BridgeConfig;
use super::order::{Steps, When};
use super::plan::Standing;
use super::step::{Device, DeviceKind, Step};
use super::tenants::VxlanConfig;
use super::view::{View, bridge_of, is_external, vxlan_of};
use crate::settings::{Bridge, BridgeFlags};
use crate::vxlan::Vxlan;

type Outcome<T> = Result<T, Invalid>;

/// The kinds of devices that are made for a description.
const KINDS: [&str; 5] = ["bridge", "macvlan", "vlan", "vrf", "vxlan"];

impl BridgeConfig {
    pub(super) fn owns_device(&self, link: &Link) -> bool {
        link.alt_names.contains(&self.device_stamp(&link.name))
    }

    pub(super) fn owns_port(&self, link: &Link) -> bool {
        link.alt_names.contains(&self.port_stamp(&link.name))
    }

    /// The bridge if it is there, after it is planned to be as described.
    pub(super) fn plan_bridge<'a>(&self, view: &View<'a>, steps: &mut Steps) -> Outcome<Option<&'a Link>> {
        let wants_mst = !self.instances.is_empty();
        let Some(link) = self.own_device(view, "name", &self.name, "bridge")? else {
            let mut bridge = Bridge::new().vlan_filtering(true).vlan_default_pvid(0_u16);
            if wants_mst {
                bridge = bridge.mst_enabled(true);
            }
            let mut device = Device::new(&self.name);
            device.kind = Some(DeviceKind::Bridge(Box::new(bridge)));
            (device.address, device.is_up) = (self.address, true);
            steps.push(When::Make, Step::Make { device, stamp: self.device_stamp(&self.name) });
            self.push_mtu(None, steps);
            return Ok(None);
        };
        let now = bridge_of(link).unwrap_or_default();
        let (mut bridge, mut changes) = (Bridge::new(), false);
        if now.vlan_filtering != Some(true) {
            (bridge, changes) = (bridge.vlan_filtering(true), true);
        }
        if wants_mst && now.has(BridgeFlags::MST) != Some(true) {
            if view.ports(link.index).any(|port| !view.members(port.index).is_empty()) {
                let why = "the bridge has MST off, which the kernel turns on while no port has a VLAN only";
                return Err(at("instances", why));
            }
            (bridge, changes) = (bridge.mst_enabled(true), true);
        }
        let mut device = self.changes(link, self.address, None);
        device.kind = changes.then(|| DeviceKind::Bridge(Box::new(bridge)));
        if !device.is_unset() {
            steps.push(When::Change, Step::Change(device));
        }
        self.push_mtu(Some(link.mtu), steps);
        Ok(Some(link))
    }

    /// Sets the MTU of the bridge behind its ports: the kernel takes the smallest of theirs for it, until it is changed.
    fn push_mtu(&self, now: Option<u32>, steps: &mut Steps) {
        let mut device = Device::new(&self.name);
        device.mtu = self.mtu.filter(|mtu| now != Some(*mtu));
        if device.mtu.is_some() {
            steps.push(When::Port, Step::Change(device));
        }
    }

    /// The VXLAN device if it is there and stays, after it is planned to be as described. `others` says what somebody else has on it.
    pub(super) fn plan_vxlan<'a>(
        &self,
        view: &View<'a>,
        vxlan: &VxlanConfig,
        others: impl Fn(&Link) -> Option<String>,
        steps: &mut Steps,
    ) -> Outcome<Option<&'a Link>> {
        let link = self.own_device(view, "vxlan.name", &vxlan.name, "vxlan")?;
        let reason = link.and_then(|link| needs_new(vxlan, link));
        if let (Some(link), Some((field, why))) = (link, &reason) {
            let foreign = others(link).filter(|_| !self.is_exact);
            if let Some(foreign) = foreign {
                let why =
                    format!("{why}, so the device has to be created again, and it has {foreign} of others");
                return Err(at(format!("vxlan.{field}"), why));
            }
            steps.push(When::Unmake, Step::Delete { dev: vxlan.name.clone() });
        }
        let Some(link) = link.filter(|_| reason.is_none()) else {
            let mut kind = Vxlan::external().port(vxlan.port);
            (kind.local, kind.vnifilter) = (vxlan.local, vxlan.vni_filter.then_some(true));
            let mut device = Device::new(&vxlan.name);
            device.kind = Some(DeviceKind::Vxlan(Box::new(kind)));
            (device.mtu, device.is_up, device.master) = (vxlan.mtu, true, Some(self.name.clone()));
            steps.push(When::Make, Step::Make { device, stamp: self.device_stamp(&vxlan.name) });
            return Ok(None);
        };
        let now = vxlan_of(link).unwrap_or_default();
        let mut kind = Vxlan::change();
        if vxlan.local.is_some() && vxlan.local != now.local {
            kind.local = vxlan.local;
        }
        if now.learning == Some(true) {
            kind.learning = Some(false);
        }
        // The kernel refuses a request that changes the MTU and an option.
        let mut options = Device::new(&vxlan.name);
        options.kind = (kind != Vxlan::change()).then(|| DeviceKind::Vxlan(Box::new(kind)));
        for device in [options, self.changes(link, None, vxlan.mtu)] {
            if !device.is_unset() {
                steps.push(When::Change, Step::Change(device));
            }
        }
        Ok(Some(link))
    }

    /// Deletes and releases what was made for the description and is not in it any more. `keeps` are the devices that stay.
    pub(super) fn plan_orphans(&self, view: &View<'_>, keeps: impl Fn(&str) -> bool, steps: &mut Steps) {
        let bridge = view.link(&self.name).map(|bridge| bridge.index);
        for link in view.links().filter(|link| !keeps(&link.name)) {
            let dev = link.name.as_str().to_owned();
            if self.owns_device(link) && KINDS.iter().any(|kind| link.is_kind(kind)) {
                steps.other(Standing::Orphaned, format!("link {dev}"));
                let when = if self.is_replaced(link) { When::Unmake } else { when_deleted(link) };
                steps.push(when, Step::Delete { dev });
            } else if self.owns_device(link) {
                let kind = link.kind_name.as_deref().unwrap_or("plain device");
                steps.other(Standing::Unsafe, format!("link {dev}, stamped, but a {kind}"));
            } else if self.owns_port(link) {
                if bridge.is_some() && link.master == bridge {
                    steps.other(Standing::Orphaned, format!("port {dev}"));
                    steps.push(When::Release, Step::Release { dev: dev.clone() });
                }
                let stamp = self.port_stamp(&dev);
                steps.push(When::Release, Step::Unstamp { dev, stamp });
            }
        }
    }

    /// Whether it is a VXLAN device of our own, under another name than the one that is wanted. It has to go before that one gets its
    /// VNIs, which two devices with one port cannot both have.
    pub(super) fn is_replaced(&self, link: &Link) -> bool {
        let is_other = self.vxlan.as_ref().is_some_and(|vxlan| link.name != vxlan.name.as_str());
        is_other && link.is_kind("vxlan") && self.owns_device(link)
    }

    /// The device of this name if it is there, of this kind and stamped.
    pub(super) fn own_device<'a>(
        &self,
        view: &View<'a>,
        path: &str,
        name: &str,
        kind: &str,
    ) -> Outcome<Option<&'a Link>> {
        let Some(link) = view.link(name) else {
            return match view.known_as(name) {
                Some(other) => Err(at(path, format!("{name} is an alternative name of {}", other.name))),
                None => Ok(None),
            };
        };
        if !link.is_kind(kind) {
            let is = link.kind_name.as_deref().unwrap_or("plain device");
            return Err(at(path, format!("{name} is there and is a {is}, not a {kind}")));
        }
        if !self.owns_device(link) {
            let stamp = self.device_stamp(name);
            return Err(at(
                path,
                format!(
                    "{name} is there and has no stamp of {}: delete it, or adopt it \
                     (ip link property add dev {name} altname {stamp})",
                    self.owner
                ),
            ));
        }
        Ok(Some(link))
    }

    /// What of this differs, and whether the device has to be set up.
    pub(super) fn changes(&self, link: &Link, address: Option<MacAddr>, mtu: Option<u32>) -> Device {
        let mut device = Device::new(&link.name);
        device.address = address.filter(|address| link.mac() != Some(*address));
        device.mtu = mtu.filter(|mtu| link.mtu != *mtu);
        device.is_up = !link.is_up();
        device
    }
}

/// When a device goes: what is on top of another one before that, with which it would go without being asked.
pub(super) fn when_deleted(link: &Link) -> When {
    match link.kind_name.as_deref() {
        Some("macvlan") => When::UnmakeTop,
        // A bridge has one device for each VLAN at most.
        Some("vlan") => When::Unmake,
        _ => When::Delete,
    }
}

/// What of a VXLAN device is set when it is made, and differs.
fn needs_new(vxlan: &VxlanConfig, link: &Link) -> Option<(&'static str, String)> {
    let now = vxlan_of(link)?;
    if !is_external(link) {
        return Some(("name", format!("{} has a VNI of its own", vxlan.name)));
    }
    if now.port.is_some_and(|port| port != vxlan.port) {
        return Some(("port", format!("{} has another port", vxlan.name)));
    }
    if now.vnifilter.unwrap_or(false) != vxlan.vni_filter {
        return Some(("vni_filter", format!("{} differs in its filter", vxlan.name)));
    }
    let is_ipv6 = |addr: Option<IpAddr>| addr.is_some_and(|addr| addr.is_ipv6());
    if vxlan.local.is_some() && is_ipv6(vxlan.local) != is_ipv6(now.local) {
        return Some(("local", format!("{} is of the other family", vxlan.name)));
    }
    None
}

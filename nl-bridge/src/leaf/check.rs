use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Display;
use std::net::IpAddr;

use nl_core::addr::IFNAME_MAX;
use nl_core::check::{Invalid, opt_within, within};
use nl_core::{Dev, IpPrefix, MacAddr};

use super::config::BridgeConfig;
use super::ports::PortConfig;
use super::tenants::VxlanConfig;
use super::values::VlanConfig;

/// The longest owner, so that a stamp is within what the kernel takes (`ALTIFNAMSIZ`).
const OWNER_MAX: usize = 32;
/// `ETH_MIN_MTU`, and the largest packet of IPv4.
const MTU: (u32, u32) = (68, 65_535);
const MSTI: (u16, u16) = (1, 4095);
/// `RT_TABLE_DEFAULT`, `RT_TABLE_MAIN` and `RT_TABLE_LOCAL`.
const KERNEL_TABLES: std::ops::RangeInclusive<u32> = 253..=255;

type Outcome = Result<(), Invalid>;

/// Why something at this place of the description is bad.
pub(super) fn at(path: impl Display, why: impl Display) -> Invalid {
    format!("{path}: {why}").into()
}

impl BridgeConfig {
    /// Refuses a description that contradicts itself, or that no kernel can apply, with the place in it: `ports[2].vlans`.
    /// [`plan`](Self::plan) does it too.
    ///
    /// # Errors
    /// A name that no device can have; a device or a VLAN given twice; a VLAN mapped twice, or a VNI in two VLANs; the VXLAN device
    /// among the ports; an instance that is not among those of the bridge; a VLAN or VNI outside of those of the owner.
    pub fn check(&self) -> Outcome {
        if let Some((field, why)) = &self.invalid {
            return Err(at(field, why));
        }
        check_name("name", &self.name)?;
        self.check_owner()?;
        check_mtu("mtu", self.mtu)?;
        check_mac("address", self.address)?;
        self.check_vlans("vlans", &self.vlans)?;
        if let Some(number) = self.vlans.iter().position(|vlans| vlans.state.is_some()) {
            return Err(at(format!("vlans[{number}].state"), "a state is that of a VLAN on a port"));
        }
        self.check_instances()?;
        let mut names = HashSet::from([self.name.as_str()]);
        for (number, port) in self.ports.iter().enumerate() {
            let path = format!("ports[{number}]");
            self.check_port(&path, port)?;
            if !names.insert(&port.name) {
                return Err(at(format!("{path}.name"), format!("{} is there twice", port.name)));
            }
        }
        self.check_routing(&mut names)?;
        self.check_routers()?;
        self.check_segments()?;
        let Some(vxlan) = &self.vxlan else { return Ok(()) };
        if names.contains(vxlan.name.as_str()) {
            let why = "is there twice; the VXLAN device is no other port, and its VLANs are those of the maps, with a tag";
            return Err(at("vxlan.name", format!("{} {why}", vxlan.name)));
        }
        self.check_vxlan(vxlan)
    }

    fn check_owner(&self) -> Outcome {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.owner.is_empty() || self.owner.len() > OWNER_MAX || !self.owner.chars().all(is_word) {
            let owner = &self.owner;
            let why = format!("{owner:?}; 1 to {OWNER_MAX} letters, digits, '-' and '_' are possible");
            return Err(at("owner", why));
        }
        Ok(())
    }

    fn check_vlans(&self, path: &str, vlans: &[VlanConfig]) -> Outcome {
        let mut seen = BTreeSet::new();
        let mut pvid = None;
        for (number, entry) in vlans.iter().enumerate() {
            let path = format!("{path}[{number}]");
            for vlan in entry.vid.iter().map(u16::from) {
                if !seen.insert(vlan) {
                    return Err(at(path, format!("vlan {vlan} is there twice")));
                }
                if !self.owns_vlan(vlan) {
                    return Err(at(path, format!("vlan {vlan} is not among own_vlans")));
                }
            }
            if entry.pvid {
                if !entry.vid.is_single() {
                    return Err(at(path, format!("vlans {} as pvid; a pvid is one VLAN", entry.vid)));
                }
                if let Some(other) = pvid.replace(entry.vid) {
                    return Err(at(
                        path,
                        format!("vlans {other} and {} as pvid; a device has one", entry.vid),
                    ));
                }
            }
            if let Some(state) = entry.state {
                within("state", u8::from(state), 0, 4).map_err(|why| at(&path, why))?;
                let why = "a VLAN has the state of its instance, and there are instances";
                Invalid::when(!self.instances.is_empty(), why)
                    .map_err(|why| at(format!("{path}.state"), why))?;
            }
        }
        Ok(())
    }

    fn check_instances(&self) -> Outcome {
        let (mut numbers, mut vlans) = (HashSet::new(), BTreeMap::new());
        for (number, instance) in self.instances.iter().enumerate() {
            let path = format!("instances[{number}]");
            within("msti", instance.msti, MSTI.0, MSTI.1).map_err(|why| at(format!("{path}.msti"), why))?;
            if !numbers.insert(instance.msti) {
                return Err(at(path, format!("msti {} is there twice", instance.msti)));
            }
            for vlan in instance.vlans.iter().flat_map(|range| range.iter()).map(u16::from) {
                if let Some(other) = vlans.insert(vlan, instance.msti) {
                    let why = format!("vlan {vlan} is in msti {other} too");
                    return Err(at(format!("{path}.vlans"), why));
                }
                if !self.owns_vlan(vlan) {
                    let why = format!("vlan {vlan} is not among own_vlans");
                    return Err(at(format!("{path}.vlans"), why));
                }
            }
        }
        Ok(())
    }

    fn check_port(&self, path: &str, port: &PortConfig) -> Outcome {
        check_name(format!("{path}.name"), &port.name)?;
        if let Some(why) = &port.invalid {
            return Err(at(format!("{path}.vlans"), why));
        }
        self.check_vlans(&format!("{path}.vlans"), &port.vlans)?;
        let mut seen = HashSet::new();
        for (number, instance) in port.instances.iter().enumerate() {
            let path = format!("{path}.instances[{number}]");
            let msti = instance.msti;
            if !self.instances.iter().any(|known| known.msti == msti) {
                return Err(at(path, format!("msti {msti} is not among the instances of the bridge")));
            }
            if !seen.insert(msti) {
                return Err(at(path, format!("msti {msti} is there twice")));
            }
            within("state", u8::from(instance.state), 0, 4).map_err(|why| at(path, why))?;
        }
        Ok(())
    }

    fn check_routing<'a>(&'a self, names: &mut HashSet<&'a str>) -> Outcome {
        let mut tables = HashSet::new();
        for (number, vrf) in self.vrfs.iter().enumerate() {
            let path = format!("vrfs[{number}]");
            check_new(&format!("{path}.name"), &vrf.name, names)?;
            if vrf.table == 0 || KERNEL_TABLES.contains(&vrf.table) {
                let why = format!("table {}; 1 to {} but for 253 to 255 are possible", vrf.table, u32::MAX);
                return Err(at(format!("{path}.table"), why));
            }
            if !tables.insert(vrf.table) {
                return Err(at(format!("{path}.table"), format!("table {} is there twice", vrf.table)));
            }
        }
        let mut vlans = HashSet::new();
        for (number, interface) in self.interfaces.iter().enumerate() {
            let path = format!("interfaces[{number}]");
            check_new(&format!("{path}.name"), &interface.name, names)?;
            let vlan = crate::VlanId::new(interface.vlan).map_err(|why| at(format!("{path}.vlan"), why))?;
            if !vlans.insert(vlan) {
                return Err(at(format!("{path}.vlan"), format!("vlan {vlan} is there twice")));
            }
            if !self.owns_vlan(vlan.get()) {
                return Err(at(format!("{path}.vlan"), format!("vlan {vlan} is not among own_vlans")));
            }
            if let Some(vrf) = interface.vrf.as_ref().filter(|vrf| !self.vrfs.iter().any(|v| v.name == **vrf))
            {
                return Err(at(
                    format!("{path}.vrf"),
                    format!("{vrf} is not among the VRFs of the description"),
                ));
            }
            check_mtu(&format!("{path}.mtu"), interface.mtu)?;
            check_mac(&format!("{path}.address"), interface.address)?;
            check_ips(&format!("{path}.addresses"), &interface.addresses)?;
            let Some(gateway) = &interface.gateway else { continue };
            check_new(&format!("{path}.gateway.name"), &gateway.name, names)?;
            check_mac(&format!("{path}.gateway.address"), Some(gateway.address))?;
            check_ips(&format!("{path}.gateway.addresses"), &gateway.addresses)?;
        }
        Ok(())
    }

    fn check_vxlan(&self, vxlan: &VxlanConfig) -> Outcome {
        check_name("vxlan.name", &vxlan.name)?;
        if let Some(why) = &vxlan.invalid {
            return Err(at("vxlan.maps", why));
        }
        check_mtu("vxlan.mtu", vxlan.mtu)?;
        within("port", vxlan.port, 1, u16::MAX).map_err(|why| at("vxlan.port", why))?;
        if let Some(local) = vxlan.local {
            check_leaf("vxlan.local", local, None)?;
        }
        let (mut by_vlan, mut by_vni) = (BTreeMap::new(), BTreeMap::new());
        let mut family = vxlan.local;
        for (number, map) in vxlan.maps.iter().enumerate() {
            let path = format!("vxlan.maps[{number}]");
            let (vlans, vnis) = (map.vid.len(), map.vni.len());
            if vlans != vnis {
                let (vid, vni) = (map.vid, map.vni);
                let why =
                    format!("{vlans} VLANs ({vid}) for {vnis} VNIs ({vni}); as many of each are needed");
                return Err(at(path, why));
            }
            within("vni", map.vni.first(), 1, crate::Vni::MAX.get())
                .and_then(|()| within("vni", map.vni.last(), 1, crate::Vni::MAX.get()))
                .map_err(|why| at(format!("{path}.vni"), why))?;
            for (vlan, vni) in map.pairs() {
                if let Some(other) = by_vlan.insert(vlan, vni) {
                    let why = format!("vlan {vlan} is mapped to vni {other} too");
                    return Err(at(format!("{path}.vid"), why));
                }
                if let Some(other) = by_vni.insert(vni, vlan) {
                    return Err(at(format!("{path}.vni"), format!("vni {vni} belongs to vlan {other} too")));
                }
                if !self.owns_vlan(vlan) {
                    return Err(at(format!("{path}.vid"), format!("vlan {vlan} is not among own_vlans")));
                }
                if !self.owns_vni(vni) {
                    return Err(at(format!("{path}.vni"), format!("vni {vni} is not among own_vnis")));
                }
            }
            let mut leaves = HashSet::new();
            for (number, leaf) in map.flood.iter().enumerate() {
                let path = format!("{path}.flood[{number}]");
                check_leaf(&path, *leaf, family)?;
                family.get_or_insert(*leaf);
                if !leaves.insert(leaf) {
                    return Err(at(path, format!("{leaf} is there twice")));
                }
            }
        }
        Ok(())
    }
}

/// Refuses an address that is not of one leaf, or not of the family of another one.
pub(super) fn check_leaf(path: &str, leaf: IpAddr, other: Option<IpAddr>) -> Outcome {
    if leaf.is_multicast() || leaf.is_unspecified() {
        return Err(at(path, format!("{leaf} cannot be the address of a leaf")));
    }
    match other.filter(|other| other.is_ipv4() != leaf.is_ipv4()) {
        Some(other) => Err(at(path, format!("{leaf} and {other} are of different families"))),
        None => Ok(()),
    }
}

/// Refuses the name of a device that is made, if it is no name or another one's.
fn check_new<'a>(path: &str, name: &'a str, names: &mut HashSet<&'a str>) -> Outcome {
    check_name(path, name)?;
    match names.insert(name) {
        true => Ok(()),
        false => Err(at(path, format!("{name} is there twice"))),
    }
}

pub(super) fn check_mac(path: &str, mac: Option<MacAddr>) -> Outcome {
    match mac.filter(|mac| mac.is_multicast() || mac.is_zero()) {
        Some(mac) => Err(at(path, format!("{mac} cannot be the address of a device"))),
        None => Ok(()),
    }
}

fn check_ips(path: &str, ips: &[IpPrefix]) -> Outcome {
    let mut seen = HashSet::new();
    for (number, ip) in ips.iter().enumerate() {
        if ip.addr().is_multicast() || ip.addr().is_unspecified() {
            return Err(at(format!("{path}[{number}]"), format!("{ip} cannot be the address of a device")));
        }
        if !seen.insert(ip.addr()) {
            return Err(at(format!("{path}[{number}]"), format!("{} is there twice", ip.addr())));
        }
    }
    Ok(())
}

fn check_mtu(path: &str, mtu: Option<u32>) -> Outcome {
    opt_within("mtu", mtu, MTU.0, MTU.1).map_err(|why| at(path, why))
}

/// Refuses a name that no new device can have.
pub(super) fn check_name(path: impl Display, name: &str) -> Outcome {
    let why = if name.is_empty() || name.len() > IFNAME_MAX {
        format!("interface name of {} bytes; 1 to {IFNAME_MAX} are possible", name.len())
    } else if name.contains(['%', ':']) {
        format!("interface name {name:?} with a '%' or ':', which the kernel replaces or refuses")
    } else if let Err(error) = Dev::from(name).check() {
        error.to_string()
    } else {
        return Ok(());
    };
    Err(at(path, why))
}

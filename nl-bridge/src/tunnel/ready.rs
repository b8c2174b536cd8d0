//! What a mapping needs of the port and its device.

use nl_core::attr::Attrs;
use nl_core::link::Link;

use super::TunnelEntry;
use super::plan::Port;
use crate::ranges::VniRange;
use crate::types::{VlanId, VlanRange};
use crate::vni::VniEntry;

// `include/uapi/linux/if_link.h`
const IFLA_VXLAN_COLLECT_METADATA: u16 = 25;
const IFLA_VXLAN_VNIFILTER: u16 = 30;
const IFLA_BRPORT_VLAN_TUNNEL: u16 = 29;

/// Kinds of devices that take the tunnel of each packet from the mapping.
const TUNNELS: &[&str] = &["bareudp", "geneve", "gretap", "ip6gretap", "vxlan"];

/// What one look at the device says.
#[derive(Debug)]
pub(super) struct Look {
    /// What no request can mend, in words.
    pub(super) faults: Vec<String>,
    /// Whether `vlan_tunnel` is on.
    pub(super) vlan_tunnel: bool,
    /// Whether the device receives only VNIs that were added to its filter.
    pub(super) vni_filter: bool,
}

impl Look {
    pub(super) fn new(link: &Link) -> Self {
        let kind = link.kind_name.as_deref().unwrap_or("plain device");
        let mut faults = Vec::new();
        if !TUNNELS.contains(&kind) {
            faults.push(format!("{} is a {kind}, not a tunnel device", link.name));
        } else if link.is_kind("vxlan") && !is_on(&link.kind_data, IFLA_VXLAN_COLLECT_METADATA) {
            faults.push(format!(
                "{} has a VNI of its own: it has to be made with `external` (ip link add … type vxlan external)",
                link.name
            ));
        }
        let is_port = link.is_port_of("bridge");
        if !is_port {
            faults
                .push(format!("{} is not a port of a bridge (ip link set dev {0} master BRIDGE)", link.name));
        }
        Self {
            faults,
            vlan_tunnel: is_port && is_on(&link.port_data, IFLA_BRPORT_VLAN_TUNNEL),
            vni_filter: link.is_kind("vxlan") && is_on(&link.kind_data, IFLA_VXLAN_VNIFILTER),
        }
    }
}

fn is_on(data: &[u8], kind: u16) -> bool {
    let attr = Attrs::new(data).find(kind).ok().flatten();
    attr.is_some_and(|attr| attr.u8().is_ok_and(|on| on != 0))
}

/// The VLANs that the port lacks, as ranges.
pub(super) fn missing_vlans(port: &Port, entry: &TunnelEntry) -> Vec<VlanRange> {
    ranges(port.missing(entry))
}

/// VLANs as ranges.
pub(super) fn ranges(vlans: impl Iterator<Item = u16>) -> Vec<VlanRange> {
    let mut ranges: Vec<VlanRange> = Vec::new();
    for vlan in vlans.filter_map(|vlan| VlanId::new(vlan).ok()) {
        match ranges.last_mut().map(|last| (last.last().get() + 1 == vlan.get(), last)) {
            Some((true, last)) => {
                if let Ok(longer) = VlanRange::new(last.first().get(), vlan.get()) {
                    *last = longer;
                }
            }
            _ => ranges.push(vlan.into()),
        }
    }
    ranges
}

/// The VNIs that the filter lacks, as ranges.
pub(super) fn missing_vnis(filter: &[VniEntry], entry: &TunnelEntry) -> Vec<VniRange> {
    let mut there: Vec<_> = filter.iter().map(|entry| entry.vnis).collect();
    there.sort_unstable_by_key(|range| range.first());
    let (mut missing, mut next) = (Vec::new(), Some(entry.vnis.first()));
    for have in there {
        let Some(at) = next.filter(|at| *at <= entry.vnis.last()) else { break };
        if have.first() > at {
            let last = (have.first() - 1).min(entry.vnis.last());
            missing.extend(VniRange::read(at, last));
        }
        if have.last() >= at {
            next = have.last().checked_add(1);
        }
    }
    if let Some(at) = next {
        missing.extend(VniRange::read(at, entry.vnis.last()));
    }
    missing
}

/// Ranges as one text.
pub(super) fn list<T: ToString>(ranges: &[T]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vnis_that_a_filter_lacks_are_ranges() {
        let range = |first, last| VniRange::new(first, last).unwrap();
        let filter = [range(12, 13), range(1, 3), range(16, 16), range(20, 30)].map(|r| VniEntry::new(1, r));
        let lacks = |first: u32, last: u32| {
            let vlans = VlanRange::new(1, 1).unwrap();
            list(&missing_vnis(&filter, &TunnelEntry::new(1, vlans, range(first, last))))
        };
        assert_eq!(lacks(10, 18), "10-11,14-15,17-18");
        assert_eq!(lacks(12, 13), "");
        assert_eq!(lacks(20, 31), "31");
        assert_eq!(lacks(0, 1), "0");
        assert_eq!(lacks(40, 41), "40-41");
    }

    #[test]
    fn the_vlans_that_a_port_lacks_are_ranges() {
        let port = Port { vlans: [(10, None), (13, Some(1))].into_iter().collect(), ..Port::default() };
        let entry = TunnelEntry::new(1, VlanRange::new(8, 15).unwrap(), VniRange::new(8, 15).unwrap());
        assert_eq!(list(&missing_vlans(&port, &entry)), "8-9,11-12,14-15");
    }
}

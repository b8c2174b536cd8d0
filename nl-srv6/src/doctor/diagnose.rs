use nl_core::route::Encap;

use super::facts::{Device, Facts};
use super::finding::{Fault, Finding};
use super::paths::{Path, Payload, decapsulates_ipv4, paths};
use super::walk::Net;
use crate::sid::{DecapTable, Seg6Local, SidAction};

/// The faults of several nodes: those of each, and those of lists of one that end at another. Each node should have a
/// [name](Facts::named).
///
/// ```
/// use nl_srv6::doctor::{Facts, diagnose};
///
/// let nodes = [Facts::default().named("a"), Facts::default().named("b")];
/// assert_eq!(diagnose(&nodes), []);
/// ```
#[must_use]
pub fn diagnose(nodes: &[Facts]) -> Vec<Finding> {
    let net = Net::new(nodes);
    nodes.iter().flat_map(|node| node.findings(&net)).collect()
}

/// What the SIDs of a node need.
#[derive(Default)]
struct Uses {
    has_sids: bool,
    has_ipv4: bool,
    has_vrf: bool,
}

impl Facts {
    /// The faults of this node, those of settings last. A list whose segments are all on the node is followed to its end.
    #[must_use]
    pub fn diagnose(&self) -> Vec<Finding> {
        self.findings(&Net::new([self]))
    }

    fn findings<'a>(&'a self, net: &Net<'a>) -> Vec<Finding> {
        let (mut findings, mut uses) = (Vec::new(), Uses::default());
        for route in &self.routes {
            let paths = paths(route);
            let object = self.words(route, &paths);
            let mut faults = Vec::new();
            for path in &paths {
                self.check_device(path, &mut faults);
                if let Some(seg6) = &path.seg6 {
                    self.check_list(seg6, &mut faults);
                    self.check_first_segment(route, seg6, &mut faults);
                    faults.extend(net.fault(self, seg6, Payload::of(seg6, route.is_ipv4())));
                }
                if let Some(local) = &path.local {
                    self.check_local(local, &mut uses, &mut faults);
                }
            }
            faults.dedup();
            findings.extend(faults.into_iter().map(|fault| self.finding(&object, fault)));
        }
        self.check_settings(&uses, &mut findings);
        findings
    }

    pub(super) fn finding(&self, object: &str, fault: Fault) -> Finding {
        Finding { node: self.name.clone(), object: object.to_owned(), fault }
    }

    fn check_settings(&self, uses: &Uses, findings: &mut Vec<Finding>) {
        let interfaces = || self.devices.iter().filter(|device| device.is_up && !device.is_loopback);
        let is_on = |device: &Device| device.seg6_enabled == Some(true);
        let is_off = |device: &Device| device.seg6_enabled == Some(false);
        match self.seg6_enabled {
            Some(false) if interfaces().any(is_on) => {
                findings.push(self.finding("net.ipv6.conf.all.seg6_enabled", Fault::HeadersOff));
            }
            Some(true) if interfaces().any(is_off) && !interfaces().any(is_on) => {
                findings.push(self.finding("net.ipv6.conf.INTERFACE.seg6_enabled", Fault::HeadersOff));
            }
            _ => {}
        }
        let settings = [
            (uses.has_sids, self.forwards_ipv6, "net.ipv6.conf.all.forwarding", Fault::NotForwarding),
            (uses.has_ipv4, self.forwards_ipv4, "net.ipv4.ip_forward", Fault::NotForwarding),
            (uses.has_vrf, self.vrf_strict_mode, "net.vrf.strict_mode", Fault::NotStrict),
        ];
        for (is_needed, is_set, name, fault) in settings {
            if is_needed && is_set == Some(false) {
                findings.push(self.finding(name, fault));
            }
        }
    }

    fn check_device(&self, path: &Path, faults: &mut Vec<Fault>) {
        match path.oif.and_then(|index| self.device(index)) {
            Some(device) if device.is_loopback => faults.push(Fault::OnLoopback),
            Some(device) if !device.is_up => faults.push(Fault::DeviceDown { dev: device.name.clone() }),
            _ => {}
        }
    }

    fn check_local(&self, local: &Seg6Local, uses: &mut Uses, faults: &mut Vec<Fault>) {
        uses.has_sids = true;
        uses.has_ipv4 |= decapsulates_ipv4(&local.action);
        // A program that was read cannot be written, and that is all the check would say.
        if !matches!(local.action, SidAction::EndBpf { .. })
            && let Err(why) = local.check()
        {
            faults.push(Fault::Impossible { why: why.to_string() });
        }
        faults.extend(local.overwritten.map(|segment| Fault::NeverVisited { segment }));
        match &local.action {
            SidAction::EndB6 { srh } | SidAction::EndB6Encaps { srh } => self.check_key(srh, faults),
            SidAction::EndX { nh6 } if nh6.is_unicast_link_local() && local.oif.is_none() => {
                faults.push(Fault::LinkLocalRouter { router: *nh6 });
            }
            SidAction::EndDt6 { table: DecapTable::Table(table) } => {
                if let Some(vrf) = self.vrf(*table) {
                    uses.has_vrf = true;
                    faults.push(Fault::PlainTable { table: *table, vrf: vrf.name.clone() });
                }
            }
            SidAction::EndDx2 { oif } => {
                let device = oif.index().and_then(|index| self.device(index));
                let why = match device {
                    None => Some(format!("there is no output device {oif}")),
                    Some(device) if !device.is_ethernet => {
                        Some(format!("output device {} is not an Ethernet device", device.name))
                    }
                    Some(device) if !device.is_up => Some(format!("output device {} is down", device.name)),
                    Some(_) => None,
                };
                faults.extend(why.map(|why| Fault::NoOutput { why }));
            }
            action => {
                let Some(table) = action.vrf_table() else { return };
                uses.has_vrf = true;
                match self.vrf(table) {
                    None => faults.push(Fault::NoVrf { table }),
                    Some(vrf) if vrf.filters_reverse_path && decapsulates_ipv4(action) => {
                        faults.push(Fault::ReversePathFilter { dev: vrf.name.clone() });
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

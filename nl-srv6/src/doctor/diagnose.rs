use nl_core::route::{Encap, Route};

use super::facts::{Device, Facts};
use super::finding::{Fault, Finding};
use crate::encap::Seg6;
use crate::sid::{Seg6Local, SidAction};
use crate::srh::Srh;

/// One path of a route, with what it does.
struct Path {
    oif: Option<u32>,
    seg6: Option<Seg6>,
    local: Option<Seg6Local>,
}

impl Facts {
    /// The faults, those of settings last.
    #[must_use]
    pub fn diagnose(&self) -> Vec<Finding> {
        let (mut findings, mut has_sids, mut has_ipv4) = (Vec::new(), false, false);
        for route in &self.routes {
            let paths = paths(route);
            let object = self.words(route, &paths);
            let mut faults = Vec::new();
            for path in &paths {
                self.check_device(path, &mut faults);
                if let Some(seg6) = &path.seg6 {
                    self.check_segments(route, seg6, &mut faults);
                }
                if let Some(local) = &path.local {
                    has_sids = true;
                    has_ipv4 |= decapsulates_ipv4(&local.action);
                    self.check_local(local, &mut faults);
                }
            }
            faults.dedup();
            findings.extend(faults.into_iter().map(|fault| Finding { object: object.clone(), fault }));
        }
        let settings = [
            (has_sids, self.forwards_ipv6, "net.ipv6.conf.all.forwarding"),
            (has_ipv4, self.forwards_ipv4, "net.ipv4.ip_forward"),
        ];
        for (is_needed, forwards, name) in settings {
            if is_needed && forwards == Some(false) {
                findings.push(Finding { object: name.into(), fault: Fault::NotForwarding });
            }
        }
        findings
    }

    fn device(&self, index: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.index == index)
    }

    fn check_device(&self, path: &Path, faults: &mut Vec<Fault>) {
        match path.oif.and_then(|index| self.device(index)) {
            Some(device) if device.is_loopback => faults.push(Fault::OnLoopback),
            Some(device) if !device.is_up => faults.push(Fault::DeviceDown { dev: device.name.clone() }),
            _ => {}
        }
    }

    fn check_segments(&self, route: &Route, seg6: &Seg6, faults: &mut Vec<Fault>) {
        if let Err(why) = seg6.check() {
            faults.push(Fault::Impossible { why: why.to_string() });
        }
        faults.extend(seg6.overwritten.map(|segment| Fault::NeverVisited { segment }));
        self.check_key(&seg6.srh, faults);
        let Some(segment) = seg6.segments().first().copied() else { return };
        match self.first_segments.get(&segment) {
            Some(None) => faults.push(Fault::FirstSegmentUnreachable { segment }),
            Some(Some((prefix, table))) if (*prefix, *table) == (route.prefix, route.in_table()) => {
                faults.push(Fault::FirstSegmentLoops { segment });
            }
            _ => {}
        }
    }

    fn check_local(&self, local: &Seg6Local, faults: &mut Vec<Fault>) {
        // A program that was read cannot be written, and that is all the check would say.
        if !matches!(local.action, SidAction::EndBpf { .. })
            && let Err(why) = local.check()
        {
            faults.push(Fault::Impossible { why: why.to_string() });
        }
        faults.extend(local.overwritten.map(|segment| Fault::NeverVisited { segment }));
        match &local.action {
            SidAction::EndB6 { srh } | SidAction::EndB6Encaps { srh } => self.check_key(srh, faults),
            SidAction::EndDx2 { oif } => {
                let device = oif.index().and_then(|index| self.device(index));
                let why = match device {
                    None => Some(format!("there is no output device {oif}")),
                    Some(device) if !device.is_ethernet => {
                        Some(format!("output device {} is no Ethernet device", device.name))
                    }
                    Some(device) if !device.is_up => Some(format!("output device {} is down", device.name)),
                    Some(_) => None,
                };
                faults.extend(why.map(|why| Fault::NoOutput { why }));
            }
            action => {
                let Some(table) = action.vrf_table() else { return };
                match self.devices.iter().find(|device| device.vrf_table == Some(table)) {
                    None => faults.push(Fault::NoVrf { table }),
                    Some(vrf) if vrf.filters_reverse_path && decapsulates_ipv4(action) => {
                        faults.push(Fault::ReversePathFilter { dev: vrf.name.clone() });
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn check_key(&self, srh: &Srh, faults: &mut Vec<Fault>) {
        if let (Some(hmac), Some(keys)) = (srh.hmac_tlv(), &self.keys)
            && !keys.contains(&hmac.key)
        {
            faults.push(Fault::NoKey { key: hmac.key });
        }
    }

    /// Destination, and what is done on the first path, with names of devices.
    fn words(&self, route: &Route, paths: &[Path]) -> String {
        let mut key = Route::new(route.prefix);
        (key.table, key.priority) = (route.table, route.priority.filter(|_| route.is_ipv4()));
        if let Some(path) = paths.first() {
            key.oif = path.oif;
            key = match (&path.seg6, &path.local) {
                (Some(seg6), _) => key.with_encap(seg6),
                (None, Some(local)) => key.with_encap(local),
                (None, None) => key,
            };
        }
        let named = |word: &str| {
            let index = word.strip_prefix('#').and_then(|digits| digits.parse().ok());
            index.and_then(|index| self.device(index)).map_or(word.to_owned(), |device| device.name.clone())
        };
        key.to_string().split(' ').map(named).collect::<Vec<_>>().join(" ")
    }
}

/// The paths that have segments or are SIDs. What cannot be read is left out.
fn paths(route: &Route) -> Vec<Path> {
    let mut paths: Vec<_> = route
        .nexthops
        .iter()
        .map(|hop| Path {
            oif: hop.dev.as_ref().and_then(nl_core::Dev::index),
            seg6: hop.encap().ok().flatten(),
            local: hop.encap().ok().flatten(),
        })
        .collect();
    if paths.is_empty() {
        let (seg6, local) = (route.encap().ok().flatten(), route.encap().ok().flatten());
        paths.push(Path { oif: route.oif, seg6, local });
    }
    paths.retain(|path| path.seg6.is_some() || path.local.is_some());
    paths
}

fn decapsulates_ipv4(action: &SidAction) -> bool {
    matches!(action, SidAction::EndDx4 { .. } | SidAction::EndDt4 { .. } | SidAction::EndDt46 { .. })
}

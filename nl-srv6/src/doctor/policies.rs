use nl_core::Dev;

use super::facts::{Device, Facts};
use super::finding::{Fault, Finding};
use super::paths::Payload;
use super::walk::Net;
use crate::policy::PolicySet;

impl PolicySet {
    /// The faults that the policies have, or would have once they are applied, on a headend, among other nodes. Lists that are not valid
    /// are left out.
    ///
    /// Of the headend its devices, keys and destinations are looked at, and not what it has of the set already. Without the facts of
    /// other nodes, lists are followed as far as the headend itself knows.
    ///
    /// ```
    /// use nl_core::route::RouteProtocol;
    /// use nl_srv6::doctor::Facts;
    /// use nl_srv6::encap::Seg6;
    /// use nl_srv6::policy::{CandidatePath, Policy, PolicySet};
    ///
    /// // Some code writes the first segment twice for a reduced mode.
    /// let twice = Seg6::encap_red(["fcbb:0:b::".parse()?, "fcbb:0:b::".parse()?]);
    /// let policy = Policy::new(100, "fcbb:0:d::".parse()?).path(CandidatePath::new(100).list(twice));
    /// let set = PolicySet::new(3, 5000..=5999, RouteProtocol(200)).policy(policy);
    /// let findings = set.diagnose(&Facts::default(), &[]);
    /// assert!(findings[1].to_string().contains("the first segment fcbb:0:b:: is there twice"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn diagnose(&self, headend: &Facts, others: &[Facts]) -> Vec<Finding> {
        let net = Net::new(std::iter::once(headend).chain(others));
        let mut findings = Vec::new();
        let of_set = format!("policies dev {}", self.dev);
        if let Err(why) = self.check() {
            findings.push(headend.finding(&of_set, Fault::Impossible { why: why.to_string() }));
        }
        let is_it = |device: &&Device| match &self.dev {
            Dev::Index(index) => device.index == *index,
            name => device.name == name.to_string(),
        };
        let fault = match headend.devices.iter().find(is_it) {
            None => Some(Fault::Impossible { why: "there is no such device".into() }),
            Some(device) if device.is_loopback => Some(Fault::OnLoopback),
            Some(device) if !device.is_up => Some(Fault::DeviceDown { dev: device.name.clone() }),
            Some(_) => None,
        };
        findings.extend(fault.map(|fault| headend.finding(&of_set, fault)));
        for policy in &self.policies {
            for list in policy.paths.iter().flat_map(|path| &path.lists).filter(|list| list.is_valid) {
                let mut faults = Vec::new();
                headend.check_list(&list.path, &mut faults);
                if let Some(segment) = list.path.segments().first().copied()
                    && net.has_way(headend, segment) == Some(false)
                {
                    faults.push(Fault::FirstSegmentUnreachable { segment });
                }
                for is_ipv4 in [false, true] {
                    // One without prefixes has a binding SID, for packets of IPv6.
                    let has_none = policy.prefixes.is_empty() && !is_ipv4;
                    if has_none || policy.prefixes.iter().any(|prefix| prefix.addr().is_ipv4() == is_ipv4) {
                        faults.extend(net.fault(headend, &list.path, Payload::of(&list.path, is_ipv4)));
                    }
                }
                faults.dedup();
                let object = format!("{policy}: {}", list.path);
                findings.extend(faults.into_iter().map(|fault| headend.finding(&object, fault)));
            }
        }
        findings
    }
}

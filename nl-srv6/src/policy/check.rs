use nl_core::check::{Invalid, opt_within, within};
use nl_core::route::{Encap, RT_TABLE_MAIN, RouteProtocol};

use super::hash::{HashSet, set_for};
use super::set::PolicySet;
use super::types::{CandidatePath, Policy};
use crate::encap::Seg6Mode;

/// The last priority before that of the table `main`.
const PRIORITY_MAX: u32 = 32_765;
const TABLE_DEFAULT: u32 = 253;
const TABLE_LOCAL: u32 = 255;

impl PolicySet {
    /// Refuses a description that cannot be applied.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        if self.ids.is_empty() || *self.ids.start() == 0 {
            let (first, last) = (self.ids.start(), self.ids.end());
            return Err(format!("nexthop ids {first} to {last}; a range from 1 on is needed").into());
        }
        Invalid::when(
            self.protocol == RouteProtocol::UNSPEC,
            "no protocol, by which the routes of the set are known; 1 to 255 are possible",
        )?;
        opt_within("priority of rules", self.rule_priority, 1, PRIORITY_MAX)?;
        let count = self.policies.len();
        let (mut names, mut routes, mut ids) = (set_for(count), set_for(count), HashSet::default());
        for policy in &self.policies {
            let refuse = |why: &dyn std::fmt::Display| Invalid::from(format!("{policy}: {why}"));
            policy.check().map_err(|why| refuse(&why))?;
            if !names.insert((policy.color, policy.endpoint)) {
                return Err(refuse(&"it is there twice"));
            }
            if let Some(id) = policy.id {
                within("id", id, *self.ids.start(), *self.ids.end()).map_err(|why| refuse(&why))?;
                if !ids.insert(id) {
                    return Err(refuse(&format!("id {id} is that of another policy")));
                }
            }
            for key in policy.keys() {
                if !routes.insert(key) {
                    return Err(refuse(&format!("{} is routed twice", key.1)));
                }
            }
            self.check_mark(policy).map_err(|why| refuse(&why))?;
        }
        for ((table, prefix, _), policy) in self.throws() {
            if routes.iter().any(|(in_table, to, _)| (*in_table, *to) == (table, prefix)) {
                return Err(format!(
                    "{policy}: {prefix} is a prefix and a first segment in one table, so that packets would be encapsulated again"
                )
                .into());
            }
        }
        Ok(())
    }

    /// Refuses a mark that would steer other packets than those of the policy, or none.
    fn check_mark(&self, policy: &Policy) -> Result<(), Invalid> {
        let Some(mark) = policy.mark else { return Ok(()) };
        Invalid::when(
            self.rule_priority.is_none(),
            "a mark without the priority of the set's rules: rules_at(PRIORITY)",
        )?;
        Invalid::when(mark.value & mark.mask == 0, "mark 0, which every packet without a mark has")?;
        if mark.value & !mark.mask != 0 {
            return Err(format!("{mark}: the mark has bits outside its mask").into());
        }
        Invalid::when(policy.prefixes.is_empty(), "a mark and no prefixes; ::/0 is for all packets of IPv6")?;
        Invalid::when(
            matches!(policy.table, TABLE_DEFAULT | RT_TABLE_MAIN | TABLE_LOCAL),
            "a mark and a table of the kernel, by which other packets are routed too: table()",
        )?;
        let others = self.policies.iter().filter(|other| other.table != policy.table);
        for other in others {
            if let Some(of_other) = other.mark.filter(|of_other| of_other.overlaps(mark)) {
                return Err(format!("a packet can have its {mark} and the {of_other} of {other}").into());
            }
        }
        Ok(())
    }
}

impl Policy {
    fn check(&self) -> Result<(), Invalid> {
        Invalid::when(self.color == 0, "color 0; the first one is 1")?;
        Invalid::when(self.endpoint.is_multicast(), "the endpoint is a multicast address")?;
        Invalid::when(self.paths.is_empty(), "no candidate paths; a policy has at least one")?;
        opt_within("buckets", self.buckets, 1, u16::MAX)?;
        for path in &self.paths {
            path.check()?;
            self.check_use(path)?;
        }
        for prefix in &self.prefixes {
            prefix.check_network("prefix")?;
        }
        let Some(sid) = self.binding_sid else { return Ok(()) };
        sid.check_network("binding SID")?;
        Invalid::when(sid.addr().is_ipv4(), "a binding SID is an IPv6 prefix")
    }

    /// Refuses lists that what the policy is used for cannot have.
    fn check_use(&self, path: &CandidatePath) -> Result<(), Invalid> {
        let has_ipv4 = self.prefixes.iter().any(|prefix| prefix.addr().is_ipv4());
        for list in &path.lists {
            let mode = list.path.mode;
            Invalid::when(
                has_ipv4 && mode == Seg6Mode::Inline,
                "inline segments are for IPv6; the kernel takes the IPv4 route and drops every packet",
            )?;
            if self.binding_sid.is_some() {
                Invalid::when(
                    matches!(mode, Seg6Mode::L2Encap | Seg6Mode::L2EncapRed),
                    "a binding SID with Ethernet frames; it can have the modes inline, encap and encap.red",
                )?;
                Invalid::when(
                    list.path.source.is_some(),
                    "a source address of a list with a binding SID, which uses that of the namespace",
                )?;
            }
        }
        Ok(())
    }
}

impl CandidatePath {
    fn check(&self) -> Result<(), Invalid> {
        let refuse =
            |why: Invalid| Invalid::from(format!("candidate path of preference {}: {why}", self.preference));
        if self.lists.is_empty() {
            return Err(refuse("no segment lists; a path has at least one".into()));
        }
        for (at, list) in self.lists.iter().enumerate() {
            list.path.check().map_err(refuse)?;
            within("weight", list.weight, 1, u16::MAX).map_err(refuse)?;
            if self.lists.iter().take(at).any(|other| other.path.is_same_path(&list.path)) {
                return Err(refuse(format!("{} is there twice; add the weights", list.path).into()));
            }
        }
        Ok(())
    }
}

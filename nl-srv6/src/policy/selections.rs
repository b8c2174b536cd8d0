use std::net::Ipv6Addr;

use nl_core::nexthop::{GroupMember, Nexthop};

use super::plan::GroupUse;
use super::set::PolicySet;
use super::snapshot::Snapshot;
use crate::encap::Seg6;
use crate::sid::{Seg6Local, SidAction};

/// How often the kernel chose each segment list of a policy: once for each packet that it routed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PolicySelections {
    /// The color of the policy.
    pub color: u32,
    /// The endpoint of the policy.
    pub endpoint: Ipv6Addr,
    /// What the group is for: a policy with prefixes and a binding SID has two groups.
    pub usage: GroupUse,
    /// The nexthop id of the group.
    pub id: u32,
    /// Its members: the valid lists of the active path.
    pub lists: Vec<ListSelections>,
}

/// How often the kernel chose a segment list since its group was made or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ListSelections {
    /// The nexthop id of the list.
    pub nexthop: u32,
    /// Its segments, the first hop first; none for the blackhole of a policy that drops packets.
    pub segments: Vec<Ipv6Addr>,
    /// Its weight.
    pub weight: u16,
    /// How often it was chosen; `None` if the kernel did not say.
    pub selections: Option<u64>,
}

impl PolicySelections {
    /// Those of all lists.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lists.iter().filter_map(|list| list.selections).fold(0, u64::saturating_add)
    }
}

impl PolicySet {
    /// How often each segment list was chosen, from nexthops that were read with counters.
    /// [`Headend::selections`](super::Headend::selections) reads them.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub fn selections(&self, current: &Snapshot) -> nl_core::Result<Vec<PolicySelections>> {
        let plan = self.plan(current)?;
        let find = |id: u32| current.nexthops.iter().find(|hop| hop.id == id);
        let of_member = |group: &Nexthop, member: &GroupMember| ListSelections {
            nexthop: member.id,
            segments: find(member.id).map(segments).unwrap_or_default(),
            weight: member.weight,
            selections: group.stats.iter().find(|stats| stats.id == member.id).map(|stats| stats.packets),
        };
        let groups = plan.groups().iter().filter_map(|named| {
            let group = find(named.id).filter(|hop| self.owns_nexthop(hop))?;
            Some(PolicySelections {
                color: named.color,
                endpoint: named.endpoint,
                usage: named.usage,
                id: named.id,
                lists: group.group.iter().map(|member| of_member(group, member)).collect(),
            })
        });
        Ok(groups.collect())
    }
}

/// The segments onto which a nexthop puts packets.
fn segments(hop: &Nexthop) -> Vec<Ipv6Addr> {
    if let Ok(Some(seg6)) = hop.encap::<Seg6>() {
        return seg6.segments().to_vec();
    }
    match hop.encap::<Seg6Local>() {
        Ok(Some(Seg6Local { action: SidAction::EndB6 { srh } | SidAction::EndB6Encaps { srh }, .. })) => {
            srh.segments
        }
        _ => Vec::new(),
    }
}

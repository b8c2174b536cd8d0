use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::policy::{EndpointPolicy, LocalAddress};
use crate::AddressId;
use crate::endpoint::{Endpoint, EndpointFlags};

/// A change of the table of endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointStep {
    /// Add this endpoint.
    Add(Endpoint),
    /// Set the flags `backup` and `fullmesh` of the endpoint of this id to these.
    Change(Endpoint),
    /// Delete the endpoint of this id.
    Delete(Endpoint),
    /// Set these limits: `subflows` and `add_addr_accepted`.
    Limits(Option<u32>, Option<u32>),
}

/// The words of `ip mptcp`.
impl fmt::Display for EndpointStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(endpoint) => write!(f, "endpoint add {endpoint}"),
            Self::Change(endpoint) => write!(f, "endpoint change {endpoint}"),
            Self::Delete(endpoint) => write!(f, "endpoint delete {endpoint}"),
            Self::Limits(subflows, accepted) => {
                f.write_str("limits set")?;
                let words = [("subflows", subflows), ("add_addr_accepted", accepted)];
                words.iter().try_for_each(|(word, limit)| match limit {
                    Some(limit) => write!(f, " {word} {limit}"),
                    None => Ok(()),
                })
            }
        }
    }
}

impl EndpointPolicy {
    /// The changes that make the endpoints `existing` what the policy says for the addresses `here`: none if they are that. Deletions come
    /// first, to make room. An endpoint that stays is not touched.
    ///
    /// An address that has an endpoint of somebody else gets none, unless the policy is [exact](Self::exact) or the kernel made that
    /// one itself (`implicit`).
    #[must_use]
    pub fn plan(&self, here: &[LocalAddress], existing: &[Endpoint]) -> Vec<EndpointStep> {
        self.plan_after(&[], here, existing)
    }

    /// As [`plan`](Self::plan), after policies whose endpoints had ids in these ranges: those outside of the range of this one give way.
    pub(super) fn plan_after(
        &self,
        former: &[RangeInclusive<u8>],
        here: &[LocalAddress],
        existing: &[Endpoint],
    ) -> Vec<EndpointStep> {
        let is_former = |e: &Endpoint| {
            !self.owns(e) && former.iter().any(|ids| ids.contains(&e.id.get())) && !is_implicit(e)
        };
        let is_ours = |e: &Endpoint| self.exact || self.owns(e) || is_former(e);
        let foreign: Vec<_> = existing.iter().filter(|e| !is_ours(e) && !is_implicit(e)).collect();
        let mut wanted = self.wanted(here);
        wanted.retain(|address, _| !foreign.iter().any(|e| e.address == *address));
        let mut ranked: Vec<_> = wanted.iter().map(|(address, (rank, ..))| (*rank, *address)).collect();
        ranked.sort_unstable();
        let room = self.at_most.saturating_sub(foreign.len()).min(self.all_ids().count());
        let chosen: BTreeSet<_> = ranked.into_iter().take(room).map(|(_, address)| address).collect();
        wanted.retain(|address, _| chosen.contains(address));

        let mut taken: BTreeSet<_> = foreign.iter().map(|e| e.id).collect();
        let (mut deletions, mut changes) = (Vec::new(), Vec::new());
        for endpoint in existing.iter().filter(|e| is_ours(e) || is_implicit(e)) {
            let can_stay = endpoint.port.is_none() && !is_implicit(endpoint) && !is_former(endpoint);
            match wanted.get(&endpoint.address).filter(|_| can_stay) {
                Some((_, flags, index)) if is_same(endpoint, *flags, *index) => {
                    if endpoint.flags != *flags {
                        changes.push(EndpointStep::Change(Endpoint { flags: *flags, ..endpoint.clone() }));
                    }
                    taken.insert(endpoint.id);
                    wanted.remove(&endpoint.address);
                }
                // The kernel's own stays where it is in nobody's way.
                None if is_implicit(endpoint) && !wanted.contains_key(&endpoint.address) => {
                    taken.insert(endpoint.id);
                }
                _ => deletions.push(EndpointStep::Delete(endpoint.clone())),
            }
        }
        let free: Vec<AddressId> = self.all_ids().filter(|id| !taken.contains(id)).collect();
        let new = |((address, (_, flags, index)), id): ((IpAddr, Wanted), AddressId)| {
            EndpointStep::Add(Endpoint::new(address).id(id).flags(flags).index(index))
        };
        let additions = wanted.into_iter().zip(free).map(new);
        deletions.into_iter().chain(changes).chain(additions).collect()
    }

    /// The addresses that are to have an endpoint: its rank, flags and interface.
    fn wanted(&self, here: &[LocalAddress]) -> BTreeMap<IpAddr, Wanted> {
        let mut wanted: BTreeMap<IpAddr, Wanted> = BTreeMap::new();
        for local in here {
            let Some((rule, flags)) = self.rule(local) else { continue };
            let new = ((rule, local.index), flags, local.index);
            // Two interfaces may have one address.
            let known = wanted.entry(local.address).or_insert(new);
            if new.0 < known.0 {
                *known = new;
            }
        }
        wanted
    }
}

/// Rule and interface, by which the first are chosen where there is not room for all; flags; the interface.
type Wanted = ((usize, u32), EndpointFlags, u32);

fn is_implicit(endpoint: &Endpoint) -> bool {
    endpoint.flags.contains(EndpointFlags::IMPLICIT)
}

/// Whether an endpoint can become what is wanted without being deleted.
fn is_same(endpoint: &Endpoint, flags: EndpointFlags, index: u32) -> bool {
    const CHANGEABLE: EndpointFlags = EndpointFlags::BACKUP.union(EndpointFlags::FULLMESH);
    endpoint.index == Some(index) && endpoint.flags - CHANGEABLE == flags - CHANGEABLE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKUP: EndpointFlags = EndpointFlags::SUBFLOW.union(EndpointFlags::BACKUP);

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn local(index: u32, last: u8) -> LocalAddress {
        LocalAddress::new(index, format!("eth{index}"), ip(last))
    }

    fn words(steps: &[EndpointStep]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn plan_adds_changes_and_deletes_what_differs() {
        let policy =
            EndpointPolicy::new().interface("eth1", EndpointFlags::SUBFLOW).interface("eth*", BACKUP);
        let existing = [
            // Right, but no backup.
            Endpoint::new(ip(2)).id(101).subflow().index(2),
            // Its address is gone.
            Endpoint::new(ip(9)).id(100).subflow().index(1),
            // Somebody else's.
            Endpoint::new(ip(7)).id(1).signal(),
        ];
        let steps = policy.plan(&[local(1, 1), local(2, 2), local(3, 7)], &existing);
        assert_eq!(
            words(&steps),
            [
                "endpoint delete 192.0.2.9 id 100 subflow dev #1",
                "endpoint change 192.0.2.2 id 101 subflow backup dev #2",
                "endpoint add 192.0.2.1 id 100 subflow dev #1",
            ]
        );
        let exact = policy.exact().plan(&[local(3, 7)], &existing[2..]);
        assert_eq!(
            words(&exact),
            ["endpoint delete 192.0.2.7 id 1 signal", "endpoint add 192.0.2.7 id 100 subflow backup dev #3"]
        );
    }

    #[test]
    fn first_rules_have_the_room_beside_foreign_endpoints() {
        let policy =
            EndpointPolicy::new().interface("eth2", BACKUP).interface("*", EndpointFlags::SUBFLOW).at_most(3);
        let existing = [Endpoint::new(ip(7)).id(1).signal()];
        let steps = policy.plan(&[local(1, 1), local(2, 2), local(3, 3)], &existing);
        assert_eq!(
            words(&steps),
            [
                "endpoint add 192.0.2.1 id 100 subflow dev #1",
                "endpoint add 192.0.2.2 id 101 subflow backup dev #2"
            ]
        );
    }

    #[test]
    fn endpoint_that_the_kernel_made_gives_way() {
        let implicit = Endpoint::new(ip(1)).id(3).flags(EndpointFlags::IMPLICIT).index(1);
        let steps = EndpointPolicy::new().plan(&[local(1, 1)], std::slice::from_ref(&implicit));
        assert_eq!(
            words(&steps),
            [
                "endpoint delete 192.0.2.1 id 3 implicit dev #1",
                "endpoint add 192.0.2.1 id 100 subflow dev #1"
            ]
        );
        assert_eq!(EndpointPolicy::new().plan(&[local(2, 2)], &[implicit]).len(), 1);
    }

    #[test]
    fn endpoints_of_a_former_range_are_moved_and_those_of_others_stay() {
        let policy = EndpointPolicy::new().ids(50..=60);
        let existing = [
            Endpoint::new(ip(1)).id(100).subflow().index(1),
            Endpoint::new(ip(9)).id(120).subflow().index(1),
            Endpoint::new(ip(7)).id(1).signal(),
            Endpoint::new(ip(8)).id(101).flags(EndpointFlags::IMPLICIT),
        ];
        let here = [local(1, 1), local(2, 7)];
        let expected = [
            "endpoint delete 192.0.2.1 id 100 subflow dev #1",
            "endpoint delete 192.0.2.9 id 120 subflow dev #1",
            "endpoint add 192.0.2.1 id 50 subflow dev #1",
        ];
        assert_eq!(words(&policy.plan_after(&[100..=199], &here, &existing)), expected);
        // Without that history they are somebody else's.
        assert_eq!(words(&policy.plan(&here, &existing)), [] as [String; 0]);
        // The ranges may overlap.
        let overlapping = EndpointPolicy::new().ids(90..=110);
        assert_eq!(words(&overlapping.plan_after(&[100..=199], &here, &existing)), [expected[1]]);
    }

    /// The table of the kernel after a step.
    fn apply(table: &mut Vec<Endpoint>, step: &EndpointStep) {
        match step {
            EndpointStep::Add(new) => {
                assert!(
                    table.iter().all(|e| e.id != new.id && e.address != new.address),
                    "{new} in {table:?}"
                );
                table.push(new.clone());
            }
            EndpointStep::Change(new) => table.iter_mut().find(|e| e.id == new.id).unwrap().flags = new.flags,
            EndpointStep::Delete(old) => table.retain(|e| e.id != old.id),
            EndpointStep::Limits(..) => {}
        }
    }

    proptest! {
        /// After the plan there is nothing more to do, nobody else's was touched, and there is no more than there may be.
        #[test]
        fn plan_converges_at_once(
            here in proptest::collection::vec((1..4_u32, 0..8_u8), 0..10),
            existing in proptest::collection::btree_map(0..8_u8, (95..110_u8, 0..64_u32, 1..4_u32), 0..8),
            at_most in 0..9_usize,
            exact in any::<bool>(),
            former in proptest::option::of(90..105_u8),
        ) {
            let mut policy = EndpointPolicy::new().interface("eth1", BACKUP).interface("eth2", EndpointFlags::SUBFLOW);
            if exact {
                policy = policy.exact();
            }
            policy = policy.at_most(at_most);
            let here: Vec<_> = here.into_iter().map(|(index, last)| local(index, last)).collect();
            let mut ids = BTreeSet::new();
            let mut table: Vec<_> = existing
                .into_iter()
                .filter(|(_, (id, ..))| ids.insert(*id))
                .map(|(last, (id, flags, index))| {
                    Endpoint::new(ip(last)).id(id).flags(EndpointFlags::from_bits_retain(flags)).index(index)
                })
                .collect();
            let former: Vec<_> = former.map(|first| first..=first + 3).into_iter().collect();
            let left = |e: &Endpoint| former.iter().any(|ids| ids.contains(&e.id.get()));
            let foreign = |table: &[Endpoint]| {
                let others = table.iter().filter(|e| !policy.owns(e) && !policy.exact && !is_implicit(e));
                others.filter(|e| !left(e)).cloned().collect::<Vec<_>>()
            };
            let before = foreign(&table);
            for step in policy.plan_after(&former, &here, &table) {
                apply(&mut table, &step);
            }
            prop_assert!(!table.iter().any(|e| left(e) && !policy.owns(e) && !is_implicit(e)), "{:?}", table);
            // The former range is forgotten when this was done.
            prop_assert_eq!(words(&policy.plan(&here, &table)), [] as [String; 0]);
            prop_assert_eq!(foreign(&table), before.clone());
            let ours = table.iter().filter(|e| policy.owns(e) && !is_implicit(e)).count();
            prop_assert!(ours <= at_most.saturating_sub(before.len()), "{:?}", table);
        }
    }
}

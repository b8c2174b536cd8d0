use std::collections::HashSet;

use super::current::Snapshot;
use super::desired::Tree;
use super::plan::Step;
use crate::filter::{Filter, FilterConfig};
use crate::{TcHandle, TcObject, TcVerb};

/// What happens to filters: before classes are deleted, and after they are added.
#[derive(Debug, Default)]
pub(super) struct Filters {
    pub(super) deletes: Vec<Step>,
    pub(super) writes: Vec<Step>,
}

/// Plans the filters, given the qdiscs and classes that stay and the steps that delete the others.
pub(super) fn plan(tree: &Tree, current: &Snapshot, kept: &HashSet<TcHandle>, deletes: &[Step]) -> Filters {
    let deleted: HashSet<_> = deletes
        .iter()
        .filter_map(|(_, object)| match object {
            TcObject::Class(class) => Some(class.handle),
            _ => None,
        })
        .collect();
    // Those of what goes go with it.
    let stays = |filter: &&Filter| {
        let parent = filter.parent;
        kept.contains(&parent)
            || parent.qdisc() == TcHandle::INGRESS.qdisc() && kept.contains(&parent.qdisc())
    };
    let mut plan = Filters::default();
    for parent in &tree.filtered {
        let on = |filter: &&Filter| filter.parent == *parent;
        let desired = tree.filters.iter().filter(on).collect();
        let existing = current.filters().iter().filter(on).filter(stays).collect();
        plan.place(current.index, desired, existing, &deleted);
    }
    // A class cannot be deleted while a filter points to it.
    let others = current.filters().iter().filter(|filter| !tree.filtered.contains(&filter.parent));
    for filter in others.filter(stays).filter(|filter| deleted.contains(&filter.config.classid())) {
        plan.deletes.push((TcVerb::Delete, filter.clone().into()));
        if tree.classes.iter().any(|class| class.handle == filter.config.classid()) {
            plan.writes.push((TcVerb::Add, filter.clone().into()));
        }
    }
    plan
}

impl Filters {
    /// Plans the filters of one qdisc or class.
    fn place(
        &mut self,
        index: u32,
        desired: Vec<&Filter>,
        existing: Vec<&Filter>,
        deleted: &HashSet<TcHandle>,
    ) {
        let (mut left, mut missing) = (existing, Vec::new());
        for filter in desired {
            let met = |is: &&Filter| {
                is_same_place(filter, is)
                    && filter.config.is_met_by(&is.config)
                    && !deleted.contains(&is.config.classid())
            };
            match left.iter().position(met) {
                Some(at) => {
                    left.remove(at);
                }
                None => missing.push(filter),
            }
        }
        for filter in missing {
            let mut new = filter.clone();
            new.index = index;
            let in_place = |is: &&Filter| {
                is_same_place(filter, is)
                    && changes_into(&filter.config, &is.config)
                    && !deleted.contains(&is.config.classid())
            };
            if let Some(at) = left.iter().position(in_place) {
                new.handle = left.remove(at).handle;
                self.writes.push((TcVerb::Change, new.into()));
                continue;
            }
            let replaces = |is: &&Filter| {
                is_same_chain(filter, is)
                    && filter.config.kind() == is.config.kind()
                    && filter.protocol == is.protocol
                    && !deleted.contains(&is.config.classid())
            };
            let Some(at) = left.iter().position(replaces) else {
                self.writes.push((TcVerb::Add, new.into()));
                continue;
            };
            let old = left.remove(at).clone();
            // The same handle cannot be there twice, nor can matchall: for a moment there is neither. Otherwise the new one is there first.
            let add: Step = (TcVerb::Add, new.into());
            let delete: Step = (TcVerb::Delete, old.clone().into());
            let alone = filter.handle == old.handle || filter.config.kind() == "matchall";
            self.writes.extend(if alone { [delete, add] } else { [add, delete] });
        }
        // Tables last, which cannot be deleted while there is a link to them.
        left.sort_by_key(|filter| matches!(filter.config, FilterConfig::U32Table(_)));
        for filter in left {
            self.deletes.push((TcVerb::Delete, filter.clone().into()));
        }
    }
}

fn is_same_chain(desired: &Filter, current: &Filter) -> bool {
    desired.chain.unwrap_or(0) == current.chain.unwrap_or(0) && desired.priority == current.priority
}

fn is_same_place(desired: &Filter, current: &Filter) -> bool {
    is_same_chain(desired, current)
        && desired.protocol == current.protocol
        && (desired.handle == 0 || desired.handle == current.handle)
}

/// Whether a change makes the current configuration the desired one. The kernel changes no other kind, and of `u32` not what it
/// compares.
fn changes_into(desired: &FilterConfig, current: &FilterConfig) -> bool {
    match (desired, current) {
        (FilterConfig::Flower(_), FilterConfig::Flower(_)) => true,
        (FilterConfig::Fw(desired), FilterConfig::Fw(current)) => desired.mask == current.mask,
        (FilterConfig::Bpf(desired), FilterConfig::Bpf(_)) => desired.fd.is_some(),
        (FilterConfig::U32(desired), FilterConfig::U32(is)) => {
            let mut same = desired.clone();
            same.classid = is.classid;
            #[cfg(feature = "action")]
            same.actions.clone_from(&is.actions);
            FilterConfig::from(same).is_met_by(current)
        }
        _ => false,
    }
}

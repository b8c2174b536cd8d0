use std::collections::{HashMap, HashSet};

use super::current::Snapshot;
use super::desired::{Entry, Tree};
use super::filters;
use super::place::Single;
use super::plan::{Plan, Step};
use crate::class::{Class, ClassConfig};
use crate::qdisc::{Qdisc, QdiscConfig};
use crate::{SizeTable, TcHandle, TcVerb};

impl Tree {
    /// The steps from the current state to this tree.
    ///
    /// # Errors
    /// The tree is invalid: a parent is missing, a handle is used twice, a class is of another kind than its qdisc, or a
    /// configuration is [invalid](nl_core::Request::invalid_if).
    pub fn plan(&self, current: &Snapshot) -> nl_core::Result<Plan> {
        self.check()?;
        let plan = plan(self, current);
        for (verb, object) in &plan.steps {
            object.request(*verb).encoded()?;
        }
        Ok(plan)
    }
}

impl Tree {
    /// The steps that delete the root qdisc and the ingress or clsact qdisc of this tree, if the current ones are they, by kind and
    /// handle.
    ///
    /// # Errors
    /// None at present.
    pub fn plan_removal(&self, current: &Snapshot) -> nl_core::Result<Plan> {
        let is_ours = |qdisc: &&Qdisc| {
            let kind = qdisc.config.kind();
            let root = self.qdiscs.iter().filter(|entry| entry.parent.is_root() && qdisc.parent.is_root());
            let mut root = root.filter(|entry| entry.handle.is_none() || entry.handle == qdisc.handle);
            let is_ingress = qdisc.parent == TcHandle::INGRESS;
            root.any(|entry| entry.config.kind() == kind)
                || is_ingress && self.ingress.iter().any(|config| config.kind() == kind)
        };
        let delete = |qdisc: &Qdisc| -> Step {
            let qdisc = Qdisc::at(current.index, qdisc.parent).handle(qdisc.handle);
            (TcVerb::Delete, qdisc.into())
        };
        Ok(Plan { steps: current.qdiscs().iter().filter(is_ours).map(delete).collect() })
    }
}

/// Whether an ingress or clsact qdisc has the blocks of the tree, which the kernel does not change. One that the tree does not have stays,
/// unless the tree has filters in its place, which the kernel refuses beside a block.
fn has_blocks(tree: &Tree, current: &Qdisc) -> bool {
    let is_met = |desired: Option<u32>, is: Option<u32>, place| match desired {
        Some(_) => desired == is,
        None => is.is_none() || !tree.filtered.contains(&place),
    };
    is_met(tree.ingress_block, current.ingress_block, TcHandle::CLSACT_INGRESS)
        && is_met(tree.egress_block, current.egress_block, TcHandle::CLSACT_EGRESS)
}

fn plan(tree: &Tree, current: &Snapshot) -> Plan {
    let desired_single = Single::of(tree.qdiscs.iter().map(|qdisc| (qdisc.handle, &qdisc.config)));
    let current_single = Single::of(current.qdiscs().iter().map(|qdisc| (qdisc.handle, &qdisc.config)));
    let desired_place = |qdisc: &Entry<QdiscConfig>| desired_single.place(qdisc.parent);
    let current_place = |qdisc: &Qdisc| current_single.place(qdisc.parent);
    let mut planner = Planner {
        current,
        handles: tree.qdiscs.iter().map(|qdisc| qdisc.handle).collect(),
        desired_by_place: tree.qdiscs.iter().map(|qdisc| (desired_place(qdisc), qdisc)).collect(),
        current_by_place: current.qdiscs().iter().map(|qdisc| (current_place(qdisc), qdisc)).collect(),
        desired_by_qdisc: grouped(tree.classes.iter().map(|class| (class.handle.qdisc(), class))),
        current_by_qdisc: grouped(current.classes().iter().map(|class| (class.handle.qdisc(), class))),
        desired_places_by_qdisc: by_qdisc(tree.qdiscs.iter().map(desired_place)),
        current_places_by_qdisc: by_qdisc(current.qdiscs().iter().map(current_place)),
        inner: tree.classes.iter().map(|class| class.parent).collect(),
        stab: tree.stab,
        kept: HashSet::new(),
        deletes: Vec::new(),
        writes: Vec::new(),
    };
    let root = TcHandle::ROOT;
    match (planner.desired_by_place.get(&root).copied(), planner.current_by_place.get(&root).copied()) {
        (Some(desired), current) => planner.qdisc(desired, current),
        // A tree of an ingress qdisc leaves the root as it is.
        (None, Some(_)) if !tree.ingress.is_empty() => {}
        (None, Some(current)) => planner.delete_qdisc(current),
        (None, None) => {}
    }
    planner.ingress(tree);
    let Planner { deletes, writes, kept, .. } = planner;
    let filters = filters::plan(tree, current, &kept, &deletes);
    let steps = [filters.deletes, deletes, writes, filters.writes].concat();
    Plan { steps }
}

struct Planner<'a> {
    current: &'a Snapshot,
    /// The handles of all desired qdiscs.
    handles: HashSet<TcHandle>,
    desired_by_place: HashMap<TcHandle, &'a Entry<QdiscConfig>>,
    current_by_place: HashMap<TcHandle, &'a Qdisc>,
    /// The classes of each qdisc, and the places in it with a qdisc.
    desired_by_qdisc: HashMap<TcHandle, Vec<&'a Entry<ClassConfig>>>,
    current_by_qdisc: HashMap<TcHandle, Vec<&'a Class>>,
    desired_places_by_qdisc: HashMap<TcHandle, Vec<TcHandle>>,
    current_places_by_qdisc: HashMap<TcHandle, Vec<TcHandle>>,
    /// The desired classes with children.
    inner: HashSet<TcHandle>,
    /// The desired size table of the root.
    stab: Option<SizeTable>,
    /// The qdiscs and classes that stay, with their filters.
    kept: HashSet<TcHandle>,
    deletes: Vec<Step>,
    writes: Vec<Step>,
}

impl<'a> Planner<'a> {
    /// Plans a qdisc and everything below it.
    fn qdisc(&mut self, desired: &'a Entry<QdiscConfig>, current: Option<&'a Qdisc>) {
        let Some(current) = current else {
            self.write_qdisc(TcVerb::Add, desired, None, desired.config.clone());
            return self.classes(desired, None, false);
        };
        // Without a desired handle the qdisc keeps its own, unless another qdisc is to have that.
        let free = current.handle.is_none() || !self.handles.contains(&current.handle);
        let same_handle = desired.handle == current.handle || (desired.handle.is_none() && free);
        if same_handle
            && desired.config.kind() == current.config.kind()
            && self.root_class_stays(desired, current)
        {
            self.kept.insert(current.handle);
            if desired.config.is_met_by(&current.config) {
                self.size_table(desired, current);
                return self.classes(desired, Some(current), false);
            }
            if let Some(change) = change_of(&desired.config, &current.config) {
                self.write_qdisc(TcVerb::Change, desired, Some(current), change);
                let stays = Some(current).filter(|_| keeps_what_is_below(&desired.config));
                // A change of ETS resets the quanta of all bands.
                return self.classes(desired, stays, desired.config.kind() == "ets");
            }
            self.kept.remove(&current.handle);
        }
        // One request is enough, unless a handle must first become free.
        let automatic = desired.handle.is_none();
        let in_the_way = self.current.qdiscs().iter().any(|qdisc| qdisc.handle == desired.handle);
        let needed = self.current.below(current).iter().any(|name| self.handles.contains(name));
        if automatic || in_the_way || needed {
            self.delete_qdisc(current);
            self.write_qdisc(TcVerb::Add, desired, None, desired.config.clone());
        } else {
            self.write_qdisc(TcVerb::Replace, desired, None, desired.config.clone());
        }
        self.classes(desired, None, false);
    }

    /// Whether the root class, which only HFSC has, can be changed into the desired one. It cannot be deleted, so losing a curve
    /// takes a new qdisc.
    fn root_class_stays(&self, desired: &Entry<QdiscConfig>, current: &Qdisc) -> bool {
        #[cfg(feature = "hfsc")]
        if let QdiscConfig::Hfsc(_) = current.config {
            let (is, should) = (current.handle, desired.handle);
            let is =
                self.current_by_qdisc.get(&is).and_then(|all| all.iter().find(|class| class.handle == is));
            let should =
                self.desired_by_qdisc.get(&should).and_then(|all| all.iter().find(|e| e.handle == should));
            let none = crate::hfsc::HfscClassConfig::new().into();
            let should = should.map_or(&none, |entry| &entry.config);
            return is.is_none_or(|class| changes_into(should, &class.config));
        }
        let _ = (desired, current);
        true
    }

    /// Plans the classes of a qdisc and their qdiscs. If they are `reset`, all desired classes are written again.
    fn classes(&mut self, qdisc: &'a Entry<QdiscConfig>, current: Option<&'a Qdisc>, reset: bool) {
        // Of a qdisc that keeps the handle that the kernel chose, nothing below is desired.
        let handle = match current {
            Some(current) if qdisc.handle.is_none() => current.handle,
            _ => qdisc.handle,
        };
        if handle.is_none() {
            return;
        }
        let kind = qdisc.config.kind();
        let desired =
            ordered(self.desired_by_qdisc.get(&handle).map(Vec::as_slice).unwrap_or_default(), handle);
        let existing: HashMap<_, _> = match current {
            Some(current) if qdisc.config.has_classes() => {
                let own = self.current_by_qdisc.get(&current.handle).into_iter().flatten();
                own.map(|class| (class.handle, *class)).collect()
            }
            _ => HashMap::new(),
        };
        let deleted = self.to_delete(qdisc, &desired, &existing);
        for class in bottom_up(&existing).into_iter().filter(|class| deleted.contains(&class.handle)) {
            self.deletes.push((TcVerb::Delete, Class::at(self.current.index, class.handle).into()));
        }
        self.kept.extend(existing.keys().filter(|class| !deleted.contains(*class)));
        let staying = |handle| existing.get(&handle).filter(|_| !deleted.contains(&handle)).copied();
        for entry in &desired {
            match staying(entry.handle) {
                Some(class) if !reset && self.is_met(qdisc, entry, class) => {}
                Some(_) => self.write_class(TcVerb::Change, entry),
                None => self.write_class(verb_of_new(entry.handle, kind), entry),
            }
            self.leaf(entry.handle, staying(entry.handle).is_some(), kind);
        }
        // A band of ETS, a queue of mq, the place below tbf can have a qdisc without being in the tree.
        let planned: HashSet<_> = desired.iter().map(|entry| entry.handle).collect();
        let mut places = self.desired_places_by_qdisc.get(&handle).cloned().unwrap_or_default();
        let current_places = current.and_then(|current| self.current_places_by_qdisc.get(&current.handle));
        places.extend(current_places.into_iter().flatten().copied());
        places.retain(|place| !planned.contains(place) && !deleted.contains(place));
        places.sort_unstable();
        places.dedup();
        for place in places {
            self.leaf(place, current.is_some(), kind);
        }
    }

    /// Plans the qdisc of a class, which stays or is new.
    fn leaf(&mut self, class: TcHandle, stays: bool, kind: &str) {
        let current = self.current_by_place.get(&class).filter(|_| stays).copied();
        match (self.desired_by_place.get(&class).copied(), current) {
            (Some(desired), current) => self.qdisc(desired, current),
            (None, Some(current)) => {
                // HTB deletes the qdisc of a class that gets its first child.
                let automatic = kind == "htb"
                    && self.inner.contains(&class)
                    && !self.current.below(current).iter().any(|name| self.handles.contains(name));
                if !automatic {
                    self.delete_qdisc(current);
                }
            }
            (None, None) => {}
        }
    }

    /// The classes to delete, including those to add again.
    fn to_delete(
        &self,
        qdisc: &Entry<QdiscConfig>,
        desired: &[&Entry<ClassConfig>],
        existing: &HashMap<TcHandle, &Class>,
    ) -> HashSet<TcHandle> {
        let kind = qdisc.config.kind();
        let mut deleted = HashSet::new();
        if kind == "ets" {
            return deleted;
        }
        let desired: HashMap<_, _> = desired.iter().map(|entry| (entry.handle, *entry)).collect();
        for class in bottom_up(existing).into_iter().rev().filter(|class| class.handle.minor() != 0) {
            let parent = if class.is_top() { qdisc.handle } else { class.parent };
            let unchanged = desired.get(&class.handle).is_some_and(|entry| {
                entry.parent == parent
                    && (self.is_met(qdisc, entry, class) || changes_into(&entry.config, &class.config))
            });
            if !unchanged || deleted.contains(&parent) {
                deleted.insert(class.handle);
            }
        }
        deleted
    }

    /// Whether a current class is as desired, given its qdisc and its children.
    fn is_met(&self, qdisc: &Entry<QdiscConfig>, desired: &Entry<ClassConfig>, current: &Class) -> bool {
        let inner = self.inner.contains(&desired.handle);
        match (&desired.config, &current.config, &qdisc.config) {
            #[cfg(feature = "htb")]
            (ClassConfig::Htb(config), ClassConfig::Htb(current), QdiscConfig::Htb(htb)) => {
                let mut config = config.clone();
                if inner {
                    (config.prio, config.quantum) = (current.prio, current.quantum);
                } else {
                    config.quantum = config.quantum.or_else(|| Some(htb.quantum(config.rate)));
                }
                ClassConfig::from(config).is_met_by(&current.clone().into())
            }
            #[cfg(feature = "hfsc")]
            (ClassConfig::Hfsc(config), current, _) if inner && config.link_share.is_none() => {
                // The kernel gives a class with only a real-time curve a link-sharing curve when it gets a child.
                let mut config = config.clone();
                let shared = config.clone();
                config.link_share = config.real_time;
                ClassConfig::from(config).is_met_by(current) || ClassConfig::from(shared).is_met_by(current)
            }
            (desired, current, _) => {
                let _ = inner;
                desired.is_met_by(current)
            }
        }
    }

    /// Plans the ingress or clsact qdisc, which stays as it is if none is desired.
    fn ingress(&mut self, tree: &Tree) {
        let current = self.current.ingress();
        match (tree.ingress.first(), current) {
            (Some(desired), Some(current))
                if desired.kind() == current.config.kind() && has_blocks(tree, current) =>
            {
                self.kept.insert(current.handle);
            }
            (Some(desired), current) => {
                if let Some(current) = current {
                    self.delete_qdisc(current);
                }
                let mut qdisc = Qdisc::new(self.current.index, TcHandle::INGRESS, desired.clone());
                (qdisc.ingress_block, qdisc.egress_block) = (tree.ingress_block, tree.egress_block);
                self.writes.push((TcVerb::Add, qdisc.into()));
            }
            (None, Some(current)) => {
                self.kept.insert(current.handle);
            }
            (None, None) => {}
        }
    }

    /// Plans the size table of a root qdisc whose options are as desired.
    fn size_table(&mut self, desired: &Entry<QdiscConfig>, current: &Qdisc) {
        let Some(table) = self.stab.filter(|_| desired.parent.is_root()) else { return };
        if current.stab.is_some_and(|is| table.is_met_by(&is)) {
            return;
        }
        // Without options, because not every kind takes them in a change.
        let config = QdiscConfig::Other { kind: current.config.kind().to_owned(), options: None };
        let qdisc = Qdisc::new(self.current.index, current.parent, config).handle(current.handle);
        self.writes.push((TcVerb::Change, qdisc.stab(table).into()));
    }

    fn delete_qdisc(&mut self, current: &Qdisc) {
        let qdisc = Qdisc::at(self.current.index, current.parent).handle(current.handle);
        self.deletes.push((TcVerb::Delete, qdisc.into()));
    }

    fn write_qdisc(
        &mut self,
        verb: TcVerb,
        desired: &Entry<QdiscConfig>,
        current: Option<&Qdisc>,
        config: QdiscConfig,
    ) {
        let handle = match (verb, current) {
            (TcVerb::Change, Some(current)) => current.handle,
            _ => desired.handle,
        };
        let mut qdisc = Qdisc::new(self.current.index, desired.parent, config).handle(handle);
        if let (TcVerb::Change, Some(current)) = (verb, current) {
            // The same place can have another name. A change without the size table would remove it.
            (qdisc.parent, qdisc.stab) = (current.parent, current.stab);
        }
        if desired.parent.is_root() {
            qdisc.stab = self.stab.or(qdisc.stab);
        }
        self.writes.push((verb, qdisc.into()));
    }

    fn write_class(&mut self, verb: TcVerb, entry: &Entry<ClassConfig>) {
        let class = Class::new(self.current.index, entry.handle, entry.config.clone());
        // A changed class already has the desired parent.
        let class = if verb == TcVerb::Change { class } else { class.parent(entry.parent) };
        self.writes.push((verb, class.into()));
    }
}

/// Places by the qdisc that they are in.
fn by_qdisc(places: impl Iterator<Item = TcHandle>) -> HashMap<TcHandle, Vec<TcHandle>> {
    grouped(places.filter(|place| !place.is_root()).map(|place| (place.qdisc(), place)))
}

fn grouped<T>(all: impl Iterator<Item = (TcHandle, T)>) -> HashMap<TcHandle, Vec<T>> {
    let mut groups: HashMap<_, Vec<T>> = HashMap::new();
    for (group, member) in all {
        groups.entry(group).or_default().push(member);
    }
    groups
}

/// The classes of a qdisc, parents before children, otherwise in the order of the tree.
fn ordered<'a>(classes: &[&'a Entry<ClassConfig>], qdisc: TcHandle) -> Vec<&'a Entry<ClassConfig>> {
    // The root class of HFSC, then level by level.
    let mut out: Vec<_> = classes.iter().copied().filter(|class| class.handle == qdisc).collect();
    let mut level = HashSet::from([qdisc]);
    while !level.is_empty() {
        let next =
            classes.iter().copied().filter(|class| class.handle != qdisc && level.contains(&class.parent));
        let next: Vec<_> = next.collect();
        level = next.iter().map(|class| class.handle).collect();
        out.extend(next);
    }
    out
}

/// The current classes, children before parents.
fn bottom_up<'a>(existing: &HashMap<TcHandle, &'a Class>) -> Vec<&'a Class> {
    let depth = |class: &Class| {
        let (mut at, mut depth) = (class.parent, 0);
        while let Some(above) =
            existing.get(&at).filter(|above| above.handle.minor() != 0 && depth <= existing.len())
        {
            at = above.parent;
            depth += 1;
        }
        depth
    };
    let mut all: Vec<_> = existing.values().map(|class| (depth(class), *class)).collect();
    all.sort_by_key(|(depth, class)| (std::cmp::Reverse(*depth), class.handle));
    all.into_iter().map(|(_, class)| class).collect()
}

/// Whether a change can make the current configuration the desired one.
fn changes_into(desired: &ClassConfig, current: &ClassConfig) -> bool {
    match (desired, current) {
        #[cfg(feature = "hfsc")]
        (ClassConfig::Hfsc(desired), ClassConfig::Hfsc(current)) => {
            (desired.real_time.is_some() || current.real_time.is_none())
                && (desired.link_share.is_some() || current.link_share.is_none())
                && (desired.upper_limit.is_some() || current.upper_limit.is_none())
        }
        (desired, current) => desired.kind() == current.kind(),
    }
}

/// The change that makes the current configuration the desired one. `None` if no change can.
fn change_of(desired: &QdiscConfig, current: &QdiscConfig) -> Option<QdiscConfig> {
    match (desired, current) {
        #[cfg(feature = "leaf")]
        (QdiscConfig::FqCodel(desired), QdiscConfig::FqCodel(current)) => {
            // The kernel refuses `flows` in a change, even with the current value.
            let same = desired.flows.is_none() || desired.flows == current.flows;
            same.then(|| {
                let mut change = desired.clone();
                change.flows = None;
                change.into()
            })
        }
        #[cfg(feature = "leaf")]
        (QdiscConfig::FqPie(desired), QdiscConfig::FqPie(current)) => {
            // As of fq_codel.
            let same = desired.flows.is_none() || desired.flows == current.flows;
            let mut change = *desired;
            change.flows = None;
            same.then(|| change.into())
        }
        (desired, _) if matches!(desired.kind(), "drr" | "etf" | "htb" | "mqprio" | "qfq") => None,
        (desired, current) => (desired.kind() == current.kind()).then(|| desired.clone()),
    }
}

/// Whether what is below stays when the options are changed. RED gets a new FIFO of its limit.
fn keeps_what_is_below(config: &QdiscConfig) -> bool {
    #[cfg(feature = "leaf")]
    if let QdiscConfig::Red(red) = config {
        return red.limit == 0;
    }
    let _ = config;
    true
}

/// The verb for a new class. Some classes exist as soon as their qdisc does.
fn verb_of_new(handle: TcHandle, kind: &str) -> TcVerb {
    match kind {
        "ets" => TcVerb::Change,
        "hfsc" if handle.minor() == 0 => TcVerb::Change,
        _ => TcVerb::Add,
    }
}

use std::collections::{HashMap, HashSet};

use super::{Entry, Plan, Snapshot, Tree, change_of, changes_into, verb_of_new};
use crate::class::{Class, ClassConfig};
use crate::qdisc::{Qdisc, QdiscConfig};
use crate::{TcHandle, TcObject, TcVerb};

/// One request of a plan.
pub type Step = (TcVerb, TcObject);

pub(super) fn plan(tree: &Tree, now: &Snapshot) -> Plan {
    let mut planner = Planner {
        now,
        wanted: tree.qdiscs.iter().map(|qdisc| qdisc.handle).collect(),
        wanted_on: tree.qdiscs.iter().map(|qdisc| (qdisc.parent, qdisc)).collect(),
        there_on: now.qdiscs().iter().map(|qdisc| (qdisc.parent, qdisc)).collect(),
        wanted_in: grouped(tree.classes.iter().map(|class| (class.handle.qdisc(), class))),
        there_in: grouped(now.classes().iter().map(|class| (class.handle.qdisc(), class))),
        places_in: grouped(
            tree.qdiscs.iter().filter(|on| !on.parent.is_root()).map(|on| (on.parent.qdisc(), on.parent)),
        ),
        inner: tree.classes.iter().map(|class| class.parent).collect(),
        deletes: Vec::new(),
        writes: Vec::new(),
    };
    let root = TcHandle::ROOT;
    match (planner.wanted_on.get(&root).copied(), planner.there_on.get(&root).copied()) {
        (Some(wanted), there) => planner.qdisc(wanted, there),
        (None, Some(there)) => planner.delete_qdisc(there),
        (None, None) => {}
    }
    let Planner { mut deletes, writes, .. } = planner;
    deletes.extend(writes);
    Plan { steps: deletes }
}

struct Planner<'a> {
    now: &'a Snapshot,
    /// The names of all qdiscs of the tree.
    wanted: HashSet<TcHandle>,
    /// By place.
    wanted_on: HashMap<TcHandle, &'a Entry<QdiscConfig>>,
    there_on: HashMap<TcHandle, &'a Qdisc>,
    /// By qdisc: the classes of the tree, those that are there, and those that the tree has qdiscs on.
    wanted_in: HashMap<TcHandle, Vec<&'a Entry<ClassConfig>>>,
    there_in: HashMap<TcHandle, Vec<&'a Class>>,
    places_in: HashMap<TcHandle, Vec<TcHandle>>,
    /// The classes of the tree that have children.
    inner: HashSet<TcHandle>,
    deletes: Vec<Step>,
    writes: Vec<Step>,
}

impl<'a> Planner<'a> {
    /// A qdisc in its place, and all below it.
    fn qdisc(&mut self, wanted: &'a Entry<QdiscConfig>, there: Option<&'a Qdisc>) {
        let Some(there) = there else {
            self.write_qdisc(TcVerb::Add, wanted, wanted.handle, wanted.config.clone());
            return self.classes(wanted, None, false);
        };
        // One without a wish for a name keeps the one it has, unless that is to be another's.
        let free = there.handle.is_none() || !self.wanted.contains(&there.handle);
        let named = wanted.handle == there.handle || (wanted.handle.is_none() && free);
        if named && wanted.config.kind() == there.config.kind() && self.own_class_stays(wanted, there) {
            if wanted.config.is_met_by(&there.config) {
                return self.classes(wanted, Some(there), false);
            }
            if let Some(change) = change_of(&wanted.config, &there.config) {
                self.write_qdisc(TcVerb::Change, wanted, there.handle, change);
                // With ETS the quanta of all bands begin anew.
                return self.classes(wanted, Some(there), wanted.config.kind() == "ets");
            }
        }
        // In one request, unless a name has to be free before that is not.
        let unnamed = wanted.handle.is_none();
        let in_the_way = self.now.qdiscs().iter().any(|qdisc| qdisc.handle == wanted.handle);
        let needed = self.now.below(there).iter().any(|name| self.wanted.contains(name));
        if unnamed || in_the_way || needed {
            self.delete_qdisc(there);
            self.write_qdisc(TcVerb::Add, wanted, wanted.handle, wanted.config.clone());
        } else {
            self.write_qdisc(TcVerb::Replace, wanted, wanted.handle, wanted.config.clone());
        }
        self.classes(wanted, None, false);
    }

    /// Whether the class that a qdisc itself is, which only HFSC has, can be made what is wanted of it. It cannot be
    /// deleted, so a curve it has for nothing takes a new qdisc.
    fn own_class_stays(&self, wanted: &Entry<QdiscConfig>, there: &Qdisc) -> bool {
        #[cfg(feature = "hfsc")]
        if let QdiscConfig::Hfsc(_) = there.config {
            let own = |class: &&&Class| class.handle == there.handle;
            let said = |class: &&&Entry<ClassConfig>| class.handle == wanted.handle;
            let own = self.there_in.get(&there.handle).and_then(|classes| classes.iter().find(own));
            let said = self.wanted_in.get(&wanted.handle).and_then(|classes| classes.iter().find(said));
            let nothing = crate::hfsc::HfscClassConfig::new().into();
            let said = said.map_or(&nothing, |entry| &entry.config);
            return own.is_none_or(|own| changes_into(said, &own.config));
        }
        let _ = (wanted, there);
        true
    }

    /// The classes of a qdisc and the qdiscs on them. What is `stale` has to be said again.
    fn classes(&mut self, qdisc: &'a Entry<QdiscConfig>, there: Option<&'a Qdisc>, stale: bool) {
        if qdisc.handle.is_none() {
            return;
        }
        let kind = qdisc.config.kind();
        let wanted =
            ordered(self.wanted_in.get(&qdisc.handle).map(Vec::as_slice).unwrap_or_default(), qdisc.handle);
        let now: HashMap<_, _> = match there {
            Some(there) if qdisc.config.has_classes() => {
                let own = self.there_in.get(&there.handle).into_iter().flatten();
                own.map(|class| (class.handle, *class)).collect()
            }
            _ => HashMap::new(),
        };
        let doomed = self.doomed(qdisc, &wanted, &now);
        for class in bottom_up(&now).into_iter().filter(|class| doomed.contains(&class.handle)) {
            self.deletes.push((TcVerb::Delete, Class::at(self.now.index, class.handle).into()));
        }
        let alive = |handle| now.get(&handle).filter(|_| !doomed.contains(&handle)).copied();
        for entry in &wanted {
            match alive(entry.handle) {
                Some(class) if !stale && self.is_met(qdisc, entry, class) => {}
                Some(_) => self.write_class(TcVerb::Change, entry),
                None => self.write_class(verb_of_new(entry.handle, kind), entry),
            }
            self.leaf(entry.handle, alive(entry.handle).is_some(), kind);
        }
        // Bands of ETS need not be said.
        let said: HashSet<_> = wanted.iter().map(|entry| entry.handle).collect();
        let mut bands = self.places_in.get(&qdisc.handle).cloned().unwrap_or_default();
        bands.extend(now.keys().filter(|handle| !doomed.contains(*handle)).copied());
        bands.retain(|handle| !said.contains(handle));
        bands.sort_unstable();
        bands.dedup();
        for band in bands {
            self.leaf(band, now.contains_key(&band), kind);
        }
    }

    /// The qdisc on a class, which was there before or not.
    fn leaf(&mut self, class: TcHandle, alive: bool, kind: &str) {
        let there = self.there_on.get(&class).filter(|_| alive).copied();
        match (self.wanted_on.get(&class).copied(), there) {
            (Some(wanted), there) => self.qdisc(wanted, there),
            (None, Some(there)) => {
                // Goes by itself when an HTB class gets its first child.
                let by_itself = kind == "htb"
                    && self.inner.contains(&class)
                    && !self.now.below(there).iter().any(|name| self.wanted.contains(name));
                if !by_itself {
                    self.delete_qdisc(there);
                }
            }
            (None, None) => {}
        }
    }

    /// The classes that have to go, or be made anew.
    fn doomed(
        &self,
        qdisc: &Entry<QdiscConfig>,
        wanted: &[&Entry<ClassConfig>],
        now: &HashMap<TcHandle, &Class>,
    ) -> HashSet<TcHandle> {
        let kind = qdisc.config.kind();
        let mut doomed = HashSet::new();
        if kind == "ets" {
            return doomed;
        }
        let wanted: HashMap<_, _> = wanted.iter().map(|entry| (entry.handle, *entry)).collect();
        for class in bottom_up(now).into_iter().rev().filter(|class| class.handle.minor() != 0) {
            let parent = if class.is_top() { qdisc.handle } else { class.parent };
            let stays = wanted.get(&class.handle).is_some_and(|entry| {
                entry.parent == parent
                    && (self.is_met(qdisc, entry, class) || changes_into(&entry.config, &class.config))
            });
            if !stays || doomed.contains(&parent) {
                doomed.insert(class.handle);
            }
        }
        doomed
    }

    /// Whether a class that is there is as wanted, in its place in the tree.
    fn is_met(&self, qdisc: &Entry<QdiscConfig>, wanted: &Entry<ClassConfig>, there: &Class) -> bool {
        let inner = self.inner.contains(&wanted.handle);
        match (&wanted.config, &there.config, &qdisc.config) {
            #[cfg(feature = "htb")]
            (ClassConfig::Htb(config), ClassConfig::Htb(there), QdiscConfig::Htb(htb)) => {
                let mut config = config.clone();
                if inner {
                    (config.prio, config.quantum) = (there.prio, there.quantum);
                } else {
                    config.quantum = config.quantum.or_else(|| Some(htb.quantum(config.rate)));
                }
                ClassConfig::from(config).is_met_by(&there.clone().into())
            }
            #[cfg(feature = "hfsc")]
            (ClassConfig::Hfsc(config), there, _) if inner && config.link_share.is_none() => {
                // The kernel gives a real-time class a share when it gets a child.
                let mut config = config.clone();
                let shared = config.clone();
                config.link_share = config.real_time;
                ClassConfig::from(config).is_met_by(there) || ClassConfig::from(shared).is_met_by(there)
            }
            (wanted, there, _) => {
                let _ = inner;
                wanted.is_met_by(there)
            }
        }
    }

    fn delete_qdisc(&mut self, there: &Qdisc) {
        let qdisc = Qdisc::at(self.now.index, there.parent).handle(there.handle);
        self.deletes.push((TcVerb::Delete, qdisc.into()));
    }

    fn write_qdisc(
        &mut self,
        verb: TcVerb,
        wanted: &Entry<QdiscConfig>,
        handle: TcHandle,
        config: QdiscConfig,
    ) {
        let mut qdisc = Qdisc::new(self.now.index, wanted.parent, config).handle(handle);
        if verb == TcVerb::Change {
            // A change that does not say it removes it.
            qdisc.stab = self.there_on.get(&wanted.parent).and_then(|there| there.stab);
        }
        self.writes.push((verb, qdisc.into()));
    }

    fn write_class(&mut self, verb: TcVerb, entry: &Entry<ClassConfig>) {
        let class = Class::new(self.now.index, entry.handle, entry.config.clone());
        // A change is for the class wherever it is, which is where it should be.
        let class = if verb == TcVerb::Change { class } else { class.parent(entry.parent) };
        self.writes.push((verb, class.into()));
    }
}

fn grouped<T>(all: impl Iterator<Item = (TcHandle, T)>) -> HashMap<TcHandle, Vec<T>> {
    let mut groups: HashMap<_, Vec<T>> = HashMap::new();
    for (group, member) in all {
        groups.entry(group).or_default().push(member);
    }
    groups
}

/// The classes of a qdisc, parents before children, otherwise as they were said.
fn ordered<'a>(classes: &[&'a Entry<ClassConfig>], qdisc: TcHandle) -> Vec<&'a Entry<ClassConfig>> {
    // HFSC's own class, and then level by level.
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

/// The classes that are there, children before parents.
fn bottom_up<'a>(now: &HashMap<TcHandle, &'a Class>) -> Vec<&'a Class> {
    let depth = |class: &Class| {
        let (mut at, mut depth) = (class.parent, 0);
        while let Some(above) = now.get(&at).filter(|above| above.handle.minor() != 0 && depth <= now.len()) {
            at = above.parent;
            depth += 1;
        }
        depth
    };
    let mut all: Vec<_> = now.values().map(|class| (depth(class), *class)).collect();
    all.sort_by_key(|(depth, class)| (std::cmp::Reverse(*depth), class.handle));
    all.into_iter().map(|(_, class)| class).collect()
}

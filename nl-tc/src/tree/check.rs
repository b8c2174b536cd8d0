use std::collections::{HashMap, HashSet};

use nl_core::check::{Invalid, opt_within};

use super::desired::Tree;
use super::place::Single;
use crate::TcHandle;
use crate::qdisc::{Places, QdiscConfig};

impl Tree {
    /// Refuses a description that is not a tree.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let (mut parents, mut handles) = (HashSet::new(), HashSet::new());
        let inner: HashSet<_> = self.classes.iter().map(|class| class.parent).collect();
        let classes: HashSet<_> = self.classes.iter().map(|class| class.handle).collect();
        let qdiscs: Qdiscs<'_> = self.qdiscs.iter().map(|qdisc| (qdisc.handle, &qdisc.config)).collect();
        let single = Single::of(self.qdiscs.iter().map(|qdisc| (qdisc.handle, &qdisc.config)));
        for qdisc in &self.qdiscs {
            let (parent, handle) = (qdisc.parent, qdisc.handle);
            if !parents.insert(single.place(parent)) {
                return Err(format!("two qdiscs on {parent}").into());
            }
            if !handle.is_none() && !handles.insert(handle) {
                return Err(format!("two qdiscs with the handle {handle}").into());
            }
            if !parent.is_root() && inner.contains(&parent) {
                return Err(format!("a qdisc on class {parent}, which has children").into());
            }
            if !parent.is_root() && !classes.contains(&parent) {
                check_place(&qdiscs, parent, handle)?;
            }
        }
        for class in &self.classes {
            let (handle, parent, within) = (class.handle, class.parent, class.handle.qdisc());
            let Some(qdisc) = qdiscs.get(&within) else {
                return Err(format!("class {handle} in qdisc {within}, which is not in the tree").into());
            };
            if qdisc.kind() != class.config.kind() {
                let (is, not) = (qdisc.kind(), class.config.kind());
                return Err(format!("class {handle} is {not}, but qdisc {within} is {is}").into());
            }
            if handle.minor() != 0 && !handles.insert(handle) {
                return Err(format!("two classes with the classid {handle}").into());
            }
            if parent != within && !classes.contains(&parent) {
                return Err(format!("class {handle} under {parent}, which is not in the tree").into());
            }
            if parent.qdisc() != within {
                return Err(format!("class {handle} under {parent}, which is in another qdisc").into());
            }
            check_quantum(qdisc, handle)?;
        }
        self.check_loops()?;
        self.check_ingress()?;
        self.check_filters(&qdiscs, &classes)?;
        let rootless = !self.qdiscs.is_empty() && !self.qdiscs.iter().any(|qdisc| qdisc.parent.is_root());
        Invalid::when(rootless, "a tree without a root qdisc")
    }

    fn check_ingress(&self) -> Result<(), Invalid> {
        Invalid::when(self.ingress.len() > 1, "two ingress or clsact qdiscs")?;
        if let Some(config) = self.ingress.iter().find(|config| !config.is_ingress()) {
            let kind = config.kind();
            return Err(format!("parent ffff:fff1 is for ingress and clsact, not for {kind}").into());
        }
        let kind = self.ingress.first().map_or("", |config| config.kind());
        for (name, block, needed, place) in [
            ("ingress_block", self.ingress_block, "an ingress or clsact qdisc", TcHandle::CLSACT_INGRESS),
            ("egress_block", self.egress_block, "a clsact qdisc", TcHandle::CLSACT_EGRESS),
        ] {
            let Some(block) = block else { continue };
            opt_within(name, Some(block), 1, u32::MAX)?;
            if kind.is_empty() || (name == "egress_block" && kind != "clsact") {
                return Err(format!("{name} {block} without {needed}").into());
            }
            if self.filtered.contains(&place) {
                return Err(format!(
                    "filters on {place}, which are those of block {block}: a tree has none of a block"
                )
                .into());
            }
        }
        Ok(())
    }

    /// Refuses filters that are on nothing of the tree, or send packets to what is not in it.
    fn check_filters(&self, qdiscs: &Qdiscs<'_>, classes: &HashSet<TcHandle>) -> Result<(), Invalid> {
        let ingress = self.ingress.first().map_or("", |config| config.kind());
        for parent in &self.filtered {
            let there = match *parent {
                TcHandle::CLSACT_INGRESS => !ingress.is_empty(),
                TcHandle::CLSACT_EGRESS => ingress == "clsact",
                parent => qdiscs.contains_key(&parent) || classes.contains(&parent),
            };
            if !there || parent.is_none() {
                return Err(format!("filters on {parent}, which is not in the tree").into());
            }
        }
        let mut names = HashSet::new();
        for filter in &self.filters {
            let (parent, priority, classid) = (filter.parent, filter.priority, filter.config.classid());
            if priority == 0 {
                return Err(format!("a filter on {parent} without a priority, which a tree needs").into());
            }
            let name = (parent, filter.chain.unwrap_or(0), priority, filter.handle);
            if filter.handle != 0 && !names.insert(name) {
                let handle = filter.handle;
                return Err(
                    format!("two filters on {parent} with prio {priority} and handle {handle:#x}").into()
                );
            }
            let above = qdiscs.get(&classid.qdisc()).filter(|_| !classid.is_none());
            let needs_class = above.is_some_and(|above| above.places() == Places::Classes);
            if needs_class && !classes.contains(&classid) {
                return Err(
                    format!("a filter on {parent} into class {classid}, which is not in the tree").into()
                );
            }
        }
        Ok(())
    }

    /// Refuses classes and qdiscs that are not connected to the root.
    fn check_loops(&self) -> Result<(), Invalid> {
        let classes = self.classes.iter().map(|class| (class.handle, class.parent));
        let qdiscs = self.qdiscs.iter().filter(|qdisc| !qdisc.handle.is_none());
        let qdiscs = qdiscs.map(|qdisc| (qdisc.handle, qdisc.parent));
        // The root class of HFSC has the handle of its qdisc, which is also its parent.
        let above: HashMap<_, _> =
            classes.clone().filter(|(class, _)| class.minor() != 0).chain(qdiscs.clone()).collect();
        let mut connected = HashSet::from([TcHandle::ROOT]);
        for (handle, _) in classes.chain(qdiscs) {
            let (mut at, mut path) = (handle, Vec::new());
            while !connected.contains(&at) {
                if path.len() > above.len() {
                    return Err(format!("{handle} is its own ancestor").into());
                }
                path.push(at);
                // The parent of an ETS band that is not in the tree is its qdisc.
                at = above.get(&at).copied().unwrap_or(at.qdisc());
            }
            connected.extend(path);
        }
        Ok(())
    }
}

type Qdiscs<'a> = HashMap<TcHandle, &'a QdiscConfig>;

/// Refuses a parent that is neither a class of the tree nor one that exists from the beginning.
fn check_place(qdiscs: &Qdiscs<'_>, parent: TcHandle, own: TcHandle) -> Result<(), Invalid> {
    let above = parent.qdisc();
    let missing = || Err(format!("a qdisc on class {parent}, which is not in the tree").into());
    let Some(config) = qdiscs.get(&above).filter(|_| above != own) else { return missing() };
    #[cfg(feature = "ets")]
    if let QdiscConfig::Ets(ets) = config {
        return match (1..=u16::from(ets.bands)).contains(&parent.minor()) {
            true => Ok(()),
            false => missing(),
        };
    }
    let kind = config.kind();
    match config.places() {
        Places::Classes => missing(),
        Places::One => Ok(()),
        Places::Many if parent.minor() != 0 => Ok(()),
        Places::Many => {
            let first = parent.class(1);
            Err(format!(
                "a qdisc on {parent}; the number of a band or queue of {kind} is needed, as in {first}"
            )
            .into())
        }
        Places::None => Err(format!("a qdisc below {above}, which is {kind} and has none below it").into()),
    }
}

/// Refuses a band whose quantum is set both in the qdisc and in the class.
fn check_quantum(qdisc: &QdiscConfig, classid: TcHandle) -> Result<(), Invalid> {
    #[cfg(feature = "ets")]
    if let QdiscConfig::Ets(ets) = qdisc {
        let first = usize::from(ets.strict);
        let band = usize::from(classid.minor()).wrapping_sub(1);
        if (first..first + ets.quanta.len()).contains(&band) {
            return Err(
                format!("the quantum of {classid} is set twice, in its qdisc and in the class").into()
            );
        }
    }
    let _ = (qdisc, classid);
    Ok(())
}

use std::collections::{HashMap, HashSet};

use nl_core::{Error, Result};

use super::Tree;
use crate::TcHandle;
use crate::qdisc::QdiscConfig;

impl Tree {
    /// Whether it is a tree at all.
    pub(super) fn check(&self) -> Result<()> {
        let (mut places, mut names) = (HashSet::new(), HashSet::new());
        let inner: HashSet<_> = self.classes.iter().map(|class| class.parent).collect();
        let classes: HashSet<_> = self.classes.iter().map(|class| class.handle).collect();
        let qdiscs: Qdiscs<'_> = self.qdiscs.iter().map(|qdisc| (qdisc.handle, &qdisc.config)).collect();
        for qdisc in &self.qdiscs {
            let (place, name) = (qdisc.parent, qdisc.handle);
            if !places.insert(place) {
                return Err(Error::usage(format!("two qdiscs on {place}")));
            }
            if !name.is_none() && !names.insert(name) {
                return Err(Error::usage(format!("two qdiscs called {name}")));
            }
            if !place.is_root() {
                if inner.contains(&place) {
                    return Err(Error::usage(format!(
                        "a qdisc on class {place}, which has classes under it"
                    )));
                }
                if !classes.contains(&place) && !is_band(&qdiscs, place) {
                    return Err(Error::usage(format!("a qdisc on class {place}, which is not in the tree")));
                }
            }
        }
        for class in &self.classes {
            let (name, parent) = (class.handle, class.parent);
            let Some(qdisc) = qdiscs.get(&name.qdisc()) else {
                return Err(Error::usage(format!(
                    "class {name} in qdisc {}, which is not in the tree",
                    name.qdisc()
                )));
            };
            if qdisc.kind() != class.config.kind() {
                let (is, not) = (qdisc.kind(), class.config.kind());
                return Err(Error::usage(format!(
                    "class {name} is {not}, but qdisc {} is {is}",
                    name.qdisc()
                )));
            }
            if name.minor() != 0 && !names.insert(name) {
                return Err(Error::usage(format!("two classes called {name}")));
            }
            let under_class = parent != name.qdisc();
            if under_class && !classes.contains(&parent) {
                return Err(Error::usage(format!("class {name} under {parent}, which is not in the tree")));
            }
            if parent.qdisc() != name.qdisc() {
                return Err(Error::usage(format!("class {name} under {parent}, which is in another qdisc")));
            }
            check_quantum(qdisc, name)?;
        }
        self.check_loops()?;
        match self.qdiscs.iter().any(|qdisc| qdisc.parent.is_root()) {
            false if !self.qdiscs.is_empty() => Err(Error::usage("a tree without a qdisc on the root")),
            _ => Ok(()),
        }
    }

    /// Every class and qdisc hangs on the root at last.
    fn check_loops(&self) -> Result<()> {
        let links = self.classes.iter().map(|class| (class.handle, class.parent));
        let on = self.qdiscs.iter().filter(|qdisc| !qdisc.handle.is_none());
        // HFSC's own class has the name of its qdisc, and is under that.
        let above: HashMap<_, _> = links
            .filter(|(class, _)| class.minor() != 0)
            .chain(on.map(|qdisc| (qdisc.handle, qdisc.parent)))
            .collect();
        let mut hanging = HashSet::from([TcHandle::ROOT]);
        let names = self.classes.iter().map(|class| class.handle);
        let named = self.qdiscs.iter().map(|qdisc| qdisc.handle).filter(|name| !name.is_none());
        for name in names.chain(named) {
            let (mut at, mut way) = (name, Vec::new());
            while !hanging.contains(&at) {
                if way.len() > above.len() {
                    return Err(Error::usage(format!("{name} hangs on itself")));
                }
                way.push(at);
                // A band of ETS hangs on its qdisc.
                at = above.get(&at).copied().unwrap_or(at.qdisc());
            }
            hanging.extend(way);
        }
        Ok(())
    }
}

type Qdiscs<'a> = HashMap<TcHandle, &'a QdiscConfig>;

/// Whether it is a class that is there without being said.
fn is_band(qdiscs: &Qdiscs<'_>, place: TcHandle) -> bool {
    match qdiscs.get(&place.qdisc()) {
        #[cfg(feature = "ets")]
        Some(QdiscConfig::Ets(ets)) => (1..=u16::from(ets.bands)).contains(&place.minor()),
        _ => false,
    }
}

/// A quantum is said once: with the qdisc or with the class.
fn check_quantum(qdisc: &QdiscConfig, class: TcHandle) -> Result<()> {
    match qdisc {
        #[cfg(feature = "ets")]
        QdiscConfig::Ets(ets) => {
            let (strict, said) = (usize::from(ets.strict), ets.quanta.len());
            let band = usize::from(class.minor()).wrapping_sub(1);
            if (strict..strict + said).contains(&band) {
                return Err(Error::usage(format!(
                    "the quantum of {class} is said twice, with its qdisc and by itself"
                )));
            }
            Ok(())
        }
        _ => {
            let _ = class;
            Ok(())
        }
    }
}

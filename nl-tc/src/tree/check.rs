use std::collections::HashSet;

use nl_core::{Error, Result};

use super::Tree;
use crate::TcHandle;
use crate::qdisc::QdiscConfig;

impl Tree {
    /// Whether it is a tree at all.
    pub(super) fn check(&self) -> Result<()> {
        let (mut places, mut names) = (HashSet::new(), HashSet::new());
        for qdisc in &self.qdiscs {
            let (place, name) = (qdisc.parent, qdisc.handle);
            if !places.insert(place) {
                return Err(Error::usage(format!("two qdiscs on {place}")));
            }
            if !name.is_none() && !names.insert(name) {
                return Err(Error::usage(format!("two qdiscs called {name}")));
            }
            if !place.is_root() {
                self.check_place(place)?;
            }
        }
        for class in &self.classes {
            let (name, parent) = (class.handle, class.parent);
            let qdisc = self.named(name.qdisc());
            let Some(qdisc) = qdisc else {
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
            if under_class && !self.classes.iter().any(|class| class.handle == parent) {
                return Err(Error::usage(format!("class {name} under {parent}, which is not in the tree")));
            }
            check_quantum(qdisc, name)?;
        }
        self.check_loops()?;
        match self.qdiscs.iter().any(|qdisc| qdisc.parent.is_root()) {
            false if !self.qdiscs.is_empty() => Err(Error::usage("a tree without a qdisc on the root")),
            _ => Ok(()),
        }
    }

    fn named(&self, handle: TcHandle) -> Option<&QdiscConfig> {
        self.qdiscs.iter().find(|qdisc| qdisc.handle == handle).map(|qdisc| &qdisc.config)
    }

    fn check_place(&self, place: TcHandle) -> Result<()> {
        if self.is_inner(place) {
            return Err(Error::usage(format!("a qdisc on class {place}, which has classes under it")));
        }
        let there = self.classes.iter().any(|class| class.handle == place) || self.is_band(place);
        match there {
            true => Ok(()),
            false => Err(Error::usage(format!("a qdisc on class {place}, which is not in the tree"))),
        }
    }

    /// Whether it is a class that is there without being said.
    fn is_band(&self, place: TcHandle) -> bool {
        match self.named(place.qdisc()) {
            #[cfg(feature = "ets")]
            Some(QdiscConfig::Ets(ets)) => (1..=u16::from(ets.bands)).contains(&place.minor()),
            _ => false,
        }
    }

    /// Every class and qdisc hangs on the root at last.
    fn check_loops(&self) -> Result<()> {
        let links = self.classes.iter().map(|class| (class.handle, class.parent));
        let on = self
            .qdiscs
            .iter()
            .filter(|qdisc| !qdisc.handle.is_none())
            .map(|qdisc| (qdisc.handle, qdisc.parent));
        let all: Vec<_> = links.chain(on).collect();
        for (name, _) in &all {
            let (mut at, mut steps) = (*name, 0);
            while !at.is_root() {
                let above = all.iter().find(|(handle, _)| *handle == at).map(|(_, parent)| *parent);
                // A band of ETS hangs on its qdisc.
                at = above.unwrap_or(at.qdisc());
                steps += 1;
                if steps > all.len() * 2 + 2 {
                    return Err(Error::usage(format!("{name} hangs on itself")));
                }
            }
        }
        Ok(())
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
